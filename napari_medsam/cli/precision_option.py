"""Open a model with the precision given by `--precision`.

Imports only what opening a model needs: the rest of a command is imported while the model
compiles.
"""

from __future__ import annotations

import typer

from napari_medsam.models import loading
from napari_medsam.models.open_in_background import Opening
from napari_medsam.models.runtime import precision_choice
from napari_medsam.models.runtime.precision_choice import PRECISION_PREFERENCES, PrecisionPreference


def parse_preference(text: str) -> PrecisionPreference:
    """A precision, or "auto"; ValueError naming them for anything else."""
    for preference in PRECISION_PREFERENCES:
        if text == preference:
            return preference
    choices = ", ".join(PRECISION_PREFERENCES)
    raise ValueError(f"The precision {text!r} is unknown; choose {choices}.")


def begin_opening(name: str, preference: PrecisionPreference) -> Opening:
    """Open a model in the background; "auto" is measured first if it never was."""
    if preference == "auto" and precision_choice.recall(loading.identity_of(name)) is None:
        measure(name)
    return Opening(name, preference)


def measure(name: str) -> None:
    """Measure which precision "auto" selects for a model on this machine; report it on stderr."""
    from napari_medsam.diagnostics.precision_check import remember_precision

    typer.echo("Measuring this machine, once ...", err=True)
    remember_precision(name, lambda sentence: typer.echo(sentence, err=True))
