"""The JSON report of a headless run, with all that is needed to judge it and to repeat it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam import __version__
from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.confidence import DOUBTFUL, slice_confidences
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.propagation.plan import SliceRange
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.headless.run import Answer, BoxMask, Result
from napari_medsam.storage.atomic_write import write_text

RESEARCH_ONLY = "For research use only. Not a medical device."


def run_report(result: Result, model: Mapping[str, str]) -> dict[str, Any]:
    """The object that `--report` writes; docs/command-line.md explains each key."""
    request = result.request
    window, labels = request.window, result.annotation.labels
    return {
        "program": {"name": "napari-medsam", "version": __version__, "notice": RESEARCH_ONLY},
        "image": describe_image(request.image),
        "model": dict(model),
        "window": {"lower": window.lower, "upper": window.upper, "keep_zero": window.keep_zero},
        "compat": request.compat,
        "views": request.views and not request.compat,
        "vote": request.mode == "vote",
        "boxes": [_box(*pair) for pair in zip(result.boxes, result.ranges, strict=True)],
        "labels": [label_measures(label, labels, request.image) for label in request.labels],
        "slices": [_slice(box_mask) for box_mask in result.found],
        "doubtful": uncertain_slices(result),
        "seconds": {name: round(value, 3) for name, value in result.seconds.items()},
        "saved": {
            "file": result.saved.path.name,
            "labels": result.saved.n_labels,
            "voxels": result.saved.n_voxels,
            "checked": result.saved.checked,
        },
        "versions": program_versions(),
    }


def uncertain_slices(result: Result) -> list[dict[str, Any]]:
    """The propagated slices with a confidence below `DOUBTFUL`, sorted by label and slice."""
    if result.request.propagation is None:
        return []
    return [
        {"label": label, "index": index, "confidence": round(trust, 4)}
        for label, own in sorted(trust_by_label(result).items())
        for index, trust in sorted(own.items())
        if trust < DOUBTFUL
    ]


def left_out(result: Answer) -> list[int]:
    """The slices of a propagation that hold no image and have no mask."""
    pairs = zip(result.boxes, result.ranges, strict=True)
    ranges = [(placed.box.slice.axis, span) for placed, span in pairs if span is not None]
    return sorted(
        index
        for axis, index in result.request.image.volume.empty
        if any(axis == a and first <= index <= last for a, (first, last) in ranges)
    )


def trust_by_label(result: Answer) -> dict[int, dict[int, float]]:
    """Label to slice to confidence; the lowest one if several boxes have the slice.

    A mask that was not propagated has no neighbours; its confidence does not depend on any.
    """
    found: dict[int, dict[int, float]] = {}
    for one in result.found:
        index, value = one.mask.slice.index, one.confidence
        if result.request.propagation is None:
            value = slice_confidences({index: one.mask}).get(index)
        if value is not None:
            own = found.setdefault(one.label, {})
            own[index] = min(value, own.get(index, 1.0))
    return found


def write_report(path: Path, content: Mapping[str, Any]) -> None:
    """Write a report as UTF-8 JSON; OSError if that fails."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def describe_image(image: ImageFile) -> dict[str, Any]:
    """Name, size, spacing, modality and notes of an image, and nothing else of its header."""
    z, y, x = image.volume.shape_zyx
    return {
        "name": image.name,
        "kind": image.grid.kind,
        "size_xyz": [x, y, z],
        "spacing_xyz": list(image.volume.spacing_xyz) if image.grid.has_spacing else None,
        "modality": image.volume.modality,
        "notes": list(image.notes),
    }


def label_measures(label: Label, labels: NDArray[Any], image: ImageFile) -> dict[str, Any]:
    """Voxels and millilitres of a label; `ml` is None for a picture or an unknown pixel size."""
    voxels = int(np.count_nonzero(labels == label.number))
    has_volume = image.grid.has_spacing and not image.volume.is_flat
    ml = round(voxels * image.volume.voxel_ml, 3) if has_volume else None
    return {"number": label.number, "name": label.name, "voxels": voxels, "ml": ml}


def program_versions() -> dict[str, str]:
    """Versions of Python, the operating system and the libraries that affect the numbers."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for package in ("openvino", "numpy", "scipy", "SimpleITK", "nibabel"):
        try:
            found[package.lower()] = version(package)
        except PackageNotFoundError:
            found[package.lower()] = "not installed"
    return found


def _box(placed: PlacedBox, propagated: SliceRange | None) -> dict[str, Any]:
    box = placed.box
    return {
        "label": placed.label,
        "axis": box.slice.axis,
        "index": box.slice.index,
        "corners": list(box.corners),
        "propagated": None if propagated is None else list(propagated),
    }


def _slice(box_mask: BoxMask) -> dict[str, Any]:
    mask, confidence = box_mask.mask, box_mask.confidence
    return {
        "box": box_mask.box,
        "label": box_mask.label,
        "axis": mask.slice.axis,
        "index": mask.slice.index,
        "corners": [round(corner, 2) for corner in mask.prompt.corners],
        "pixels": mask.area,
        "score": round(mask.score, 4),
        "stability": round(mask.stability, 4),
        "confidence": None if confidence is None else round(confidence, 4),
    }
