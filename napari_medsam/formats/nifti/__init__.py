"""NIfTI images and labels."""
