"""Options that several commands share: `--series`, `--frame` and `--spacing`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from napari_medsam.formats.common.grid import Triple

SERIES = typer.Option(metavar="UID", help="The DICOM series, as listed by `info`.")
FRAME = typer.Option(metavar="N", help="The volume of a 4D file, counted from 0.")


SPACING = typer.Option(
    "--spacing",
    metavar="X,Y,Z",
    help="Millimetres between pixels and between pages of a picture, which does not state them.",
)


def parse_spacing(text: str | None) -> Triple | None:
    """Parse three positive numbers, as "0.5,0.5,2"; None for None.

    Raises
    ------
    ValueError
        If the text is anything else.
    """
    if text is None:
        return None
    try:
        x, y, z = (float(word) for word in text.split(","))
    except ValueError:
        x = y = z = math.nan
    if not all(math.isfinite(mm) and mm > 0 for mm in (x, y, z)):
        raise ValueError(f"A spacing is three millimetres X,Y,Z above 0; this is {text!r}.")
    return x, y, z
