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
from napari_medsam.headless.report import label_measures, trust_by_label
from napari_medsam.headless.run import Result


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
        masks = [one.mask for one in result.found if one.label == label.number]
        found.append(
            LabelRecord(
                number=label.number,
                name=label.name,
                slices=len({mask.slice for mask in masks if not mask.is_empty}),
                to_look_at=doubtful(own),
                least_confidence=round(min(values), 4) if values else None,
                mean_confidence=round(float(np.mean(values)), 4) if values else None,
                voxels=size["voxels"],
                ml=size["ml"],
            )
        )
    return found
