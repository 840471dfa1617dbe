"""`info`: show what a file or folder contains."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from napari_medsam.formats.common.description import Description


def info(
    path: Annotated[Path, typer.Argument(help="An image file or a DICOM folder.")],
    series: Annotated[
        str | None, typer.Option(metavar="UID", help="Only this DICOM series.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Show what a file or folder holds: series, size, spacing, orientation, modality, values.

    Size and slice numbers follow the LPS order that `segment` uses: x to the patient's left,
    y to the back, z to the head.
    """
    from napari_medsam.formats.images.read import describe_image_file

    found = describe_image_file(path, series=series)
    if as_json:
        images = [_as_dict(one) for one in found]
        typer.echo(json.dumps({"path": str(path), "images": images}, indent=2))
        return
    for one in found:
        typer.echo(_as_text(one))


def _as_dict(one: Description) -> dict[str, Any]:
    return {
        "kind": one.kind,
        "name": one.name,
        "series": one.series,
        "size_xyz": list(one.size_xyz),
        "spacing_xyz": list(one.spacing_xyz),
        "orientation": one.orientation,
        "modality": one.modality,
        "n_frames": one.n_frames,
        "value_range": list(one.value_range) if one.value_range else None,
        "dtype": one.dtype,
        "notes": list(one.notes),
    }


def _as_text(one: Description) -> str:
    x, y, z = one.size_xyz
    is_picture = one.kind == "picture"
    rows = {
        "Series": one.series,
        "Kind": one.kind,
        "Size": f"{x} x {y}" if z == 1 else f"{x} x {y} x {z} (x, y, z)",
        "Spacing": "" if is_picture else " x ".join(f"{mm:.4g}" for mm in one.spacing_xyz) + " mm",
        "Orientation": "" if is_picture else f"{one.orientation} in the file",
        "Modality": one.modality or "not known",
        "Volumes": f"{one.n_frames}, choose one with --frame" if one.n_frames > 1 else "",
        "Values": f"{one.value_range[0]:g} to {one.value_range[1]:g}" if one.value_range else "",
        "Type": one.dtype,
    }
    lines = [one.name]
    lines += [f"  {name + ':':<13}{value}" for name, value in rows.items() if value]
    lines += [f"  Note: {note}" for note in one.notes]
    return "\n".join(lines)
