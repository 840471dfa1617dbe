"""Options that several commands share, and checks of the files and folders they name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from napari_medsam.formats.common.grid import Triple

SERIES = typer.Option(
    metavar="UID", help="The DICOM series: its UID or its name, as listed by `info`."
)
FRAME = typer.Option(metavar="N", help="The volume of a 4D file, counted from 0.")
NAMES = typer.Option(metavar="FILE", help="A label table: ITK-SNAP's .txt, or .csv.")
COMPAT = typer.Option("--compat", help="Follow the rules of the model's authors exactly.")
FILL_GAPS = typer.Option(
    "--fill-gaps",
    help="Draw the slices between contours of an RTSTRUCT on every second slice or fewer.",
)
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
        raise ValueError(f"A spacing is three numbers above 0, X,Y,Z in mm; this is {text!r}.")
    return x, y, z


def require_folder(folder: Path) -> None:
    """Refuse an input folder that does not exist."""
    if not folder.is_dir():
        raise ValueError(f"There is no folder {folder}.")


def require_file(path: Path | None) -> None:
    """Refuse an input file or folder that is given but does not exist."""
    if path is not None and not path.exists():
        raise ValueError(f"There is no file {path}.")


def require_target(target: Path | None) -> None:
    """Refuse an output file that is a folder, or whose folder does not exist."""
    if target is None:
        return
    require_folder(target.parent)
    if target.is_dir():
        raise ValueError(f"{target} is a folder; give the name of a file.")


def require_target_folder(folder: Path) -> None:
    """Refuse an output folder that is a file."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file, not a folder; choose another name.")


def refuse_input(target: Path | None, image: Path) -> None:
    """Refuse to overwrite an input file, or to write into an input folder."""
    if target is None:
        return
    place, source = target.resolve(), image.resolve()
    if place == source or (target.exists() and image.exists() and target.samefile(image)):
        raise ValueError(f"{target} is an input file; choose another name.")
    if source.is_dir() and source in place.parents:
        raise ValueError(f"{target} is in the folder that is read; choose another folder.")
    require_target(target)
