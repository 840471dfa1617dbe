"""`info`: show what a file or folder contains."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from napari_medsam.formats.common.image_description import Description

MOST_VOLUMES = 40
"""So many volumes of one image are listed; --json lists all."""


def info(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="An image file or a DICOM folder.")],
    series: Annotated[
        str | None,
        typer.Option(metavar="UID", help="Only this DICOM series, by its UID or name."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show an image's size, spacing, orientation and values.

    For a DICOM folder, shows each series.

    Size and slice numbers follow the LPS order that `segment` uses: x to the patient's left,
    y to the back, z to the head.
    """
    from napari_medsam.formats.images.read import describe_image_file

    found = describe_image_file(path, series=series)
    if as_json:
        images = [_as_dict(image) for image in found]
        typer.echo(json.dumps({"path": str(path), "images": images}, indent=2))
        return
    shared = [note for note in found[0].notes if all(note in image.notes for image in found)]
    once = shared if len(found) > 1 else []
    for image in found:
        typer.echo(_as_text(image, once))
    for note in once:
        typer.echo(f"Note for all: {note}")


def _as_dict(image: Description) -> dict[str, Any]:
    found = {name: value for name, value in vars(image).items() if name != "thumbnail"}
    return found if image.has_spacing else found | {"spacing_xyz": None}


def _as_text(image: Description, told_below: Sequence[str]) -> str:
    x, y, z = image.size_xyz
    is_picture = image.kind == "picture"
    rows = {
        "Series": image.series,
        "Volume": image.words,
        "Kind": image.kind,
        "Size": f"{x} x {y}" if z == 1 else f"{x} x {y} x {z} (x, y, z)",
        "Spacing": " x ".join(f"{mm:.4g}" for mm in image.spacing_xyz[: 2 if z == 1 else 3]) + " mm"
        if image.has_spacing
        else "",
        "Orientation": ""
        if is_picture or not image.orientation
        else f"{image.orientation} in the file",
        "Modality": image.modality or "not known",
        "Volumes": f"{image.n_frames}, choose one with --frame" if image.n_frames > 1 else "",
        "Values": f"{image.value_range[0]:g} to {image.value_range[1]:g} {image.unit}".rstrip()
        if image.value_range
        else "",
        "Unit": "" if image.value_range else image.unit,
        "Type": image.dtype,
    }
    lines = [image.name]
    lines += [f"  {name + ':':<13}{value}" for name, value in rows.items() if value]
    lines += [f"    {n}: {told}" for n, told in enumerate(image.volumes[:MOST_VOLUMES])]
    if len(image.volumes) > MOST_VOLUMES:
        lines.append(f"    ... {len(image.volumes) - 1}: {image.volumes[-1]}")
    lines += [f"  Note: {note}" for note in image.notes if note not in told_below]
    return "\n".join(lines)
