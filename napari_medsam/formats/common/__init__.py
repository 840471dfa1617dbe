"""Shared by several formats: geometry, label tables, errors, limits."""
