"""The cases of a viewer: one is open at a time, the others are retained as they were left.

Follows image layers that are chosen, get other pixels, or are removed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.components import ViewerModel
from napari.layers import Image

from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import Notify

Opened = tuple[Case, Segmenter]


class OpenCases:
    """The cases of one viewer.

    Parameters
    ----------
    viewer
        The viewer that has the layers.
    make
        Makes the case of an image layer; raises ValueError with a sentence if it cannot.
    on_open
        Called when another case is open, or none.
    show_message
        Shows a message to the user.
    """

    def __init__(
        self,
        viewer: ViewerModel,
        make: Callable[[Image], Opened],
        on_open: Callable[[], None],
        show_message: Notify,
    ) -> None:
        self._viewer = viewer
        self._make = make
        self._on_open = on_open
        self._show_message = show_message
        self._cases: dict[Image, Opened] = {}
        self.current: Opened | None = None
        viewer.layers.events.removed.connect(self._on_removed)

    @property
    def all(self) -> list[Case]:
        """The cases of all images, the open one included."""
        return [case for case, _ in self._cases.values()]

    def segmenter_of(self, case: Case) -> Segmenter | None:
        """The segmenter of a case; None if the case is closed."""
        opened = self._cases.get(case.layer)
        return opened[1] if opened is not None and opened[0] is case else None

    def choose(self, layer: Image | None) -> None:
        """Open or resume a layer's case; the case that was open is retained and hidden."""
        if layer is not None and self.current is not None and self.current[0].layer is layer:
            return
        self._hide_current()
        if layer is not None and layer in self._viewer.layers:
            if layer not in self._cases and not self._add(layer):
                return
            self.current = self._cases[layer]
            self.current[0].open()
        self._on_open()

    def close(self) -> None:
        self._viewer.layers.events.removed.disconnect(self._on_removed)
        self.current = None

    def _add(self, layer: Image) -> bool:
        try:
            self._cases[layer] = self._make(layer)
        except ValueError as error:
            self._on_open()
            self._show_message(str(error), is_problem=True)
            return False
        layer.events.data.connect(self._on_replaced)
        return True

    def _hide_current(self) -> None:
        if self.current is not None:
            case, segmenter = self.current
            segmenter.stop()
            case.set_visible(False)
            self.current = None

    def _on_replaced(self, event: Any) -> None:
        layer = event.source
        if layer in self._cases:
            self._drop(layer)
            self.choose(layer)
            self._show_message(
                f"The pixels of {layer.name} were replaced, so a new case was started. The "
                f"earlier labels stay as a layer.",
                is_problem=True,
            )

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if layer in self._cases:
            self._drop(layer)
            self._on_open()
            self._show_message(
                f"{layer.name} was removed, so its case was closed. Its labels stay as a layer; "
                f"File > Save Selected Layers saves them.",
                is_problem=True,
            )
        elif self.current is not None and self.current[0].owns(layer):
            self._show_message(
                f"{layer.name} was removed from the screen. Nothing is lost: N brings it back.",
                is_problem=True,
            )

    def _drop(self, layer: Image) -> None:
        """Close a case permanently; its labels layer becomes an ordinary layer."""
        case, segmenter = self._cases[layer]
        segmenter.cancel()
        layer.events.data.disconnect(self._on_replaced)
        del self._cases[layer]
        if self.current is not None and self.current[0] is case:
            self.current = None
        case.release()
