"""Measures of the open case: taken in the background, drawn as lines, saved as table and page.

It has no widgets; `measure_window` shows the results.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from napari.layers import Labels, Shapes
from numpy.typing import NDArray
from psygnal import Signal

from napari_medsam.engine.data.signals import emit
from napari_medsam.engine.data.volume import AXES, Axis
from napari_medsam.measure.diameters import Diameters
from napari_medsam.measure.from_files import in_pixels, units_of
from napari_medsam.measure.overlay import Scene
from napari_medsam.measure.report_page import heading_of, save_page
from napari_medsam.measure.table import Units, as_csv, write_csv
from napari_medsam.measure.volumes import LabelMeasure, measure_labels
from napari_medsam.ui.layers.labels_layer import add_beside, camera_of, show_slice
from napari_medsam.ui.layers.place import placement
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.jobs import Job, JobOutcome
from napari_medsam.ui.state.workspace import Workspace

LINE = 2.0
"""Width of a line in screen pixels, at the zoom there is when it is drawn."""


@dataclass(frozen=True)
class MeasureRequest:
    """What to measure: diameters along which axis, against which labels, NSD at how many mm."""

    axis: Axis = "z"
    reference: Labels | None = None
    tolerance_mm: float = 2.0


@dataclass(frozen=True, eq=False)
class MeasureResult:
    """The labels that were measured, (Z, Y, X), and their measures."""

    labels: NDArray[np.uint16]
    measures: tuple[LabelMeasure, ...]
    units: Units
    request: MeasureRequest


class Measures:
    """Measures the open case on request."""

    measured = Signal()
    """A measurement has ended; `found` has the results."""

    def __init__(self, workspace: Workspace) -> None:
        self.found: tuple[LabelMeasure, ...] = ()
        self.units = Units()
        self._workspace = workspace
        self._viewer = workspace.viewer
        self._request = MeasureRequest()
        self._of: Case | None = None
        self._lines: Shapes | None = None

    def references(self) -> list[Labels]:
        """The labels layers to compare the case with: those of its shape, except its own."""
        case = self._workspace.case
        if case is None:
            return []
        own = case.labels.layer
        layers = (
            layer for layer in self._viewer.layers if isinstance(layer, Labels) and layer is not own
        )
        return [layer for layer in layers if layer.data.shape == own.data.shape]

    def take(
        self, request: MeasureRequest, then: Callable[[Case, MeasureResult], str] | None = None
    ) -> None:
        """Measure the current labels; `measured` is emitted at the end.

        In the same job `then` is called, which returns a message to show.
        """
        case = self._workspace.case
        if case is None:
            self._workspace.show_message(
                "Open an image first; there is nothing to measure.", is_problem=True
            )
            return
        case.take_over()
        labels = case.annotation.labels.copy()  # the user may draw meanwhile
        volume, table = case.image.volume, case.annotation.table
        reference = request.reference
        compared = None if reference is None else np.array(reference.data).reshape(labels.shape)
        found: list[MeasureResult] = []
        messages: list[str] = []

        def work(hand_over: Callable[[MeasureResult], None]) -> None:
            measures = measure_labels(
                labels,
                table,
                in_pixels(volume, case.image.grid),
                axis=request.axis,
                reference=compared,
                tolerance_mm=request.tolerance_mm,
            )
            taken = MeasureResult(
                labels,
                measures,
                units_of(volume, case.image.grid, case.image.unit, case.image.size_note),
                request,
            )
            if then is not None:
                messages.append(then(case, taken))
            hand_over(taken)

        def on_end(outcome: JobOutcome) -> None:
            for taken in found:
                self._of, self._request = case, request
                self.found, self.units = taken.measures, taken.units
            if outcome.kind == "failed":
                self._workspace.show_message(outcome.sentence, is_problem=True)
            for message in messages:
                self._workspace.show_message(message)
            emit(self.measured)

        self._workspace.lanes.measures.start(Job(work, found.append, on_end))

    def show(self, number: int) -> None:
        """Go to the slice of a label's diameters."""
        pair = next(
            (measure.diameters for measure in self.found if measure.label.number == number),
            None,
        )
        if pair is not None and self._of is not None and self._of is self._workspace.case:
            show_slice(self._viewer, self._of.layer, pair.slice)

    # --- lines -------------------------------------------------------------------------

    def draw_lines(self) -> None:
        """Draw both diameters of each label on their slice, in a separate layer."""
        case = self._of
        pairs = [measure.diameters for measure in self.found if measure.diameters is not None]
        self.remove_lines()
        if case is None or case is not self._workspace.case or not pairs:
            return
        flat = case.layer.ndim == 2
        lines = [line for pair in pairs for line in lines_of(pair, flat=flat)]
        zoom, scale = camera_of(self._viewer).zoom, np.abs(np.asarray(case.layer.scale)[-2:])
        texts = [f"{mm:.1f}" for pair in pairs for mm in (pair.long_mm, pair.short_mm)]
        self._lines = Shapes(
            lines,
            shape_type="line",
            name=f"{case.layer.name} diameters",
            edge_color="white",
            edge_width=LINE / max(zoom * float(np.exp(np.log(scale).mean())), 1e-6),
            features={"length": texts},
            text={"string": "{length}", "size": 9, "color": "white", "anchor": "upper_left"},
            **placement(case.layer),
        )
        add_beside(self._viewer, self._lines)
        self._lines.editable = False

    def remove_lines(self) -> None:
        if self._lines is not None and self._lines in self._viewer.layers:
            self._viewer.layers.remove(self._lines)
        self._lines = None

    # --- table, page -------------------------------------------------------------------

    def as_text(self) -> str:
        """The table separated by tabs, to paste into a spreadsheet."""
        return as_csv(self.found, self.units, "\t")

    def save_table(self, path: Path) -> None:
        try:
            write_csv(path, self.found, self.units)
        except (OSError, ValueError) as error:
            self._workspace.show_message(f"{path.name} was not saved: {error}", is_problem=True)
            return
        self._workspace.show_message(f"Saved {path.name}.")

    def save_page(self, path: Path) -> None:
        """Save a page of key images of the current labels, as PNG or PDF.

        The labels are measured again for it, so that images and measures agree.
        """
        case = self._workspace.case
        if case is None:
            return
        window = case.window()

        def write(case: Case, taken: MeasureResult) -> str:
            other = taken.request.reference
            table = [measure.label for measure in taken.measures]
            scene = Scene(case.image.volume, window, taken.labels, table, ())
            heading = heading_of(
                case.image.name, "", other.name if other else "", taken.request.axis, taken.units
            )
            try:
                save_page(path, scene, taken.measures, taken.units, heading)
            except OSError as error:
                raise ValueError(
                    f"{path.name} was not saved: {error.strerror or error}."
                ) from error
            return f"Saved {path.name}."

        self.take(self._request, write)


def lines_of(pair: Diameters, *, flat: bool) -> list[NDArray[np.float64]]:
    """Both diameters as lines: each (2, 3) in voxels z, y, x, or (2, 2) y, x on a picture."""
    ends = [np.array(points, dtype=float) for points in (pair.long_ends, pair.short_ends)]
    if flat:
        return ends
    return [
        np.insert(points, AXES.index(pair.slice.axis), pair.slice.index, axis=1) for points in ends
    ]
