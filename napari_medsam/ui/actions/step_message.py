"""The message after an undo or redo: the step in words, such as "Undone: propagation of Liver."."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medsam.engine.annotation.events import Event
from napari_medsam.engine.annotation.label_patch import Change
from napari_medsam.engine.data.labels import default_name
from napari_medsam.engine.data.volume import VIEW_NAMES, Axis
from napari_medsam.ui.state.case import Case

MOST_NAMED = 2
"""Most labels that are named in the sentence, which is to fit one line."""


def step_message(turn: str, event: Event, case: Case) -> str:
    """A sentence about a step of a case; `turn` is "Undone" or "Redone".

    A picture has only one slice, so that is not named.
    """
    # The case has the labels after the turn; those that the step added or removed are in the event.
    rows = (*case.annotation.table, *(event.table_before or ()), *(event.table_after or ()))
    where = "" if case.image.volume.is_flat else _on_slice(event)
    file = case.files.opened.get(event, "labels")
    return f"{turn}: {_step(event, {row.number: row.name for row in rows}, file)}{where}."


def _step(event: Event, names: dict[int, str], file: str) -> str:
    of = f" of {_named(event.labels, names)}" if event.labels else ""
    if event.kind == "box":
        what = "points" if event.points else "moved box" if event.boxes_before else "box"
        return f"{what}{of}"
    if event.kind == "propagate":
        return f"propagation{of}"
    if event.kind == "paint":  # the labels are those painted, and the eraser paints none
        return f"painting{of}" if of else "erasing"
    if event.kind == "boxes":
        n = len(event.boxes_before)
        return f"deletion of {'a box' if n == 1 else f'{n} boxes'}{of}"
    if event.kind == "review":
        return f"{'acceptance' if event.accepted_after else 'reopening'}{of}"
    if event.kind == "import":
        return f"opening of {file}"
    if event.kind == "clear":
        return f"deletion{of}"
    return _table_step(event)


def _table_step(event: Event) -> str:
    """A change of the label table; the old name of a renamed label comes first."""
    before = {row.number: row for row in event.table_before or ()}
    after = {row.number: row for row in event.table_after or ()}
    new = [row.name for number, row in after.items() if number not in before]
    if new:
        return f"addition of {new[0]}" if len(new) == 1 else f"addition of {len(new)} labels"
    changed = [(before[n], row) for n, row in after.items() if before[n] != row]
    if len(changed) != 1:
        return "change of the label table"
    ((old, row),) = changed
    if old.name != row.name:
        return f"renaming {old.name} to {row.name}"
    if old.state != row.state:  # "done" also locks
        return f"state of {row.name}"
    if old.locked != row.locked:
        return f"{'locking' if row.locked else 'unlocking'} of {row.name}"
    return f"colour of {row.name}" if old.color != row.color else f"change of {row.name}"


def _named(numbers: Sequence[int], names: dict[int, str]) -> str:
    if len(numbers) > MOST_NAMED:
        return f"{len(numbers)} labels"
    return ", ".join(names.get(number, default_name(number)) for number in numbers)


def _on_slice(event: Event) -> str:
    """The slice of a box, a review or a stroke, in words; empty if there is not just one."""
    if event.kind == "review":
        ((_, axis, index), *_) = event.accepted_after or event.accepted_before
    elif event.kind == "box" and len(event.boxes_after) == 1:
        where = event.boxes_after[0].box.slice
        axis, index = where.axis, where.index
    elif event.kind == "paint" and (painted := _painted_slice(event.change)):
        axis, index = painted
    else:
        return ""
    return f", {VIEW_NAMES[axis]} slice {index}"


def _painted_slice(change: Change) -> tuple[Axis, int] | None:
    """The one slice that holds a stroke, axial first; its patches are axial in any view."""
    if len({patch.index for patch in change}) == 1:
        return "z", change[0].index
    if {patch.shape[0] for patch in change} == {1} and len({patch.y0 for patch in change}) == 1:
        return "y", change[0].y0
    if {patch.shape[1] for patch in change} == {1} and len({patch.x0 for patch in change}) == 1:
        return "x", change[0].x0
    return None
