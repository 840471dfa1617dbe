"""`predict_cases`: segment every case of a folder; each output has the name of its input.

Outputs are written completely or not at all, so a stopped run can be resumed: cases that have an
output are skipped. A case that cannot be read or segmented is reported and skipped too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from napari_medsam.batch.challenge.efficiency import Efficiency
from napari_medsam.batch.challenge.npz_request import read_request, segs_of
from napari_medsam.batch.cohort.case_table import CohortCase, read_table
from napari_medsam.batch.cohort.request import case_request
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.formats.challenge_npz.boxes_and_labels import write_segs
from napari_medsam.formats.common.errors import one_line
from napari_medsam.formats.images.read import read_image
from napari_medsam.headless.run import save, segment_request
from napari_medsam.input_contract import InputContract
from napari_medsam.models.loading import open_model
from napari_medsam.models.store import store
from napari_medsam.models.store.modality_routing import AUTO, challenge_modality, resolve

Open = Callable[[str], PromptableModel]


@dataclass(frozen=True)
class CaseOutcome:
    """The outcome of one case.

    Parameters
    ----------
    case
        The input's name.
    status
        "done" now, "there" from an earlier run, or "failed".
    model
        The model's name; "" if no model was used.
    seconds
        Time from reading the file until the output is written.
    why
        One sentence: why the case failed, or why this model was chosen; else "".
    """

    case: str
    status: Literal["done", "there", "failed"]
    model: str = ""
    seconds: float = 0.0
    why: str = ""


def predict_cases(
    inputs: str | Path,
    outputs: str | Path,
    *,
    model: str = "litemedsam",
    boxes: str | Path | None = None,
    compat: bool = False,
    again: bool = False,
    efficiency: str | Path | None = None,
    open_one: Open = open_model,
) -> Iterator[CaseOutcome]:
    """Segment every case of a folder; yield an outcome as each case finishes.

    This is a generator: it starts when the first outcome is requested, and
    ``list(predict_cases(...))`` runs all cases.

    Parameters
    ----------
    inputs
        A folder of challenge .npz files, or of images if `boxes` is given.
    outputs
        A folder outside `inputs`; made if it is missing.
    model
        A model's name, or "auto": for each case the installed model for the modality with which
        its file name begins (`models.store.modality_routing`).
    boxes
        A CSV table (`batch.cohort.case_table`) of the images of `inputs` to segment and their
        boxes.
        Outputs are then label files in the image's own format.
    compat
        Follow the rules of the model's authors exactly.
    again
        Segment cases again that have an output.
    efficiency
        File for the challenge's table of seconds, with columns `case` and `time`.
    open_one
        Opens the model with a given name.

    Raises
    ------
    ValueError
        There is no such folder, model or table, or there is no case, or `outputs` is in `inputs`.
    """
    cases = _cases(Path(inputs), boxes)
    folder = _apart(Path(inputs), Path(outputs))
    specs = (
        [stored.spec for stored in store.installed()]
        if model == AUTO
        else [store.model_spec(model)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    times = None if efficiency is None else Efficiency(Path(efficiency))
    opened = cache(open_one)
    for case in cases:
        target = folder / case.output
        if target.is_file() and not again:
            yield CaseOutcome(case.name, "there")
            continue
        spec, why = resolve(model, challenge_modality(case.path), specs)
        loaded = opened(spec.name)
        started = time.perf_counter()
        try:
            _segment(case, target, loaded, spec.contract, compat=compat)
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            yield CaseOutcome(case.name, "failed", spec.name, why=one_line(error))
            continue
        seconds = time.perf_counter() - started
        if times is not None:
            times.add(case.name, seconds)
        yield CaseOutcome(case.name, "done", spec.name, seconds, why)


def n_challenge_cases(inputs: str | Path, boxes: str | Path | None = None) -> int:
    """The number of cases of `predict_cases`; errors are as there."""
    return len(_cases(Path(inputs), boxes))


def _segment(
    case: CohortCase, target: Path, model: PromptableModel, contract: InputContract, *, compat: bool
) -> None:
    if case.rows:
        request = case_request(case, read_image(case.path), contract, compat=compat)
        save(segment_request(request, model), target)
    else:
        request = read_request(case.path, compat=compat, rules=contract.original_3d)
        write_segs(target, segs_of(segment_request(request, model)))


def _cases(source: Path, boxes: str | Path | None) -> list[CohortCase]:
    """The cases of a table; or challenge files, without rows because they hold their own boxes."""
    if not source.is_dir():
        raise ValueError(f"There is no folder {source}.")
    if boxes is not None:
        return read_table(Path(boxes), source)
    found = sorted(source.glob("*.npz"))
    if not found:
        raise ValueError(f"There is no .npz file in {source}; other images need a table, --boxes.")
    return [CohortCase(path.name, path, (), path.name) for path in found]


def _apart(source: Path, target: Path) -> Path:
    inside = source.resolve()
    if target.resolve() == inside or inside in target.resolve().parents:
        raise ValueError(f"{target} is the input folder or inside it; choose another folder.")
    return target
