"""`batch`: segment a table of cases into a folder of labels, with a summary."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_medsam.cli.errors import usage
from napari_medsam.cli.options import COMPAT, require_target_folder


def batch(
    table: Annotated[
        Path,
        typer.Argument(
            metavar="CASES.csv",
            help="A table with columns case, label, axis, first, last, x0, y0, x1, y1 and "
            "optionally slice; image paths are relative to its folder (docs/cohorts.md).",
        ),
    ],
    outputs: Annotated[Path, typer.Argument(metavar="OUT", help="The folder for the results.")],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A name that `models list` prints, or auto: the installed one for the modality.",
        ),
    ] = "litemedsam",
    compat: Annotated[bool, COMPAT] = False,
    window: Annotated[
        str, typer.Option(metavar="NAME or LO,HI", help="The grey values, as in `segment`.")
    ] = "auto",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Processes on this machine; by default one per core, if memory allows.",
        ),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on the Dask cluster with this scheduler."),
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Segment all cases again.")] = False,
) -> None:
    """Segment a table of cases on all cores or a cluster.

    Run the same command again to resume a stopped run.
    """
    from napari_medsam.batch.cohort import summary
    from napari_medsam.batch.cohort.run import SUMMARY, n_cohort_cases
    from napari_medsam.batch.cohort.run import run_cohort as run
    from napari_medsam.cli.console import with_progress
    from napari_medsam.cli.run_case import require_model

    with usage("--model"):
        require_model(model)
    with usage("CASES.csv"):
        total = n_cohort_cases(table)
    with usage("OUT"):
        require_target_folder(outputs)
    records = []
    found = run(
        table,
        outputs,
        model=model,
        compat=compat,
        window=window,
        workers=workers,
        scheduler=scheduler,
        again=again,
    )
    for record in with_progress("Cases", found, total):
        records.append(record)
        if record["why"]:
            typer.echo(f"{record['case']}: {record['why']}", err=True)
    typer.echo(f"{outputs / SUMMARY}: {summary.summary_in_words(records)}")
    if any(record["why"] for record in records):
        raise typer.Exit(1)
