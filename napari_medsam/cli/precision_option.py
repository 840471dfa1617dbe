"""Open a model with the precision given by `--precision`.

Imports only what opening a model needs: the rest of a command is imported while the model
compiles.
"""

from __future__ import annotations

import typer

from napari_medsam.models import loading
from napari_medsam.models.open_in_background import Opening
from napari_medsam.models.runtime import precision_choice
from napari_medsam.models.runtime.precision_choice import WISHES, PrecisionPreference


def parse_wish(text: str) -> PrecisionPreference:
    """A precision, or "auto"; ValueError naming them for anything else."""
    for wish in WISHES:
        if text == wish:
            return wish
    raise ValueError(f"The precision {text!r} is unknown; choose {', '.join(WISHES)}.")


def begin_opening(name: str, wish: PrecisionPreference) -> Opening:
    """Open a model in the background; "auto" is measured first if it never was."""
    if wish == "auto" and precision_choice.recall(loading.identity_of(name)) is None:
        measure(name)
    return Opening(name, wish)


def measure(name: str) -> None:
    """Measure which precision "auto" selects for a model on this machine; report it on stderr."""
    from napari_medsam.diagnostics.precision_check import remember_precision

    typer.echo("Measuring this machine, once ...", err=True)
    remember_precision(name, lambda sentence: typer.echo(sentence, err=True))
