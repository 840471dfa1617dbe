"""The message about propagations that were interrupted because the program ended."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medsam.engine.annotation.events import Event
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import VIEW_NAMES
from napari_medsam.ui.actions.remaining_slices import name_of
from napari_medsam.ui.layers.labels_layer import show_axis, show_slice
from napari_medsam.ui.state.action_table import key_of
from napari_medsam.ui.state.case import Case


def go_to_interrupted(case: Case) -> None:
    """Choose the label of the first interrupted propagation; if the case is on screen, its slice.

    Then the strip and the label table show the missing slices, and one key runs it again.
    """
    for label, event in case.reviews.interrupted[:1]:
        case.pick_label(label)
        if case.layer.visible:
            _show_start(case, label, event)


def _show_start(case: Case, label: int, event: Event) -> None:
    """Show the slice that has boxes of most labels of a propagation, one of `label` among them.

    Propagate takes the boxes of the slice on screen. Without a box, show the view only.
    """
    axis = event.runs[0].axis
    labels: dict[SliceRef, set[int]] = {}
    for placed in case.annotation.boxes:
        if placed.box.slice.axis == axis and placed.label in event.labels:
            labels.setdefault(placed.box.slice, set()).add(placed.label)
    own = [where for where, boxed in labels.items() if label in boxed]
    if own:
        show_slice(case.viewer, case.layer, max(own, key=lambda where: len(labels[where])))
    else:
        show_axis(case.viewer, case.layer, axis)


def interrupted_in_words(case: Case) -> str:
    """Two short sentences about the first entry of `ReviewIndex.interrupted`; "" if there is none.

    Labels that were propagated together are named together. A third sentence names the others.
    """
    labels: dict[Event, list[int]] = {}
    for label, event in case.reviews.interrupted:
        labels.setdefault(event, []).append(label)
    if not labels:
        return ""
    (event, numbers), *others = labels.items()
    words = _in_words(case, event, numbers)
    also = [f"{_names(case, n)} ({VIEW_NAMES[e.runs[0].axis]})" for e, n in others]
    return f"{words} Also interrupted: {', '.join(also)}." if also else words


def _in_words(case: Case, event: Event, numbers: Sequence[int]) -> str:
    axis = event.runs[0].axis
    own = [(i, trust) for (n, a, i), trust in event.trust if n in numbers and a == axis]
    answered = {mask.slice.index for mask in event.masks}  # an empty mask also has confidence 0
    missing = {index for index, trust in own if trust == 0 and index not in answered}
    done = {index for index, trust in own if trust} - missing
    n_all, view = len(done) + len(missing), VIEW_NAMES[axis]
    again, shown = key_of("propagate"), case.where()
    if case.layer.visible and shown is not None and shown.axis == axis:
        press = f"Press {again} in the {view} view"  # named: the message outlasts a change of view
    else:
        press = f"Press {key_of(view)} ({view}), then {again}"
    return (
        f"{_names(case, numbers)}: propagation interrupted, {len(done)} of {n_all} {view} slices "
        f"done. {press} to repeat it; the rest is uncertain."
    )


def _names(case: Case, numbers: Sequence[int]) -> str:
    return ", ".join(name_of(case, number) for number in numbers)
