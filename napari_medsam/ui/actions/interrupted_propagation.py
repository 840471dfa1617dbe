"""The message about propagations that were interrupted because the program ended."""

from __future__ import annotations

from napari_medsam.engine.annotation.events import Event
from napari_medsam.ui.actions.slices_left import name_of
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import VIEW_NAMES
from napari_medsam.ui.state.shortcuts import key_of


def interrupted_in_words(case: Case) -> str:
    """One or two sentences per entry of `ReviewIndex.interrupted`; "" if there is none."""
    return " ".join(_in_words(case, label, event) for label, event in case.reviews.interrupted)


def _in_words(case: Case, label: int, event: Event) -> str:
    run = event.runs[0]
    own = [(i, trust) for (n, a, i), trust in event.trust if (n, a) == (label, run.axis)]
    done = sorted(index for index, trust in own if trust)
    answered = {mask.slice.index for mask in event.masks}  # an empty mask also has confidence 0
    missing = [index for index, trust in own if trust == 0 and index not in answered]
    view, name = VIEW_NAMES[run.axis], name_of(case, label)
    which = f"slices {done[0]} to {done[-1]}" if done else "no slice"
    choose = "" if label == case.label else f"Choose {name} and "
    again = f"{choose}{'run' if choose else 'Run'} it again ({key_of('propagate')})"
    count = f"{len(done)} of {len(done) + len(missing)} {view} slices were done ({which})"
    marked = "missing slices are marked as uncertain"
    return f"A propagation of {name} was interrupted: {count}. {again}; {marked}."
