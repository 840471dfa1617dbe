"""Records of cohort cases: small JSON files with what was found and how confident it is.

A record is written after its label file, so a case with a record is done. The summary of a cohort
is made only from records. The keys are part of the file format.
"""

from __future__ import annotations

import json
from typing import TypedDict

import numpy as np

from napari_medsam.batch.cohort.task import Task
from napari_medsam.engine.annotation.review import doubtful
from napari_medsam.engine.data.confidence import slice_confidences
from napari_medsam.headless.report import label_measures
from napari_medsam.headless.run import Answer, Result
from napari_medsam.storage.json_file import write_json


class LabelRecord(TypedDict):
    """A label of a case; `to_look_at` has the doubtful slices, the worst first."""

    number: int
    name: str
    slices: int
    to_look_at: list[int]
    least_confidence: float | None
    mean_confidence: float | None
    voxels: int
    ml: float | None


class CaseRecord(TypedDict):
    """A case; `why` says what went wrong, or is ""."""

    case: str
    asked: str
    model: str
    seconds: dict[str, float]
    labels: list[LabelRecord]
    notes: list[str]
    why: str


def failure(task: Task, why: str) -> CaseRecord:
    """The record of a failed case; it is never written, so that the next run tries again."""
    return CaseRecord(
        case=task.case.name, asked="", model="", seconds={}, labels=[], notes=[], why=why
    )


def record_of(task: Task, result: Result, model: str) -> CaseRecord:
    """The record of a finished case."""
    return CaseRecord(
        case=task.case.name,
        asked=task.fingerprint,
        model=model,
        seconds={name: round(value, 3) for name, value in result.seconds.items()},
        labels=_labels(result),
        notes=list(result.request.image.notes),
        why="",
    )


def write_record(task: Task, record: CaseRecord) -> None:
    """Write the record, completely or not at all."""
    write_json(task.record, record)


def read_record(task: Task) -> CaseRecord | None:
    """The record of an equal task whose labels are there; None if the case must be run."""
    if not (task.record.is_file() and task.target.is_file() and task.case.path.exists()):
        return None
    try:
        record: CaseRecord = json.loads(task.record.read_text(encoding="utf-8"))
    except ValueError:  # truncated by another program; the case is run again
        return None
    return record if record.get("asked") == task.fingerprint else None


def _labels(result: Result) -> list[LabelRecord]:
    trust = trust_by_label(result)
    found: list[LabelRecord] = []
    for label in result.request.labels:
        size = label_measures(label, result.annotation.labels, result.request.image)
        own = trust.get(label.number, {})
        values = list(own.values())
        found.append(
            LabelRecord(
                number=label.number,
                name=label.name,
                slices=_slices(result, label.number),
                to_look_at=doubtful(own),
                least_confidence=round(min(values), 4) if values else None,
                mean_confidence=round(float(np.mean(values)), 4) if values else None,
                voxels=size["voxels"],
                ml=size["ml"],
            )
        )
    return found


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


def _slices(result: Answer, label: int) -> int:
    masks = (box_mask.mask for box_mask in result.found if box_mask.label == label)
    return len({mask.slice for mask in masks if not mask.is_empty})
