"""Images of any format: which reader a path needs."""
