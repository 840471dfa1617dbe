"""The entry points of napari: reader, writers, palette commands, and the program's start."""
