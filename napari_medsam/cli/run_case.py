"""Run one case with a named model, show progress, and print the result.

`segment` and `demo --headless` share this code.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from napari_medsam.cli.console import progress_bar
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.volume import empty_note
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.headless.report import RESEARCH_ONLY, label_measures, left_out, uncertain_slices
from napari_medsam.headless.request import Request
from napari_medsam.headless.run import Result, run_request
from napari_medsam.models.open_in_background import Opening
from napari_medsam.models.specs.model_spec import ModelSpec
from napari_medsam.models.store import store
from napari_medsam.models.store.modality_routing import AUTO, resolve

MOST_NAMED = 20
"""The most slices named on one line; the report has all of them."""


def require_model(name: str) -> None:
    """Refuse a name that is neither a model's nor "auto", before any file is read.

    Raises
    ------
    ValueError
        Naming the known models.
    """
    if name != AUTO:
        store.model_spec(name)


def choose_model(name: str, modality: str) -> ModelSpec:
    """The model of a name; for "auto" an installed one, and stderr reports which and why.

    Parameters
    ----------
    modality
        "CT", "MR" ... or "" if it is not known.

    Raises
    ------
    ValueError
        If there is no such model, or for "auto" none at all.
    """
    if name != AUTO:
        return store.model_spec(name)
    chosen, why = resolve(AUTO, modality, [stored.spec for stored in store.installed()])
    typer.echo(f"Model {chosen.name}: {why}", err=True)
    return chosen


def run_case(
    request: Request,
    model_spec: ModelSpec,
    output: Path,
    cache: EmbeddingCache | None = None,
    opening: Opening | None = None,
) -> tuple[Result, dict[str, str]]:
    """Segment with a progress bar and save; return the result and the model's identity.

    `opening` is the model, if it is already being opened.
    """
    started = time.perf_counter()
    model = (opening or Opening(model_spec.name)).model()
    waited = time.perf_counter() - started
    with progress_bar("Segmenting", request.n_masks) as advance:
        result = run_request(request, model, output, lambda n_done: advance(n_done, None), cache)
    result.seconds["open_model"] = waited
    return result, {
        "name": model_spec.name,
        "title": model_spec.title,
        "identity": model.identity,
        "licence": model_spec.licence,
    }


def draw_overlay(result: Result, path: Path, caption: str = "") -> None:
    """The picture of `--overlay`."""
    from napari_medsam.measure.overlay import Scene, save_overlay  # slow to import

    request = result.request
    caption = f"{request.image.name}. {caption} {RESEARCH_ONLY}"
    save_overlay(
        path,
        Scene(
            request.image.volume,
            request.window,
            result.annotation.labels,
            request.labels,
            result.boxes,
            " ".join(caption.split()),
        ),
    )


def print_result(result: Result) -> None:
    """Print the result on stdout, and warnings about the image on stderr."""
    request = result.request
    for note in request.image.notes:
        typer.echo(f"Note: {note}", err=True)
    if without := empty_note(left_out(result)):
        typer.echo(f"Note: {without}", err=True)
    to_review = uncertain_slices(result)
    for label in request.labels:
        size = label_measures(label, result.annotation.labels, request.image)
        ml = "" if size["ml"] is None else f", {size['ml']:.1f} ml"
        review = _review(result, label, to_review)
        typer.echo(f"{label.number} {label.name}: {size['voxels']} voxels{ml}{review}")
    for n, placed in enumerate(result.boxes):
        masks = [box_mask.mask for box_mask in result.found if box_mask.box == n]
        if all(mask.is_empty for mask in masks):
            where = placed.box.slice
            typer.echo(
                f"Note: the box on {where.axis}={where.index} (label {placed.label}) gave an "
                f"empty mask.",
                err=True,
            )
    typer.echo(f"{result.saved.path}: {result.saved.checked}")


def _review(result: Result, label: Label, to_review: Sequence[Mapping[str, Any]]) -> str:
    """For a propagated label, the number of slices and the uncertain ones."""
    if result.request.propagation is None:
        return ""
    n = len(
        {box_mask.mask.slice.index for box_mask in result.found if box_mask.label == label.number}
    )
    named = [str(row["index"]) for row in to_review if row["label"] == label.number]
    if not named:
        return f"; {n} slices, none uncertain"
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    return f"; {n} slices, {len(named)} uncertain: {', '.join(named[:MOST_NAMED])}{more}"
