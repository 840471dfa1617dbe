"""Where napari needs help: scheduling, mouse position, redraws, memory."""
