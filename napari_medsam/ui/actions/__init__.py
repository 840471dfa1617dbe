"""What the user can do, one file a feature."""
