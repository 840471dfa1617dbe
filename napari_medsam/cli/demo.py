"""`demo`: the synthetic sample case, in napari or without a display."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from napari_medsam.cli.view import require_window


def demo(
    headless: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Use no display; write the results to DIR."),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="A name that `models list` prints, or auto.")
    ] = "litemedsam",
) -> None:
    """Open a synthetic CT in napari, or segment it without a display.

    With --headless, five organs are segmented from one box each, and labels.nii.gz, overlay.png
    and report.json are written to DIR.
    """
    if headless is None:
        require_window()
        from napari_medsam.ui.plugin.app import open_viewer

        open_viewer(sample=True)
        return
    _headless(headless, model)


def _headless(folder: Path, model: str) -> None:
    from napari_medsam.cli.errors import usage
    from napari_medsam.cli.options import require_target_folder
    from napari_medsam.cli.run_case import (
        choose_model,
        draw_overlay,
        print_result,
        require_model,
        run_case,
    )
    from napari_medsam.headless.demo import compare_with_reference, demo_request
    from napari_medsam.headless.report import run_report, write_report
    from napari_medsam.headless.synthetic_case import synthetic_abdomen

    with usage("--model"):
        require_model(model)
    with usage("--headless"):
        require_target_folder(folder)
    case = synthetic_abdomen()
    chosen = choose_model(model, case.image.volume.modality)
    folder.mkdir(parents=True, exist_ok=True)
    result, used = run_case(demo_request(case), chosen, folder / "labels.nii.gz")
    scores = compare_with_reference(result, case)
    draw_overlay(result, folder / "overlay.png", f"Labels by {used['title']} from one box each.")
    write_report(folder / "report.json", {**run_report(result, used), "reference": scores})
    print_result(result)
    for row in scores:
        typer.echo(f"{row['name']}: Dice {row['dice']:.3f} with the synthetic reference")
