"""`evaluate`: compare the labels of a folder with a reference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from napari_medsam.cli.errors import usage
from napari_medsam.cli.options import require_folder, require_target


def evaluate(
    segs: Annotated[Path, typer.Argument(metavar="SEGS", help="The folder of labels to score.")],
    gts: Annotated[
        Path,
        typer.Argument(metavar="GTS", help="The folder of reference labels with the same names."),
    ],
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row per case (CSV).")
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write one row per label of a case (CSV).")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save a box plot per modality (PNG).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score labels against a reference: DSC and NSD.

    Computed by the challenge's rules; NSD also with the spacing in the right order.
    """
    from napari_medsam.batch.challenge import evaluate as room
    from napari_medsam.batch.challenge.box_plot import save_box_plot
    from napari_medsam.cli.console import with_progress

    for option, target in (("--csv", csv), ("--labels", labels), ("--plot", plot)):
        with usage(option):
            require_target(target)
    with usage("SEGS"):
        require_folder(segs)
    with usage("GTS"):
        total = len(room.references(segs, gts))
    scores = []
    for case in with_progress("Scoring", room.evaluate_cases(segs, gts), total):
        scores.append(case)
        if case.score is None or case.score.note:
            typer.echo(f"{case.case}: {case.why or (case.score and case.score.note)}", err=True)
    if csv is not None:
        room.write_scores_csv(csv, scores)
    if labels is not None:
        room.write_label_csv(labels, scores)
    means = room.means(scores)
    if plot is not None and means:
        save_box_plot(plot, room.panels(scores))
    n_failed = sum(case.score is None for case in scores)
    typer.echo(
        json.dumps(room.scores_as_json(scores), indent=1) if as_json else _table(means, n_failed)
    )
    if n_failed:
        raise typer.Exit(1)


def _table(means: Mapping[str, Mapping[str, float]], n_failed: int) -> str:
    lines = [f"{'modality':<14}{'cases':>6}{'DSC':>9}{'NSD':>9}{'NSD corrected':>16}"]
    lines += [
        f"{name:<14}{row['n']:>6.0f}{row['dsc']:>9.4f}{row['nsd']:>9.4f}"
        f"{row['nsd_corrected']:>16.4f}"
        for name, row in means.items()
    ]
    if n_failed:
        lines.append(f"{n_failed} of the cases could not be scored and are not in the means.")
    return "\n".join(lines)
