"""The summary of a cohort as CSV: one row per label of a case, with a flag for those to review.

`flag` is "look" if slices are doubtful or the label is empty, "failed" if the case failed, and
empty otherwise. An empty flag does not mean that the mask is right (docs/quality.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_medsam.batch.cohort.case_record import CaseRecord, LabelRecord
from napari_medsam.storage.atomic_write import write_csv

COLUMNS = (
    "case",
    "label",
    "name",
    "slices",
    "to_look_at",
    "least_confidence",
    "mean_confidence",
    "flag",
    "voxels",
    "ml",
    "seconds",
    "model",
    "which_slices",
    "note",
)
MOST_NAMED = 20

Cell = str | int | float | None


def write_summary(path: Path, records: Sequence[CaseRecord]) -> None:
    """Write the CSV, completely or not at all."""
    found = [row for record in records for row in rows(record)]
    write_csv(path, [COLUMNS, *([row.get(name) for name in COLUMNS] for row in found)])


def rows(record: CaseRecord) -> list[dict[str, Cell]]:
    """One row per label; for a failed case one row with the reason."""
    if record["why"]:
        return [{"case": record["case"], "flag": "failed", "note": record["why"]}]
    return [_row(record, label) for label in record["labels"]]


def _row(record: CaseRecord, label: LabelRecord) -> dict[str, Cell]:
    notes = [*record["notes"], *(() if label["voxels"] else ("the mask is empty",))]
    return {
        "case": record["case"],
        "label": label["number"],
        "name": label["name"],
        "slices": label["slices"],
        "to_look_at": len(label["to_look_at"]),
        "least_confidence": label["least_confidence"],
        "mean_confidence": label["mean_confidence"],
        "flag": "look" if needs_a_look(label) else "",
        "voxels": label["voxels"],
        "ml": label["ml"],
        "seconds": round(sum(record["seconds"].values()), 2),
        "model": record["model"],
        "which_slices": " ".join(map(str, label["to_look_at"][:MOST_NAMED])),
        "note": "; ".join(notes),
    }


def needs_a_look(label: LabelRecord) -> bool:
    """Whether slices are doubtful or the label is empty."""
    return bool(label["to_look_at"]) or label["voxels"] == 0


def summary_in_words(records: Sequence[CaseRecord]) -> str:
    """Text such as "40 cases, 3 to review, 1 failed"."""
    n_failed = sum(bool(record["why"]) for record in records)
    n_uncertain = sum(any(map(needs_a_look, record["labels"])) for record in records)
    cases = f"{len(records)} case" + ("" if len(records) == 1 else "s")
    words = [cases, f"{n_uncertain} to review" if n_uncertain else "none to review"]
    return ", ".join([*words, f"{n_failed} failed"] if n_failed else words)
