"""Run one case with a named model, show how far it is, and tell what came out.

What `segment` and `demo --headless` share.
"""

from __future__ import annotations

import time
from pathlib import Path

import typer

from napari_medsam.cli.console import progress_bar
from napari_medsam.headless import Request, Result, run
from napari_medsam.models import loading
from napari_medsam.models.catalogue import spec
from napari_medsam.overlay import Scene, save_overlay
from napari_medsam.report import RESEARCH_ONLY, measure


def run_case(request: Request, model_name: str, output: Path) -> tuple[Result, dict[str, str]]:
    """Open the model, segment with a progress bar, save; the result, and what the model was."""
    started = time.perf_counter()
    model = loading.open_model(model_name)
    opened = time.perf_counter() - started
    with progress_bar("Segmenting", request.n_masks) as advance:
        result = run(request, model, output, lambda n_done: advance(n_done, None))
    result.seconds["open_model"] = opened
    described = spec(model_name)
    return result, {
        "name": described.name,
        "title": described.title,
        "identity": model.identity,
        "licence": described.licence,
    }


def draw_overlay(result: Result, path: Path, caption: str = "") -> None:
    """The picture of `--overlay`."""
    request = result.request
    caption = f"{request.image.name}. {caption} {RESEARCH_ONLY}"
    save_overlay(
        path,
        Scene(
            request.image.volume,
            request.window,
            result.annotation.labels,
            request.table,
            request.boxes,
            " ".join(caption.split()),
        ),
    )


def tell(result: Result) -> None:
    """What came out, on stdout; warnings about the image on stderr."""
    request = result.request
    for note in request.image.notes:
        typer.echo(f"Note: {note}", err=True)
    for label in request.table:
        size = measure(label, result.annotation.labels, request.image)
        ml = "" if size["ml"] is None else f", {size['ml']:.1f} ml"
        typer.echo(f"{label.number} {label.name}: {size['voxels']} voxels{ml}")
    for placed in request.boxes:
        masks = [one.mask for one in result.found if request.boxes[one.box] is placed]
        if all(mask.is_empty for mask in masks):
            where = placed.box.slice
            typer.echo(
                f"Note: the box on {where.axis}={where.index} (label {placed.label}) gave an "
                f"empty mask.",
                err=True,
            )
    typer.echo(f"{result.saved.path}: {result.saved.checked}")
