"""Compiled models: device, precision and inference."""
