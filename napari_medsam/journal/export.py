"""A journal as JSON: the audit trail, step by step, for people and other programs.

Changes are given as numbers of voxels per slice; the voxels themselves remain in the journal.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import numpy as np

from napari_medsam.engine.annotation.events import Event, PlacedBox
from napari_medsam.engine.annotation.label_patch import Patch
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import PointPrompt
from napari_medsam.journal.database import JournalDatabase, JournalRow

Json = dict[str, object]


def journal_as_json(database: JournalDatabase) -> Json:
    """The whole journal; see docs/journal.md for the fields."""
    grid = database.head.grid.lps
    return {
        "image": database.head.fingerprint,
        "size_xyz": list(grid.shape_zyx[::-1]),
        "spacing_xyz_mm": list(grid.spacing_xyz),
        "affine_lps_mm": grid.affine.tolist(),
        "steps": list(_steps(database)),
    }


def _steps(database: JournalDatabase) -> Iterator[Json]:
    for number, row in enumerate(database.rows(), 1):
        found: Json = {
            "step": number,
            "kind": row.kind,
            "time": iso(row.time),
            "program": row.program,
        }
        if row.event is not None:
            found |= _event(row, row.event)
        yield found


def _event(row: JournalRow, event: Event) -> Json:
    shown = None if row.window is None else [row.window.lower, row.window.upper]
    found: Json = {
        "did": event.kind,
        "labels": list(event.labels),
        "model": event.model,
        "window": event.window,
        "window_limits": shown,
        "voxels_changed": sum(_n_changed(patch) for patch in event.change),
        "slices": [_patch(patch) for patch in event.change],
        "boxes_removed": [_box(placed) for placed in event.boxes_before],
        "boxes": [_box(placed) for placed in event.boxes_after],
        "masks": [_mask(mask) for mask in event.masks],
        "points": [_points(prompt) for prompt in event.points],
        "asked": [[run.axis, *run.reach] for run in event.runs],
        "trust": [[*spot, value] for spot, value in event.trust],
        "accepted": [list(spot) for spot in event.accepted_after],
        "no_longer_accepted": [list(spot) for spot in event.accepted_before],
    }
    if event.table_after is not None:
        found["table"] = [_label(label) for label in event.table_after]
    return {name: value for name, value in found.items() if value not in ([], "", None)}


def _n_changed(patch: Patch) -> int:
    return int(np.count_nonzero(patch.mask))


def _patch(patch: Patch) -> Json:
    return {"axis": patch.axis, "index": patch.index, "voxels": _n_changed(patch)}


def _box(placed: PlacedBox) -> Json:
    where = placed.box.slice
    return {
        "id": placed.box_id,
        "label": placed.label,
        "axis": where.axis,
        "index": where.index,
        "corners": list(placed.box.corners),
    }


def _points(prompt: PointPrompt) -> Json:
    return {
        "inside": [list(xy) for xy in prompt.inside],
        "outside": [list(xy) for xy in prompt.outside],
    }


def _mask(mask: SliceMask) -> Json:
    return {
        "axis": mask.slice.axis,
        "index": mask.slice.index,
        "pixels": mask.area,
        "score": float(mask.score),
        "stability": float(mask.stability),
        "agreement": mask.agreement,
        "box": list(mask.prompt.corners),
    }


def _label(label: Label) -> Json:
    return {"number": label.number, "name": label.name, "color": list(label.color)}


def iso(seconds: float) -> str:
    """Seconds since 1970 as "2026-01-31T12:00:00+00:00"; "" if the clock was not set."""
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""
