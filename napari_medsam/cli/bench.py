"""`bench`: measure how long a click and a propagation take on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_medsam.diagnostics.benchmark import Figure


def bench(
    json_file: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Also write the figures as JSON."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A name that `models list` prints.")
    ] = "litemedsam",
) -> None:
    """Measure how long a click and a propagation take here.

    Takes less than a minute. Also chooses and stores the precision that "auto" means for this
    model on this machine.
    """
    from napari_medsam.cli.console import with_progress
    from napari_medsam.cli.errors import usage
    from napari_medsam.cli.options import require_target
    from napari_medsam.diagnostics.benchmark import N_FIGURES, figures
    from napari_medsam.diagnostics.precision_check import remember_precision
    from napari_medsam.headless.report import program_versions
    from napari_medsam.models import loading
    from napari_medsam.models.store import store
    from napari_medsam.storage.json_file import write_json

    with usage("--model"):
        gmacs = store.model_spec(model).gmacs
    with usage("--json"):
        require_target(json_file)
    opened = loading.open_model(model)
    found = list(with_progress("Measuring", figures(opened, gmacs), N_FIGURES))
    _show(found, model)
    verdicts: list[str] = []
    mode = remember_precision(model, verdicts.append)
    typer.echo("\n".join([*verdicts, f'Precision "auto" means {mode} here from now on.']))
    if json_file is not None:
        measured = {figure.key: round(figure.value, 3) for figure in found}
        content = {"model": model, "identity": opened.identity, **measured}
        content |= {"auto": mode._asdict(), "verdicts": verdicts, "versions": program_versions()}
        write_json(json_file, content, indent=2)


def _show(found: Sequence[Figure], model: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("figure", title=f"{model} on this machine")
    table.add_column("", justify="right")
    for figure in found:
        digits = f"{figure.value:.3g}" if figure.value < 100 else f"{figure.value:.0f}"
        table.add_row(figure.what, f"{digits} {figure.unit}")
    Console().print(table)
