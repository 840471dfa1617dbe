"""Files to volumes and labels back to files: the only place that knows LPS from RAS.

Everything here turns at the file's edge. Inside the program there is one convention,
`voxels[z, y, x]` in LPS order and millimetres; see `napari_medsam.engine.data.volume`.
"""
