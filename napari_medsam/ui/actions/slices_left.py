"""Counts in words the uncertain slices left in other views and of other labels.

The review covers one label in one view. A message that nothing is left there must also name the
other views and labels, or the case would look finished.
"""

from __future__ import annotations

from napari_medsam.engine.data.labels import default_name
from napari_medsam.engine.data.volume import AXES, Axis
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import VIEW_NAMES

MOST_NAMED = 3
"""Most other labels that are named; a table may have a hundred."""


def name_of(case: Case, number: int) -> str:
    """A label's name in the table."""
    label = case.named(number)
    return label.name if label is not None else default_name(number)


def and_elsewhere(case: Case, axis: Axis) -> str:
    """The end of a sentence that the chosen label has no uncertain slice left along `axis`.

    Words like " in this view, 4 in the coronal view. Label 1 has 7, 2 in the sagittal view.";
    "." if nothing is left at all.
    """
    left = case.reviews.left()
    if not left:
        return "."

    def of(number: int) -> list[str]:
        along = [(a, left.get((number, a), 0)) for a in AXES]
        return [f"{count} in the {VIEW_NAMES[a]} view" for a, count in along if count and a != axis]

    own = " in this view, " + ", ".join(of(case.label)) if of(case.label) else ""
    others = sorted({number for number, _ in left} - {case.label})
    sentences = []
    for number in others[:MOST_NAMED]:
        here = left.get((number, axis), 0)
        counts = [str(here)] * bool(here) + of(number)
        sentences.append(f" {name_of(case, number)} has {', '.join(counts)}.")
    if len(others) > MOST_NAMED:
        n_more = len(others) - MOST_NAMED
        sentences.append(f" {n_more} more label{'s have' if n_more > 1 else ' has'} some.")
    return f"{own}.{''.join(sentences)}"
