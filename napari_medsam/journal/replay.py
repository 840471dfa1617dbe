"""Turns a journal back into labels: from its stored changes, or by running the model again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.events import Event
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.point_prompts import PointAnswer
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.engine.session import Session
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.labels.write import Saved, write_labels
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import History
from napari_medsam.measure.metrics import dice

Open = Callable[[str], PromptableModel]
"""Opens a model by the identity that events record; ValueError if it is not installed."""


def write_history(history: History, path: Path, image: ImageFile | None) -> Saved:
    """Write the labels that a journal leads to, identical bit for bit.

    They are written on the grid of the image, or on the journal's own if none is given.

    Raises
    ------
    JournalError
        `image` has other voxels than the journal's.
    SaveError
        As `write_labels`; a DICOM series' labels as DICOM need the image.
    """
    if image is not None and image.volume.fingerprint != history.head.fingerprint:
        raise JournalError(
            "The journal is of another image: its voxels are not those of the image given."
        )
    grid = history.head.grid if image is None else image.grid
    return write_labels(path, history.annotation.labels, grid, history.annotation.table)


@dataclass(frozen=True)
class RepeatedPrompts:
    """How a stored mask agrees with the model's mask now: step, slice, and Dice (0 to 1)."""

    step: int
    kind: str
    axis: str
    index: int
    dice: float


def repeat_prompts(history: History, volume: Volume, open_model: Open) -> Iterator[RepeatedPrompts]:
    """Run the recorded prompts of all masks that were not undone through the recorded models.

    Each stored mask has its box on its own slice, whether the box was drawn or propagated. That
    box is run again in the recorded window. For a mask from points, the clicks are run again,
    each with the answer to the clicks before it if it had one.

    Raises
    ------
    JournalError
        A model or a window is not recorded.
    ValueError
        From `open_model`.
    """
    models: dict[str, PromptableModel] = {}
    for step, event, window in _with_masks(history):
        if event.model not in models:
            models[event.model] = open_model(event.model)
        session = Session(volume, models[event.model], window=window)
        for old, new in zip(event.masks, _answers(session, event), strict=True):
            where = old.slice
            yield RepeatedPrompts(
                step, event.kind, where.axis, where.index, agreement(old.mask, new.mask)
            )


def _answers(session: Session, event: Event) -> list[SliceMask]:
    """The model's masks now for the prompts of an event, one for each stored mask."""
    if not event.points:
        return session.segment([mask.prompt for mask in event.masks])
    answer: PointAnswer | None = None
    for prompt in event.points:
        answer = session.segment_points(prompt, answer)
    return [answer.mask] if answer else []


def _with_masks(history: History) -> Iterator[tuple[int, Event, Window]]:
    """The events that have masks and were not undone, with their step and window."""
    not_undone = {id(event) for event in history.annotation.log}
    for number, row in enumerate(history.rows, 1):
        event = row.event
        if event is None or id(event) not in not_undone or not event.masks:
            continue
        if (
            event.kind == "import"
        ):  # a summary of other events, which does not say which model made which mask
            continue
        if not event.model or row.window is None:
            raise JournalError(
                f"Step {number} does not say with which model or window it was made."
            )
        yield number, event, row.window


def agreement(old: NDArray[np.bool_], new: NDArray[np.bool_]) -> float:
    """Dice of two masks of a slice, 0 to 1; 1 if both are empty."""
    return 1.0 if not (old.any() or new.any()) else dice(old, new)


def mean_dice(prompts: Sequence[RepeatedPrompts]) -> float:
    return float(np.mean([prompt.dice for prompt in prompts])) if prompts else 1.0
