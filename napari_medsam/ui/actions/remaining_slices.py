"""Counts in words the uncertain slices left in other views and of other labels.

The review covers one label in one view. A message that nothing is left there must also name the
other views and labels, or the case would look finished.
"""

from __future__ import annotations

from napari_medsam.engine.data.labels import default_name
from napari_medsam.engine.data.volume import AXES, VIEW_NAMES, Axis
from napari_medsam.ui.state.action_table import with_key
from napari_medsam.ui.state.case import Case

MOST_NAMED = 3
"""Most other labels that are named; a table may have a hundred."""


def name_of(case: Case, number: int) -> str:
    """A label's name in the table."""
    label = case.named(number)
    return label.name if label is not None else default_name(number)


def place_left(case: Case, axis: Axis) -> str:
    """Where uncertain slices are if the chosen label has none along `axis`; "" if it has some.

    Words like "sagittal view (0)", "Label 1" or "sagittal view (0), Label 1": only what differs
    from the chosen label and the view on screen. The chosen label comes first, then this view.
    """
    left = case.reviews.left()
    if not left or (case.label, axis) in left:
        return ""
    number, where = min(left, key=lambda at: (at[0] != case.label, at[1] != axis))
    view = VIEW_NAMES[where]
    in_view = "" if where == axis else with_key(f"{view} view", view)
    of_label = "" if number == case.label else name_of(case, number)
    return ", ".join(filter(None, (in_view, of_label)))


def none_left(case: Case, axis: Axis) -> str:
    """The end of a sentence: the chosen label has no uncertain slice left along `axis`.

    Words like "no uncertain slice left in this view, 4 in the coronal view. Label 1 has 7 uncertain
    slices, 2 in the sagittal view." If the label was not propagated, there is nothing to review, so
    the sentence says that instead.
    """
    left = case.reviews.left()

    def of(number: int) -> list[tuple[int, str]]:
        along = [(left.get((number, a), 0), VIEW_NAMES[a]) for a in AXES if a != axis]
        return [(count, f" in the {view} view") for count, view in along if count]

    own = "no uncertain slice left"
    if of(case.label):
        own += " in this view, " + ", ".join(f"{count}{view}" for count, view in of(case.label))
    elif not case.reviews.status(axis, case.label).confidences:
        own = "nothing was propagated in this view"
    others = sorted({number for number, _ in left} - {case.label})
    sentences = []
    for number in others[:MOST_NAMED]:
        here = left.get((number, axis), 0)
        (first, view), *more = [(here, "")] * bool(here) + of(number)
        counts = [f"{first} uncertain slice{'' if first == 1 else 's'}{view}"]
        counts += [f"{count}{view}" for count, view in more]
        sentences.append(f" {name_of(case, number)} has {', '.join(counts)}.")
    if len(others) > MOST_NAMED:
        n_more = len(others) - MOST_NAMED
        labels = f"{n_more} more label{'s have' if n_more > 1 else ' has'}"
        sentences.append(f" {labels} uncertain slices.")
    return f"{own}.{''.join(sentences)}"
