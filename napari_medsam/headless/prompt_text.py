"""Parsing of prompts on the command line: "z:12:40,50,90,110:liver", "z:12:9,8", "3:20"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:  # this module is loaded for the help of `segment`, without NumPy
    from napari_medsam.engine.data.volume import Axis

BOX_FORM = "AXIS:INDEX:X0,Y0,X1,Y1[:LABEL]"
POINT_FORM = "AXIS:INDEX:X,Y[:LABEL]"
RANGE_FORM = "FIRST:LAST"
SLICE_FORM = "AXIS:INDEX[:LABEL]"

_WRITTEN = {
    "box": (BOX_FORM, 4, "corners", "four numbers X0,Y0,X1,Y1"),
    "point": (POINT_FORM, 2, "coordinates", "two numbers X,Y"),
}
"""How a prompt is written, how many numbers it has, what they are called, and their form."""

_BOX = re.compile(r"(?:(?P<axis>[^:,]*):(?P<index>[^:,]*):)?(?P<corners>[^:]*)(?::(?P<label>.*))?")


@dataclass(frozen=True)
class RequestedBox:
    """A box as the user wrote it, not yet placed on an image.

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


@dataclass(frozen=True)
class RequestedPoint:
    """A point as the user wrote it: x, y in slice pixels, inside or outside the object.

    Label and slice are as in `RequestedBox`.
    """

    x: float
    y: float
    is_inside: bool = True
    label: str = "1"
    axis: Axis | None = None
    index: int | None = None


@dataclass(frozen=True)
class RequestedSlice:
    """A label on a slice as the user wrote it."""

    axis: Axis
    index: int
    label: str = "1"


def parse_slice(text: str) -> RequestedSlice:
    """Parse "z:12:liver". The label is a number or a name, 1 by default.

    Raises
    ------
    ValueError
        The text is wrong; the message says which part.
    """
    axis, index, label = (*text.split(":", 2), None, None)[:3]
    if axis is None or index is None:
        raise ValueError(f"{text!r} is not a slice; a slice is written {SLICE_FORM}.")
    return RequestedSlice(*_place(axis, index, text), _label(label, text))


def parse_point(text: str, *, is_inside: bool = True) -> RequestedPoint:
    """Parse "z:12:40,50:liver", or "40,50" for a 2D image; the parts are as in `parse_box`.

    Raises
    ------
    ValueError
        The text is wrong; the message says which part.
    """
    x, y, label, axis, index = _parts(text, "point")
    return RequestedPoint(x, y, is_inside, label, axis, index)


def parse_box(text: str) -> RequestedBox:
    """Parse "z:12:40,50,90,110:liver", or "40,50,90,110" for a 2D image.

    The label is a number or a name, 1 by default.

    Raises
    ------
    ValueError
        The text is wrong; the message says which part.
    """
    *corners, label, axis, index = _parts(text, "box")
    x0, y0, x1, y1 = corners
    return RequestedBox((x0, y0, x1, y1), label, axis, index)


def _parts(text: str, what: Literal["box", "point"]) -> tuple[Any, ...]:
    """The numbers, then label, axis and index."""
    form, n_numbers, name, wanted = _WRITTEN[what]
    match = _BOX.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a {what}; a {what} is written {form}.")
    axis, numbers = match["axis"], match["corners"]
    try:
        found = [float(part) for part in numbers.split(",")]
        if len(found) != n_numbers:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"The {name} of {text!r} are {numbers!r}; they are {wanted}. "
            f"A {what} is written {form}."
        ) from None
    if axis is None:
        return *found, _label(match["label"], text), None, None
    return *found, _label(match["label"], text), *_place(axis, match["index"], text)


def _place(axis: str, index: str, text: str) -> tuple[Axis, int]:
    from napari_medsam.engine.data.volume import AXES

    known = next((a for a in AXES if a == axis.strip().lower()), None)
    if known is None:
        raise ValueError(f"The axis of {text!r} is {axis!r}; it is z, y or x.")
    if not index.isdecimal():
        raise ValueError(f"The slice of {text!r} is {index!r}; it is a number from 0.")
    return known, int(index)


def parse_range(text: str) -> tuple[int, int]:
    """Parse "FIRST:LAST", both inclusive; ValueError if it is not a range."""
    match = re.fullmatch(r"(\d+):(\d+)", text.strip())
    if match is None or int(match[1]) > int(match[2]):
        raise ValueError(
            f"{text!r} is not a range of slices; one is written {RANGE_FORM}, for example 3:20."
        )
    return int(match[1]), int(match[2])


def _label(text: str | None, whole: str) -> str:
    label = "1" if text is None else text.strip()
    if not label:
        raise ValueError(f"The label of {whole!r} is empty; it is a number from 1, or a name.")
    if label.isdecimal() and not 1 <= int(label) <= 65535:
        raise ValueError(f"The label of {whole!r} is {label}; label numbers are 1 to 65535.")
    return label
