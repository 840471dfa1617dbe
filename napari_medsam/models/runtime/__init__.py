"""Compiled models: device, precision, inference."""
