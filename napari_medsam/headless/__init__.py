"""Segmentation of one case without a user interface, from a request to a label file."""
