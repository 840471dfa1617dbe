"""The cases of a viewer: one is open at a time, the others are retained as they were left.

Follows image layers that are chosen, get other pixels, or are removed.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from napari.layers import Image

from napari_medsam.engine.annotation.events import Event
from napari_medsam.ui.actions.segment import Segmenter
from napari_medsam.ui.layers.image_layer import PLACE_NOT_KNOWN
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.workspace import SOME, Workspace


def _collect() -> None:
    """Free reference cycles, as removed napari layers leave: Python collects them rarely."""
    gc.collect()


class OpenCases:
    """The cases of one viewer.

    Parameters
    ----------
    workspace, segmenter
        The window, and what segments boxes in it.
    make
        Makes the case of an image layer; raises ValueError with a sentence if it cannot.
    on_open
        Called when another case is open, or none.
    """

    def __init__(
        self,
        workspace: Workspace,
        segmenter: Segmenter,
        make: Callable[[Image], Case],
        on_open: Callable[[], None],
    ) -> None:
        self._workspace = workspace
        self._segmenter = segmenter
        self._make = make
        self._on_open = on_open
        self._cases: dict[Image, Case] = {}
        idle = workspace.idle
        self._tidy_soon = idle(_collect) if idle is not None else (lambda: None)
        self._looked_at: tuple[Event, ...] = ()
        self._look_soon = idle(self._look) if idle is not None else (lambda: None)
        workspace.viewer.layers.events.removed.connect(self._on_removed)
        workspace.pixels_changed.connect(self._on_other_pixels)
        workspace.changed.connect(self._on_changed)

    @property
    def all(self) -> list[Case]:
        """The cases of all images, the open one included."""
        return list(self._cases.values())

    def choose(self, layer: Image | None) -> None:
        """Open or resume a layer's case; the case that was open is retained and hidden."""
        self._tidy_soon()
        current = self._workspace.case
        if layer is not None and current is not None and current.layer is layer:
            return
        self._hide_current()
        if layer is not None and layer in self._workspace.viewer.layers:
            if layer not in self._cases and not self._add(layer):
                return
            case = self._cases[layer]
            if self._workspace.has_same_pixels(case):
                self._workspace.case = case
                case.open()
        self._on_open()

    def close(self) -> None:
        """Ignore the layers, which stay, from now on."""
        self._workspace.viewer.layers.events.removed.disconnect(self._on_removed)
        for case in self.all:
            case.take_over()
            case.disconnect()

    def _on_changed(self) -> None:
        self._look_soon()

    def _look(self) -> None:
        """After a step, notice what others wrote into the labels or the image on screen."""
        case = self._workspace.case
        if case is None or case.annotation.log[-1:] == self._looked_at:
            return
        case.take_over()
        self._looked_at = case.annotation.log[-1:]
        self._workspace.has_same_pixels(case, SOME)

    def _add(self, layer: Image) -> bool:
        try:
            self._cases[layer] = self._make(layer)
        except ValueError as error:
            self._on_open()
            self._workspace.show_message(str(error), is_problem=True)
            return False
        layer.events.data.connect(self._on_replaced)
        return True

    def _hide_current(self) -> None:
        case = self._workspace.case
        if case is not None:
            self._workspace.stop(case)
            case.take_over()
            case.set_visible(False)
            self._workspace.case = None

    def _on_replaced(self, event: Any) -> None:
        layer = event.source
        case = self._cases.get(layer)
        if case is not None and not case.shows_same_array:
            self._on_other_pixels(case)

    def _on_other_pixels(self, case: Case) -> None:
        """Begin a new case: neither embeddings nor, perhaps, the place are those of the pixels."""
        layer = case.layer
        if self._cases.get(layer) is not case:
            return
        self._drop(layer)
        self.choose(layer)
        new = self._cases.get(layer)
        if new is None:
            return  # the message says why
        place = "" if new.has_known_place else f" {PLACE_NOT_KNOWN}"
        self._workspace.show_message(
            f"The pixels of {layer.name} were replaced, so a new case was started. The "
            f"earlier labels stay as a layer.{place}",
            is_problem=True,
        )

    def _on_removed(self, event: Any) -> None:
        layer = event.value
        if layer in self._cases:
            self._drop(layer)
            self._on_open()
            self._workspace.show_message(
                f"{layer.name} was removed, so its case was closed. Its labels stay as a layer; "
                f"File > Save Selected Layers saves them.",
                is_problem=True,
            )
        elif self._workspace.case is not None and self._workspace.case.owns(layer):
            self._workspace.show_message(
                f"{layer.name} was removed from the screen. Nothing is lost: N brings it back.",
                is_problem=True,
            )

    def _drop(self, layer: Image) -> None:
        """Close a case permanently; its labels layer becomes an ordinary layer."""
        case = self._cases[layer]
        self._segmenter.cancel(case)
        layer.events.data.disconnect(self._on_replaced)
        del self._cases[layer]
        if self._workspace.case is case:
            self._workspace.case = None
        case.release()
