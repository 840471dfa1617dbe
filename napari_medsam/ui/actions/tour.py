"""The one-minute tour on the sample case: shows each step until the user has done it.

It only watches what the user does, so it can be left at any step. It has no widgets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.ui.state.action_table import KEYS, key_of
from napari_medsam.ui.state.case import Case

SLICE = 25
"""The slice of the sample that the tour starts on; the liver is large on it."""

OFFER = "New here? Take a one-minute tour on a sample case."


@dataclass(frozen=True)
class TourStep:
    """A step: its sentence, with `{action}` for an action's key, and a test whether it is done.

    `is_done` gets the case and the slice that was on screen when the step began.
    """

    sentence: str
    is_done: Callable[[Case, SliceRef | None], bool]


def _has_mask(case: Case, _: SliceRef | None) -> bool:
    return any(case.annotation.voxel_count(label.number) for label in case.annotation.table)


def _was_propagated(case: Case, _: SliceRef | None) -> bool:
    return any(event.kind == "propagate" for event in case.annotation.log)


def _looked_elsewhere(case: Case, began: SliceRef | None) -> bool:
    return case.where() not in (None, began)


def _is_saved(case: Case, _: SliceRef | None) -> bool:
    return not case.annotation.is_dirty


STEPS = (
    TourStep(
        "Drag a box around the liver, the large organ on the left. Release when the outline fits.",
        _has_mask,
    ),
    TourStep(
        "Press {propagate} to propagate the box to the slices above and below.", _was_propagated
    ),
    TourStep(
        "Press {next_doubtful} for the most uncertain slice, or scroll, and check the mask. "
        "{undo} undoes any step.",
        _looked_elsewhere,
    ),
    TourStep("Press {save} to save the labels.", _is_saved),
)
LAST = "The tour is finished. {sheet} shows all keys. Drop your own file here to begin."


class Tour:
    """The current step of the tour."""

    def __init__(self) -> None:
        self._n: int | None = None
        self._began: SliceRef | None = None

    @property
    def is_on(self) -> bool:
        return self._n is not None

    @property
    def is_over(self) -> bool:
        """Whether all steps are done."""
        return self._n == len(STEPS)

    def start(self) -> None:
        """Start at the first step."""
        self._n, self._began = 0, None

    def stop(self) -> None:
        self._n = None

    def sentence(self, case: Case | None) -> str:
        """The sentence of the current step; moves to the next step if this one is done."""
        if self._n is None:
            return ""
        if case is not None and not self.is_over and STEPS[self._n].is_done(case, self._began):
            self._n, self._began = self._n + 1, case.where()
        if self.is_over:
            return _with_keys(LAST)
        return f"{self._n + 1} of {len(STEPS)}: {_with_keys(STEPS[self._n].sentence)}"


def _with_keys(sentence: str) -> str:
    return sentence.format(**{action: key_of(action) for action in KEYS})
