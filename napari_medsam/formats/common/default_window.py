"""The window an image is opened with, from its header, named like the presets.

A header's centre and width are what the console or a radiologist chose for this series. For CT
and radiographs it shows the tissue in question, so the model is shown it too. MR, PET and
ultrasound use "auto", the percentiles their models were trained on (LiteMedSAM
`pre_CT_MR.py`): vendors' windows there follow the coil, not the tissue. The header's window can
be chosen for every image that has one.
"""

from __future__ import annotations

import numpy as np

from napari_medsam.engine.data.intensity_window import (
    AUTO,
    CT_PRESETS,
    FULL,
    PERCENTILE,
    Window,
    parse_window,
    preset_names,
    preset_window,
)
from napari_medsam.formats.common.image_file import ImageFile

FROM_FILE = "from the file"
FOLLOWS_HEADER = ("CT", "X-Ray", "Mammography")
WIDEST_CT = 2500.0
"""Hounsfield units: wider windows (0 to 4096) are a writer's default, not somebody's choice."""
NEAR = 0.15
"""Part of the width by which a header's window may differ from the preset it is called."""
BODY_PARTS = {"brain": "brain", "head": "brain", "skull": "brain"}
"""Presets by DICOM's BodyPartExamined (PS3.16 annex L), if no window is stated."""


def window_names(image: ImageFile) -> tuple[str, ...]:
    """The presets that make sense for an image; "from the file" if its header has a window."""
    names = preset_names(image.volume)
    return (*names, FROM_FILE) if _header_window(image) is not None else names


def window_named(image: ImageFile, name: str) -> Window:
    """The window a preset means for this image.

    Raises
    ------
    ValueError
        There is no such preset, or the header states no window.
    """
    if name != FROM_FILE:
        return preset_window(image.volume, name)
    window = _header_window(image)
    if window is None:
        raise ValueError(f"The header of {image.name} states no window; choose another preset.")
    return window


def requested_window(image: ImageFile, text: str) -> Window:
    """As `window_named`, or "LOWER,UPPER"; "auto" follows the header as the screen does."""
    known = (AUTO, FROM_FILE, PERCENTILE, FULL, *CT_PRESETS)
    if text not in known and "," not in text:
        raise ValueError(
            f"There is no window preset {text!r}; there are {', '.join(known)}, or LO,HI."
        )
    if text == AUTO:
        text = first_window(image)
    return window_named(image, text) if text == FROM_FILE else parse_window(image.volume, text)


def first_window(image: ImageFile) -> str:
    """The name of the preset to begin with; "auto" if the header gives no reason for another."""
    window = _header_window(image)
    if image.volume.is_rgb or image.volume.modality not in FOLLOWS_HEADER:
        return AUTO
    if image.volume.modality != "CT":
        return FROM_FILE if window is not None else AUTO
    if window is not None and window.upper - window.lower <= WIDEST_CT:
        return _preset_near(window) or FROM_FILE
    return BODY_PARTS.get(image.body_part, AUTO) if window is None else AUTO


def why_this_window(image: ImageFile) -> str:
    """A sentence for the user if the header chose the window, else ""."""
    name = first_window(image)
    if name == AUTO:
        return ""
    if name == FROM_FILE:
        return "Window: from the file."
    why = "from the file" if _header_window(image) is not None else "for this body part"
    return f"Window: {name} ({why})."


def _header_window(image: ImageFile) -> Window | None:
    """The header's window if it shows anything of the image."""
    if image.window is None or image.volume.is_rgb:
        return None
    lower, upper = image.window
    full = preset_window(image.volume, "full range")
    if not (np.isfinite(lower) and np.isfinite(upper) and lower < upper):
        return None
    return Window(lower, upper) if lower < full.upper and upper > full.lower else None


def _preset_near(window: Window) -> str:
    """The CT preset that this window equals within a few units; "" if there is none."""
    off = {
        name: max(abs(window.lower - level + width / 2), abs(window.upper - level - width / 2))
        for name, (level, width) in CT_PRESETS.items()
    }
    nearest = min(off, key=lambda name: off[name])
    return nearest if off[nearest] <= NEAR * CT_PRESETS[nearest][1] else ""
