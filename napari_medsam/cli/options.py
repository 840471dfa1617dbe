"""The options of commands that read an image which may hold several: `--series` and `--frame`."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from napari_medsam.formats.common.grid import Triple
from napari_medsam.models import loading
from napari_medsam.models.background_opening import Opening
from napari_medsam.models.runtime import precision_choice
from napari_medsam.models.runtime.precision_choice import WISHES, Wish

SERIES = typer.Option(metavar="UID", help="Which DICOM series, as `info` lists them.")
FRAME = typer.Option(help="Which volume of a 4D file, counted from 0.")


# MERGED spacing: "The `--spacing` of commands that read a picture's pages as slices."
SPACING = typer.Option(
    "--spacing",
    metavar="X,Y,Z",
    help="Millimetres between the pixels and pages of a picture, which does not state them.",
)


def parse_spacing(text: str | None) -> Triple | None:
    """Three positive numbers, as "0.5,0.5,2"; None for None.

    Raises
    ------
    ValueError
        It is something else.
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


# MERGED opening: 'A model opened with the precision that `--precision` asks for.\n\nImports only what opening a model needs: the rest of a command is imported while it compiles.'
def parse_wish(text: str) -> Wish:
    """A precision, or "auto"; ValueError naming them for anything else."""
    for wish in WISHES:
        if text == wish:
            return wish
    raise ValueError(f"The precision {text!r} is unknown; choose {', '.join(WISHES)}.")


def begin_opening(name: str, wish: Wish) -> Opening:
    """Open a model in the background; "auto" is measured first where it never was."""
    if wish == "auto" and precision_choice.recall(loading.identity_of(name)) is None:
        measure(name)
    return Opening(name, wish)


def measure(name: str) -> None:
    """Find out what "auto" means for a model on this machine; stderr says what was found."""
    from napari_medsam.diagnostics.precision_check import settle

    typer.echo("Measuring this machine, once ...", err=True)
    settle(name, lambda sentence: typer.echo(sentence, err=True))
