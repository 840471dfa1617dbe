"""`measure`: volume in ml, diameters, grey values and change of the labels in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_medsam.cli.errors import resample_hint, usage
from napari_medsam.cli.options import (
    FILL_GAPS,
    FRAME,
    NAMES,
    SERIES,
    refuse_input,
    require_file,
)

if TYPE_CHECKING:
    from napari_medsam.measure.from_files import Measured


def measure(
    labels: Annotated[Path, typer.Argument(metavar="LABELS", help="A label file.")],
    image: Annotated[
        Path | None,
        typer.Option(metavar="IMAGE", help="The image, for grey values (HU in a CT)."),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="LABELS", help="Labels to compare with; the same number is the same label."
        ),
    ] = None,
    names: Annotated[Path | None, NAMES] = None,
    axis: Annotated[
        str, typer.Option(metavar="z, y or x", help="Measure diameters in slices along this axis.")
    ] = "z",
    tolerance: Annotated[
        float, typer.Option(metavar="MM", help="Tolerance of the surface Dice (NSD), in mm.")
    ] = 2.0,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Save the measures as a table.")
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Save a page with key images (.png or .pdf); needs --image."
        ),
    ] = None,
    resample: Annotated[
        bool,
        typer.Option("--resample", help="Resample labels to the image's grid (nearest neighbour)."),
    ] = False,
    fill_gaps: Annotated[bool, FILL_GAPS] = False,
    series: Annotated[str | None, SERIES] = None,
    frame: Annotated[int | None, FRAME] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Measure labels: volume, diameters, grey values and change.

    Diameters are the longest in a slice and the one perpendicular to it.
    """
    from napari_medsam.measure.from_files import measure_file
    from napari_medsam.measure.table import as_sentence, write_csv

    inputs = {"LABELS": labels, "--image": image, "--reference": reference, "--names": names}
    _check(inputs, {"--csv": csv, "--page": page}, axis, tolerance)
    for option, given in {"--series": series, "--frame": frame}.items():
        with usage(option):
            if given is not None and image is None:
                raise ValueError(f"{option} chooses an image; name it with --image.")
    with usage("--page"):
        if page is not None and image is None:
            raise ValueError("A page shows the image; name it with --image.")
        if page is not None and page.suffix.lower() not in (".png", ".pdf"):
            raise ValueError(f"{page.name} must end in .png or .pdf.")
    with resample_hint("If they belong together, add --resample."):
        found = measure_file(
            labels,
            image,
            reference,
            names=names,
            axis=axis,  # type: ignore[arg-type]
            tolerance_mm=tolerance,
            resample=resample,
            fill_gaps=fill_gaps,
            series=series,
            frame=frame,
        )
    for note in found.notes:
        typer.echo(f"Note: {note}", err=True)
    if csv is not None:
        write_csv(csv, found.measures, found.units)
    if page is not None:
        _save_page(page, labels, reference, axis, found)
    if as_json:
        typer.echo(json.dumps(_as_dict(labels, image, reference, found), indent=2))
        return
    for measured in found.measures:
        typer.echo(as_sentence(measured, found.units))
    if not found.measures:
        typer.echo(f"{labels.name} holds no labels.", err=True)


def _check(
    inputs: dict[str, Path | None], outputs: dict[str, Path | None], axis: str, tolerance: float
) -> None:
    """Refuse, as wrong usage, every combination that is wrong without reading a file."""
    for option, path in inputs.items():
        with usage(option):
            require_file(path)
    for option, output in outputs.items():
        with usage(option):
            for path in inputs.values():
                if path is not None:
                    refuse_input(output, path)
    with usage("--axis"):
        if axis not in ("z", "y", "x"):
            raise ValueError(f"An axis is z, y or x; this is {axis!r}.")
    with usage("--tolerance"):
        if not 0 <= tolerance < float("inf"):
            raise ValueError(f"A tolerance is 0 or more millimetres; this is {tolerance:g}.")


def _save_page(
    page: Path, labels: Path, reference: Path | None, axis: str, found: Measured
) -> None:
    from napari_medsam.formats.common.default_window import first_window, window_named
    from napari_medsam.measure.overlay import Scene
    from napari_medsam.measure.report_page import heading_of, save_page

    image = found.image
    if image is None:
        return
    window = window_named(image, first_window(image))
    table = [measured.label for measured in found.measures]
    scene = Scene(image.volume, window, found.labels, table, ())
    other = reference.name if reference else ""
    heading = heading_of(image.name, labels.name, other, axis, found.units)
    save_page(page, scene, found.measures, found.units, heading)
    typer.echo(f"{page}: a page with {len(table)} labels", err=True)


def _as_dict(
    labels: Path, image: Path | None, reference: Path | None, found: Measured
) -> dict[str, Any]:
    from napari_medsam.headless.report import RESEARCH_ONLY
    from napari_medsam.measure.table import as_row

    return {
        "labels": labels.name,
        "image": image and image.name,
        "reference": reference and reference.name,
        "notice": RESEARCH_ONLY,
        "measures": [as_row(measured, found.units) for measured in found.measures],
        "notes": list(found.notes),
    }
