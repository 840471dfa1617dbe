"""`predict`: segment a folder of the challenge's cases into a folder of labels."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_medsam.cli.errors import usage
from napari_medsam.cli.options import COMPAT, require_folder, require_target, require_target_folder


def predict(
    inputs: Annotated[
        Path,
        typer.Argument(metavar="IN", help="A folder of .npz cases, or of images (with --boxes)."),
    ],
    outputs: Annotated[Path, typer.Argument(metavar="OUT", help="The folder for the labels.")],
    model: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="A name that `models list` prints, or auto: the installed model for the modality "
            "with which a case's file name begins.",
        ),
    ] = "litemedsam",
    compat: Annotated[bool, COMPAT] = False,
    boxes: Annotated[
        Path | None,
        typer.Option(
            metavar="TABLE.csv",
            help="A table of boxes for the images in IN, with columns case, label, axis, first, "
            "last, x0, y0, x1, y1 (docs/cohorts.md).",
        ),
    ] = None,
    efficiency: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the seconds of each case, as the challenge's CSV."
        ),
    ] = None,
    again: Annotated[
        bool,
        typer.Option("--again", help="Segment all cases again, also those that have an output."),
    ] = False,
) -> None:
    """Segment every case of a folder; resume a stopped run."""
    from napari_medsam.batch.challenge.predict import n_challenge_cases
    from napari_medsam.batch.challenge.predict import predict_cases as run
    from napari_medsam.cli.console import with_progress
    from napari_medsam.cli.run_case import require_model

    with usage("--model"):
        require_model(model)
    with usage("IN"):
        require_folder(inputs)
    with usage("OUT"):
        require_target_folder(outputs)
    with usage("--efficiency"):
        require_target(efficiency)
    with usage("IN" if boxes is None else "--boxes"):
        total = n_challenge_cases(inputs, boxes)
    counts = {"done": 0, "there": 0, "failed": 0}
    outcomes = run(
        inputs,
        outputs,
        model=model,
        boxes=boxes,
        compat=compat,
        again=again,
        efficiency=efficiency,
    )
    for outcome in with_progress("Cases", outcomes, total):
        counts[outcome.status] += 1
        if outcome.status == "failed":
            typer.echo(f"{outcome.case}: {outcome.why}", err=True)
        elif outcome.status == "done":
            typer.echo(f"{outcome.case}: {outcome.model}, {outcome.seconds:.1f} s")
    typer.echo(_summary(counts, outputs))
    if counts["failed"]:
        raise typer.Exit(1)


def _summary(counts: dict[str, int], outputs: Path) -> str:
    skipped = f", {counts['there']} skipped (output exists)" if counts["there"] else ""
    failed = f", {counts['failed']} failed" if counts["failed"] else ""
    return f"{outputs}: {counts['done']} done{skipped}{failed}."
