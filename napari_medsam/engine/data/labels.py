"""A `Label`: one row of the label table, with its number, name, colour, lock and state."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

MOST_LABELS = 65535
"""Labels are 16-bit; 0 is the background."""

# Okabe and Ito's palette (2008), which colour-blind readers can tell apart; black left out.
PALETTE: tuple[tuple[float, float, float], ...] = (
    (0.902, 0.624, 0.000),
    (0.337, 0.706, 0.914),
    (0.000, 0.620, 0.451),
    (0.941, 0.894, 0.259),
    (0.000, 0.447, 0.698),
    (0.835, 0.369, 0.000),
    (0.800, 0.475, 0.655),
)

LabelState = Literal["", "not started", "in progress", "done", "unsure"]
"""The user's own mark of how far the work on a label has come; "" if there is none."""
LABEL_STATES: tuple[LabelState, ...] = get_args(LabelState)


def default_name(number: int) -> str:
    """The name of a label that was given none."""
    return f"Label {number}"


def default_color(number: int) -> tuple[float, float, float]:
    """The colour of a label that was given none, RGB in 0..1: `PALETTE`, repeated.

    Any number has one, also those that no `Label` may have.
    """
    return PALETTE[(number - 1) % len(PALETTE)]


@dataclass(frozen=True)
class Label:
    """A row of the label table: number 1 to 65535, name, colour as RGB in 0..1.

    While a label is locked, none of its voxels changes and no voxel becomes it
    (`label_volume.LabelVolume.patch`); its name and colour may change. A label that is "done" is
    locked (`with_state`, `with_lock`).
    A file's labels may carry more (`formats.common.coded_terms.CodedLabel`): change one with
    `dataclasses.replace`, which retains what it carries.
    """

    number: int
    name: str
    color: tuple[float, float, float]
    locked: bool = field(default=False, kw_only=True)
    state: LabelState = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        """A label's number must fit the labels array."""
        if not 1 <= self.number <= MOST_LABELS:
            raise ValueError(f"A label's number is 1 to {MOST_LABELS}; this one is {self.number}.")

    @staticmethod
    def default(number: int, name: str | None = None) -> Label:
        """A label in its default colour, and with its default name if `name` is None."""
        name = default_name(number) if name is None else name
        return Label(number, name, default_color(number))


def with_state(label: Label, state: LabelState) -> Label:
    """The label in another state: done locks it, and taking that back unlocks it.

    Raises
    ------
    ValueError
        There is no such state.
    """
    if state not in LABEL_STATES:
        known = ", ".join(LABEL_STATES[1:])
        raise ValueError(f"A label's state is one of {known}; this is {state!r}.")
    was_done = label.state == "done"
    locked = state == "done" or (label.locked and not was_done)
    return replace(label, state=state, locked=locked)


def with_lock(label: Label, locked: bool) -> Label:
    """The label locked or unlocked; unlocking a label that is done sets it to in progress."""
    is_reopened = label.state == "done" and not locked
    return replace(label, locked=locked, state="in progress" if is_reopened else label.state)
