"""The batch commands as plain functions that run to the end and return a list.

The functions of `napari_medsam.batch` are generators, for callers that show progress.
"""

from __future__ import annotations

from pathlib import Path

from napari_medsam.batch.challenge import evaluate as scoring
from napari_medsam.batch.challenge import predict as prediction
from napari_medsam.batch.challenge.evaluate import CaseScore
from napari_medsam.batch.challenge.predict import CaseOutcome
from napari_medsam.batch.cohort import run as cohort
from napari_medsam.batch.cohort.case_record import CaseRecord


def predict(
    inputs: str | Path,
    outputs: str | Path,
    *,
    model: str = "litemedsam",
    boxes: str | Path | None = None,
    compat: bool = False,
    again: bool = False,
    efficiency: str | Path | None = None,
) -> list[CaseOutcome]:
    """Segment every case of a folder; see `batch.challenge.predict.predict_cases`.

    Examples
    --------
    >>> from napari_medsam import predict
    >>> [outcome] = predict("imgs", "segs")
    >>> outcome.status
    'done'
    """
    found = prediction.predict_cases(
        inputs,
        outputs,
        model=model,
        boxes=boxes,
        compat=compat,
        again=again,
        efficiency=efficiency,
    )
    return list(found)


def evaluate(segs: str | Path, gts: str | Path) -> list[CaseScore]:
    """Score a folder of labels; see `batch.challenge.evaluate.evaluate_cases`.

    Examples
    --------
    >>> from napari_medsam import evaluate, predict
    >>> _ = predict("imgs", "segs")
    >>> [case] = evaluate("segs", "gts")
    >>> case.score.dsc > 0.9
    True
    """
    return list(scoring.evaluate_cases(segs, gts))


def run_cohort(
    table: str | Path,
    outputs: str | Path,
    *,
    model: str = "litemedsam",
    compat: bool = False,
    window: str = "auto",
    workers: int | None = None,
    scheduler: str | None = None,
    again: bool = False,
) -> list[CaseRecord]:
    """Segment the cases of a table; see `batch.cohort.run.run_cohort`.

    Local workers import the script that calls this, so a script calls it below
    ``if __name__ == "__main__":``.

    Examples
    --------
    >>> from napari_medsam import run_cohort
    >>> if __name__ == "__main__":
    ...     [record] = run_cohort("cases.csv", "results", workers=1)
    ...     print(record["labels"][0]["name"])
    kidney
    """
    found = cohort.run_cohort(
        table,
        outputs,
        model=model,
        compat=compat,
        window=window,
        workers=workers,
        scheduler=scheduler,
        again=again,
    )
    return list(found)
