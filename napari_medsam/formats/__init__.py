"""Reads files to volumes and writes labels to files; the only part that handles RAS and LPS.

Axes are converted on reading and writing. Inside the program there is one convention,
`voxels[z, y, x]` in LPS order and millimetres; see `napari_medsam.engine.data.volume`.
"""
