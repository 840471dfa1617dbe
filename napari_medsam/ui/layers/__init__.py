"""The napari layers of a case."""
