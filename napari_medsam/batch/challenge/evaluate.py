"""`evaluate_cases`: score the labels in one folder against the references in another.

The cases are the files of the reference folder. A case without a prediction, or one that cannot be
read, is reported and left out of the means; it never counts as an unnoticed zero. Every mean has
the number of its cases.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_medsam.batch.challenge.scores import Score, score
from napari_medsam.formats.challenge_npz.boxes_and_labels import read_label_array
from napari_medsam.formats.common.errors import ReadError, one_line
from napari_medsam.formats.images.read import suffix_of
from napari_medsam.formats.labels.label_formats import BY_SUFFIX
from napari_medsam.formats.labels.read import read_labels, read_labels_without_image
from napari_medsam.models.store.modality_routing import challenge_modality
from napari_medsam.storage.atomic_write import write_csv

UNKNOWN = "unknown"
FIGURES = ("dsc", "nsd", "nsd_corrected")


@dataclass(frozen=True)
class CaseScore:
    """A case's name, modality and score. If the score is None, `why` has the reason."""

    case: str
    modality: str
    score: Score | None
    why: str = ""


def evaluate_cases(segs: str | Path, gts: str | Path) -> Iterator[CaseScore]:
    """Score each file of `gts` against the one of the same name in `segs`.

    This is a generator: it starts when the first score is requested.

    Parameters
    ----------
    segs, gts
        Folders of challenge .npz files (arrays `segs`; `gts` and `spacing`) or of label files.

    Raises
    ------
    ValueError
        A folder is missing, or there is no reference in it.
    """
    found, reference = Path(segs), Path(gts)
    for path in references(found, reference):
        modality = challenge_modality(path) or UNKNOWN
        try:
            if not (found / path.name).is_file():
                raise ReadError(f"There is no {path.name} in {found}.")
            result = _score(found / path.name, path)
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            yield CaseScore(path.name, modality, None, one_line(error))
            continue
        yield CaseScore(path.name, modality, result)


def references(found: Path, reference: Path) -> list[Path]:
    """The reference files, sorted by name; errors are as in `evaluate_cases`."""
    for folder in (found, reference):
        if not folder.is_dir():
            raise ValueError(f"There is no folder {folder}.")
    known = (".npz", *BY_SUFFIX)
    paths = [path for path in reference.iterdir() if suffix_of(path) in known]
    if not paths:
        raise ValueError(f"There is no .npz and no label file in {reference}.")
    return sorted(paths)


def _score(found: Path, reference: Path) -> Score:
    if suffix_of(reference) == ".npz":
        right = read_label_array(reference)
        return score(read_label_array(found).labels, right.labels, right.spacing_xyz)
    file, grid = read_labels_without_image(reference)
    labels, truth = read_labels(found, grid), file.labels
    if grid.kind == "picture":
        labels, truth = labels[0], truth[0]
    return score(labels, truth, grid.lps.spacing_xyz)


def means(scores: Sequence[CaseScore]) -> dict[str, dict[str, float]]:
    """The means and number of cases `n` of each modality, and of "all", the mean over modalities.

    As on the challenge's leaderboard, every modality has the same weight in "all", regardless of
    its number of cases.
    """
    table: dict[str, dict[str, float]] = {}
    for modality in sorted({case.modality for case in scores}):
        own = [case.score for case in scores if case.modality == modality and case.score]
        if own:
            table[modality] = {"n": len(own)} | {
                name: float(np.mean([getattr(score, name) for score in own])) for name in FIGURES
            }
    if table:
        table["all"] = {"n": sum(row["n"] for row in table.values())} | {
            name: float(np.mean([row[name] for row in table.values()])) for name in FIGURES
        }
    return table


def scores_as_json(scores: Sequence[CaseScore]) -> dict[str, Any]:
    """All results: `means`, `cases` with their labels, and `failed` cases with the reason."""
    return {
        "means": means(scores),
        "cases": [
            {"case": case.case, "modality": case.modality, **asdict(case.score)}
            for case in scores
            if case.score is not None
        ],
        "failed": [{"case": case.case, "why": case.why} for case in scores if case.score is None],
    }


def write_scores_csv(path: Path, scores: Sequence[CaseScore]) -> None:
    """Write one row per case, `case, dsc, nsd` first as in the challenge's CSV, to 4 decimals."""
    rows: list[list[object]] = [["case", *FIGURES, "modality", "note"]]
    for case in scores:
        figures = [_rounded(getattr(case.score, name)) if case.score else "" for name in FIGURES]
        rows.append(
            [case.case, *figures, case.modality, case.score.note if case.score else case.why]
        )
    write_csv(path, rows)


def write_label_csv(path: Path, scores: Sequence[CaseScore]) -> None:
    """Write one row per label of each case."""
    rows: list[list[object]] = [
        [case.case, part.label, *(_rounded(getattr(part, name)) for name in FIGURES), case.modality]
        for case in scores
        if case.score is not None
        for part in case.score.labels
    ]
    write_csv(path, [["case", "label", *FIGURES, "modality"], *rows])


def panels(scores: Sequence[CaseScore]) -> dict[str, dict[str, list[float]]]:
    """DSC and corrected NSD of the cases by modality, for `box_plot.save_box_plot`."""
    titles = {"dsc": "DSC", "nsd_corrected": "NSD at 2 mm (pictures: 2 pixels)"}
    found: dict[str, dict[str, list[float]]] = {title: {} for title in titles.values()}
    for case in sorted((s for s in scores if s.score), key=lambda s: s.modality):
        for name, title in titles.items():
            found[title].setdefault(case.modality, []).append(getattr(case.score, name))
    return found


def _rounded(value: float) -> float:
    return round(value, 4)
