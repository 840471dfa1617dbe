"""Recognises a CT by its values if the file does not state the modality.

NIfTI, NRRD and MetaImage have no field for the modality, but the model must be shown a CT through
a window. A CT is recognised by its Hounsfield units: air is -1000, as in no other modality.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_medsam.formats.common.image_file import ImageFile

AIR, FLOOR = -900, -4096
"""A CT holds air (-1000 HU, with noise), and nothing below the padding values of scanners
(-1024, -2000, -3024)."""

SOFT_TISSUE = 0
"""A CT of a body also holds water and more."""

NOTE = (
    "The values look like Hounsfield units, so it is shown to the model as a CT; choose another "
    "window if it is none."
)


def recognize_ct(image: ImageFile) -> ImageFile:
    """The image, with modality CT and a note if it states none and its values say so."""
    volume = image.volume
    if volume.modality or volume.is_flat or volume.is_rgb or volume.voxels.dtype.kind not in "if":
        return image
    # fmin and fmax skip not-a-number.
    low = float(np.fmin.reduce(volume.voxels, axis=None))
    high = float(np.fmax.reduce(volume.voxels, axis=None))
    if not (FLOOR <= low <= AIR and high > SOFT_TISSUE):
        return image
    as_ct = replace(volume, modality="CT")
    return replace(image, volume=as_ct, notes=(*image.notes, NOTE))
