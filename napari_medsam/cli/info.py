"""`info`: show what a file or folder contains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from napari_medsam.formats.common.image_description import Description


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
    for image in found:
        typer.echo(_as_text(image))


def _as_dict(image: Description) -> dict[str, Any]:
    return {name: value for name, value in vars(image).items() if name != "thumbnail"}


def _as_text(image: Description) -> str:
    x, y, z = image.size_xyz
    is_picture = image.kind == "picture"
    rows = {
        "Series": image.series,
        "Kind": image.kind,
        "Size": f"{x} x {y}" if z == 1 else f"{x} x {y} x {z} (x, y, z)",
        "Spacing": ""
        if is_picture
        else " x ".join(f"{mm:.4g}" for mm in image.spacing_xyz) + " mm",
        "Orientation": "" if is_picture else f"{image.orientation} in the file",
        "Modality": image.modality or "not known",
        "Volumes": f"{image.n_frames}, choose one with --frame" if image.n_frames > 1 else "",
        "Values": f"{image.value_range[0]:g} to {image.value_range[1]:g} {image.unit}".rstrip()
        if image.value_range
        else "",
        "Type": image.dtype,
    }
    lines = [image.name]
    lines += [f"  {name + ':':<13}{value}" for name, value in rows.items() if value]
    lines += [f"  Note: {note}" for note in image.notes]
    return "\n".join(lines)
