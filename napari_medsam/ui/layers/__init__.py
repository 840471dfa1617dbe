"""The napari layers of a case: image, labels, boxes, points and preview."""
