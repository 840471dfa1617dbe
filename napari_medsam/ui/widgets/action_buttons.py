"""`ActionButtons`: makes the buttons and menu entries of actions, and shows a state in them."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtGui import QAction
from qtpy.QtWidgets import QHBoxLayout, QMenu, QPushButton

from napari_medsam.ui.state.action_table import ACTIONS, Action
from napari_medsam.ui.state.dock_state import DockState
from napari_medsam.ui.widgets.common_widgets import button, show_changes, side_by_side


class ActionButtons:
    """The buttons and menu entries of one dock, by the names of their actions.

    Parameters
    ----------
    act
        Runs an action by its name.
    """

    def __init__(self, act: Callable[[str], object]) -> None:
        self._act = act
        self._made: dict[str, QPushButton | QAction] = {}

    def __getitem__(self, name: str) -> QPushButton | QAction:
        return self._made[name]

    def button(self, name: str) -> QPushButton:
        """Make the button of an action."""
        made = button("")
        made.setCheckable(ACTIONS[name].is_on is not None)
        made.clicked.connect(lambda: self._act(name))
        self._made[name] = made
        return made

    def row(self, *names: str) -> QHBoxLayout:
        """Make the buttons of some actions, side by side."""
        return side_by_side(*map(self.button, names))

    def entry(self, name: str, menu: QMenu) -> None:
        """Add an action to a menu."""
        made = QAction(menu)
        made.triggered.connect(lambda: self._act(name))
        menu.addAction(made)
        self._made[name] = made

    def show_state(self, old: DockState | None, new: DockState) -> None:
        for name, made in self._made.items():
            _show(ACTIONS[name], made, old, new)


def _show(
    action: Action, made: QPushButton | QAction, old: DockState | None, new: DockState
) -> None:
    show_changes(
        old,
        new,
        (action.text_in, lambda text: made.setText(action.on_button(text))),
        (action.tooltip_in, made.setToolTip),
        (action.is_possible, made.setEnabled),
        (action.is_shown, made.setVisible),
    )
    # Compared with the button, not with `old`: Qt switches it on each click, also in vain.
    if action.is_on is not None and made.isChecked() != action.is_on(new):
        made.setChecked(action.is_on(new))
