"""Workarounds for napari, vispy and Qt: scheduling, mouse position, redraws, memory."""
