"""The napari dock, its layers, readers and writers: the only package that uses napari and Qt."""
