"""Models stored on this disk, and their downloads."""
