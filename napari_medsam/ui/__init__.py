"""The screen: a napari dock, its layers, readers and writers; nothing else knows napari or Qt."""
