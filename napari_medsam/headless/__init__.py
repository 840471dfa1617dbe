"""One case without a window, from a request to a label file."""
