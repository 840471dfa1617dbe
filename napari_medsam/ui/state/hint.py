"""The dock's hint: one sentence that says what to do next."""

from __future__ import annotations

from napari_medsam.ui.state.action_table import key_of, with_key
from napari_medsam.ui.state.dock_state import PROPAGATING, DockState


def hint(panel: DockState, *, has_boxes: bool) -> str:
    """A sentence: what to do next."""
    model = panel.model
    if model is not None and model.state == "missing":
        return "Install the model to begin." if model.can_install else "Import a model to begin."
    if model is not None and model.state == "installing":
        return "The model is being installed."
    if not panel.has_case:
        return "Open an image: drop a file here, or choose File > Open Sample."
    if panel.view is None:
        return "Switch to the 2D view to draw (cube button below the layers)."
    if not panel.labels:
        return "Add a label: press Add label below the table."
    if panel.progress is not None and panel.progress.what == PROPAGATING:
        return with_key("Wait for the propagation, or stop it", "cancel") + "."
    if panel.has_uncertain:
        return _review_hint(panel)
    if not has_boxes:
        return (
            "Draw a box around one object."
            if panel.is_drawing
            else f"Press {key_of('toggle_box_tool')}, then draw a box around one object."
        )
    if panel.has_failed_save and not panel.is_dirty:
        return f"The last save failed. {with_key('Save the labels', 'save')}."
    if not panel.is_dirty:
        return "Labels saved. Draw the next box, or open another image."
    if panel.range is None:  # a picture, or no box of the chosen label in this view
        return f"Draw the next box, or {with_key('save the labels', 'save')}."
    propagate, save = with_key("Propagate", "propagate"), with_key("save the labels", "save")
    return f"{propagate}, draw the next box, or {save}."


def _review_hint(panel: DockState) -> str:
    """Where the uncertain slices are; the key that goes to them only if they are on screen."""
    save = with_key("save the labels", "save")
    is_saved = not panel.is_dirty and not panel.has_failed_save
    if panel.uncertain_at:
        places = f"Uncertain slices: {panel.uncertain_at}."
        return f"Labels saved. {places}" if is_saved else f"{places} Look at them, then {save}."
    review = with_key("Look at the uncertain slices", "next_doubtful")
    return f"Labels saved. {review}." if is_saved else f"{review}, then {save}."
