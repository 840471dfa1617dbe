"""Boxes and ranges of slices as people write them down: "z:12:40,50,90,110:liver", "3:20"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from napari_medsam.engine.volume import AXES, Axis

BOX_FORM = "AXIS:INDEX:X0,Y0,X1,Y1[:LABEL]"
RANGE_FORM = "FIRST:LAST"

_BOX = re.compile(r"(?:(?P<axis>[^:,]*):(?P<index>[^:,]*):)?(?P<corners>[^:]*)(?::(?P<label>.*))?")


@dataclass(frozen=True)
class AskedBox:
    """A box as someone wrote it down, before it is laid on an image.

    Parameters
    ----------
    corners
        x, y of one corner and x, y of the opposite one, in slice pixels (x along columns, y
        along rows of the slice).
    label
        A label's number or its name.
    axis, index
        The slice; both None on a 2D picture.
    """

    corners: tuple[float, float, float, float]
    label: str = "1"
    axis: Axis | None = None
    index: int | None = None


def parse_box(text: str) -> AskedBox:
    """Read "z:12:40,50,90,110:liver", or "40,50,90,110" for a 2D image.

    The label is a number or a name; left out, it is 1.

    Raises
    ------
    ValueError
        Saying which part is wrong.
    """
    match = _BOX.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a box; a box is written {BOX_FORM}.")
    axis, index, label = match["axis"], match["index"], match["label"]
    corners = _corners(match["corners"], text)
    if axis is None:
        return AskedBox(corners, _label(label, text))
    known = next((a for a in AXES if a == axis.strip().lower()), None)
    if known is None:
        raise ValueError(f"The axis of {text!r} is {axis!r}; it is z, y or x.")
    if not index.isdecimal():
        raise ValueError(f"The slice of {text!r} is {index!r}; it is a number from 0.")
    return AskedBox(corners, _label(label, text), known, int(index))


def parse_range(text: str) -> tuple[int, int]:
    """Read "FIRST:LAST", both inclusive."""
    match = re.fullmatch(r"(\d+):(\d+)", text.strip())
    if match is None or int(match[1]) > int(match[2]):
        raise ValueError(
            f"{text!r} is not a range of slices; one is written {RANGE_FORM}, for example 3:20."
        )
    return int(match[1]), int(match[2])


def _corners(text: str, whole: str) -> tuple[float, float, float, float]:
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError(
            f"The corners of {whole!r} are {text!r}; they are four numbers X0,Y0,X1,Y1. "
            f"A box is written {BOX_FORM}."
        ) from None
    return x0, y0, x1, y1


def _label(text: str | None, whole: str) -> str:
    label = "1" if text is None else text.strip()
    if not label:
        raise ValueError(f"The label of {whole!r} is empty; it is a number from 1, or a name.")
    if label.isdecimal() and not 1 <= int(label) <= 65535:
        raise ValueError(f"The label of {whole!r} is {label}; label numbers are 1 to 65535.")
    return label
