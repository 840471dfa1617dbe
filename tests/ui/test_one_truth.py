"""Any order of what the user does here and what others do to the layers leaves one truth.

Screen, annotation, log, counts, journal and saved file are compared after each deed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from napari.layers import Image, Labels, Layer

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Step
from napari_medsam.ui.actions.save import SaveOptions
from napari_medsam.ui.layers.place import place_of
from napari_medsam.ui.plugin.current_dock import case_of
from tests.ui.desk import SPACING_XYZ, image_layer, make_desk, rectangle
from tests.ui.journals import kept

SHAPE = (5, 14, 12)
NTH = count(1)
BLOCKS = st.tuples(
    st.integers(0, 4), st.integers(0, 11), st.integers(0, 9), st.integers(1, 3), st.integers(0, 4)
)
"""First z, y, x of a block, its size, and a label."""


def block_of(block: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(start, start + block[3]) for start in block[:3])


def voxels() -> np.ndarray:
    """A bright block, and a voxel by which the journals of two examples differ."""
    made = np.zeros(SHAPE, np.uint16)
    made[1:4, 3:11, 2:10] = 200
    made[0, 0, 0], made[0, 0, 1] = divmod(next(NTH), 100)
    return made


class Truth(RuleBasedStateMachine):
    """A user, a script and napari's own menus at one desk."""

    @initialize(known=st.booleans())
    def open(self, known: bool) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "out.nii.gz"
        self.desk = make_desk()
        self.known = self.is_file = known
        self.is_other_image = False  # a script has written into it
        self.pending = False  # what a script wrote is not noticed yet
        layer = image_layer(voxels()) if known else Image(voxels(), scale=SPACING_XYZ[::-1])
        self.desk.open(layer)
        self.first = layer.data

    def teardown(self) -> None:
        if hasattr(self, "desk"):
            self.desk.controller.journals.close()
            self.desk.controller.close()
            self.folder.cleanup()

    @property
    def case(self) -> Any:
        return self.desk.controller.case

    @property
    def annotation(self) -> Annotation:
        found: Annotation = self.case.annotation
        return found

    def held(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """What others may make of labels: locked ones do not change."""
        locked = [row.number for row in self.annotation.table if row.locked]
        held = np.isin(before, locked) | np.isin(after, locked)
        return np.where(held, before, after)

    # --- the user ----------------------------------------------------------------------

    @rule(axis=st.integers(0, 2), index=st.integers(0, 4), over=st.booleans())
    def draw(self, axis: int, index: int, over: bool) -> None:
        desk = self.desk
        desk.controller.workspace.choose_replace(over)
        desk.controller.view.choose_axis("zyx"[axis])
        desk.controller.view.choose_slice(index)
        low, high = [0.0, 1.0, 1.0], [4.0, 12.0, 10.0]
        low[axis] = high[axis] = index
        desk.boxes.add_rectangles(rectangle(low, high))

    @rule()
    def propagate(self) -> None:
        self.desk.controller.propagation.propagate()

    @rule()
    def accept(self) -> None:
        self.desk.controller.review.accept()

    @rule(redo=st.booleans(), times=st.integers(1, 3))
    def turn(self, redo: bool, times: int) -> None:
        for _ in range(times):
            history = self.desk.controller.history
            (history.redo if redo else history.undo)()

    @rule(deed=st.sampled_from(["add", "next", "remove", "lock", "done", "unlock"]))
    def change_label(self, deed: str) -> None:
        case, number = self.case, self.case.label
        if deed == "add":
            case.add_label()
        elif deed == "next":
            case.pick_next_label()
        elif deed == "remove":
            case.remove_label()
        elif number and deed == "done":
            case.set_state(number, "done")
        elif number:
            case.lock_label(number, deed == "lock")

    @rule(block=BLOCKS, n_edit=st.sampled_from([2, 3]), fill=st.booleans(), keep=st.booleans())
    def paint(self, block: tuple[int, ...], n_edit: int, fill: bool, keep: bool) -> None:
        layer = self.case.labels.layer
        layer.n_edit_dimensions, layer.preserve_labels = n_edit, keep
        layer.selected_label, layer.brush_size = 1, 2 * block[3] - 1
        self.desk.controller.view.choose_axis("z")
        self.desk.controller.view.choose_slice(block[0])
        (layer.fill if fill else layer.paint)(block[:3], block[4])
        # napari writes a fill after its event; without an event loop nothing is put back later.
        self.pending |= any(row.locked for row in self.annotation.table)

    @rule()
    def go_to_another_image_and_back(self) -> None:
        image, viewer = self.case.layer, self.desk.viewer
        other = self.desk.open(image_layer(voxels(), name="other"))
        self.desk.controller.on_image_chosen(image)
        viewer.layers.remove(other)

    # --- others ------------------------------------------------------------------------

    @rule(block=BLOCKS, then=st.sampled_from(["", "undo", "draw", "paint", "save"]))
    def write_in_place(self, block: tuple[int, ...], then: str) -> None:
        before = self.case.labels.layer.data.copy()
        self.case.labels.layer.data[block_of(block)] = block[4]
        expected = self.held(before, self.case.labels.layer.data)
        if then == "undo" and (self.pending or (expected == before).all()):
            then = ""  # nothing that undo could show
        if then == "undo":
            self.desk.controller.history.undo()
            np.testing.assert_array_equal(self.case.labels.layer.data, before)
        elif then == "draw":
            self.draw(0, block[0], False)
        elif then == "paint":
            self.paint(block, 2, False, False)
        elif then == "save":
            self.desk.controller.save(self.path, SaveOptions())
            np.testing.assert_array_equal(self.case.labels.layer.data, expected)
        if then in ("undo", "save"):
            self.screen_is_the_annotation()
        else:  # a box and a stroke look at their own slice; here is no pause to look at the rest
            self.pending = True

    @rule(
        block=BLOCKS,
        dtype=st.sampled_from(["u1", "i2", ">u2", "i8", "u8"]),
        turned=st.sampled_from([(1, 1, 1), (-1, 1, 1), (1, -1, -1)]),
    )
    def set_array(self, block: tuple[int, ...], dtype: str, turned: tuple[int, ...]) -> None:
        layer, before = self.case.labels.layer, self.case.labels.layer.data.copy()
        new = layer.data.astype(dtype)
        new[block_of(block)] = block[4]
        new = new[tuple(slice(None, None, step) for step in turned)]
        expected = self.held(before, new)
        layer.data = new
        if not self.pending:
            np.testing.assert_array_equal(layer.data, expected)
        assert layer.data.dtype == np.uint16

    @rule(
        what=st.sampled_from(
            [
                lambda a: a.astype(int) - 1,
                lambda a: a.astype(int) + 65536,
                lambda a: a[1:],
                lambda a: a[0],
                lambda a: a[None],
                lambda a: a.transpose(0, 2, 1),
            ]
        )
    )
    def set_no_labels(self, what: Callable[[np.ndarray], np.ndarray]) -> None:
        layer, before = self.case.labels.layer, self.case.labels.layer.data.copy()
        new = what(layer.data)
        if new.shape != before.shape or new.max() > 65535 or new.min() < 0:
            layer.data = new
            if not self.pending:
                np.testing.assert_array_equal(layer.data, before)

    @rule(
        which=st.sampled_from(["image", "labels", "boxes"]),
        place=st.sampled_from(
            [
                {"scale": (2.0, 0.5, 1.5)},
                {"scale": (-3.0, 0.8, 0.8)},
                {"translate": (7.0, -3.0, 0.5)},
                {"affine": np.diag([1.0, 2.0, 1.0, 1.0])},
                {"units": ("cm", "cm", "cm")},
                {"units": ("pixel", "pixel", "pixel")},
                {"rotate": (0.0, 0.0, 20.0)},
                {"shear": (0.1, 0.0, 0.0)},
            ]
        ),
    )
    def move(self, which: str, place: dict[str, Any]) -> None:
        layer = self.case.layer if which == "image" else getattr(self.case, which).layer
        for name, value in place.items():
            setattr(layer, name, value)

    @rule(
        to=st.sampled_from(
            [lambda a: a[::-1], lambda a: a[:, 1:], lambda a: a.copy(), lambda a: a.astype("f4")]
        )
    )
    def replace_image(self, to: Callable[[np.ndarray], np.ndarray]) -> None:
        layer = self.case.layer
        if layer.data.shape[1] > 12:
            layer.data = to(layer.data)
            # A flipped array that is flipped again is the file's.
            again = layer.data.__array_interface__ == self.first.__array_interface__
            self.known = self.is_file and again and not self.is_other_image
            self.pending = False
            self.start_again()

    @rule()
    def write_into_image(self) -> None:
        self.case.layer.data[2, 5:8, 5:8] += 1
        case, label = self.case, self.case.named(self.case.label)
        where = self.case.where()
        self.draw(0, 2, False)
        has_drawn = label is not None and not label.locked and where is not None
        assert self.case is not case or not has_drawn
        self.is_other_image = True
        self.start_again()

    def start_again(self) -> None:
        """Remove the labels layers of closed cases, which would only be many."""
        ours = {layer for case in self.desk.controller.cases for layer in (case.labels.layer,)}
        for layer in list(self.desk.viewer.layers):
            if isinstance(layer, Labels) and layer not in ours and "preview" not in layer.name:
                self.desk.viewer.layers.remove(layer)

    @rule(which=st.sampled_from(["labels", "boxes"]), name=st.sampled_from(["a", "b"]))
    def remove_and_bring_back(self, which: str, name: str) -> None:
        layer = getattr(self.case, which).layer
        layer.name = name
        if hasattr(layer, "locked"):
            layer.locked = "none"
        self.desk.viewer.layers.remove(layer)
        self.desk.controller.boxes.toggle_draw()
        assert layer in self.desk.viewer.layers

    @rule()
    def duplicate(self) -> None:
        data, state, kind = self.case.labels.layer.as_layer_data_tuple()
        copy = Layer.create(np.array(data), state, kind)
        self.desk.viewer.add_layer(copy)
        copy.data[...] = 3  # type: ignore[attr-defined]
        assert case_of(copy.data) is None  # type: ignore[attr-defined]
        self.desk.viewer.layers.remove(copy)

    @rule(keep=st.integers(0, 2), kind=st.sampled_from(["ellipse", "polygon"]))
    def script_boxes(self, keep: int, kind: str) -> None:
        self.desk.boxes.data = list(self.desk.boxes.data)[:keep]
        self.desk.boxes.add([rectangle((2, 2, 2), (2, 9, 9))], shape_type=kind)

    # --- one truth ---------------------------------------------------------------------

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "desk"):
            return
        self.log_is_the_annotation()
        if np.array_equal(self.case.labels.layer.data, self.annotation.labels):
            self.pending = False
        if not self.pending:
            self.screen_is_the_annotation()
            self.file_is_the_screen()

    def log_is_the_annotation(self) -> None:
        annotation, again = self.annotation, Annotation(self.annotation.labels.shape)
        again.replay(Step("event", event) for event in annotation.log)
        np.testing.assert_array_equal(again.labels, annotation.labels)
        origins = annotation.label_volume.origins
        np.testing.assert_array_equal(again.label_volume.origins, origins)
        assert (again.table, again.boxes) == (annotation.table, annotation.boxes)
        counts = dict(zip(*np.unique(annotation.labels, return_counts=True), strict=True))
        for row in annotation.table:
            assert annotation.voxel_count(row.number) == counts.pop(row.number, 0)
        assert set(counts) <= {0}, "each number has a row"

    def screen_is_the_annotation(self) -> None:
        case = self.case
        np.testing.assert_array_equal(case.labels.layer.data, self.annotation.labels)
        for layer in (case.labels.layer, case.boxes.layer):
            for name, value in place_of(case.layer).items():
                np.testing.assert_array_equal(place_of(layer)[name], value)
        drawn = {box.box_id for box in case.boxes.drawn()}
        assert drawn == {placed.box_id for placed in case.boxes_there()}
        assert len(drawn) == case.boxes.layer.nshapes

    def file_is_the_screen(self) -> None:
        case = self.case
        self.path.unlink(missing_ok=True)
        self.desk.view.answers[:] = ["Save an empty file"]
        self.desk.controller.save(self.path, SaveOptions())
        image = nib.load(self.path)
        saved = np.asarray(image.dataobj).transpose(2, 1, 0)
        np.testing.assert_array_equal(saved, case.labels.layer.data)
        if self.is_other_image:
            self.known = case.has_known_place  # from when it is noticed
        assert case.has_known_place == self.known
        if self.known:
            affine = np.diag([-0.8, -0.8, 3.0, 1.0])
            affine[:3, 3] = -10, 20, 30
            np.testing.assert_allclose(image.affine, affine, atol=1e-4)
        else:
            layer = case.layer
            size = np.abs(np.asarray(layer.scale) * np.diag(layer.affine.linear_matrix))
            size = size * [10.0 if "centi" in str(unit) else 1.0 for unit in layer.units]
            np.testing.assert_allclose(image.header.get_zooms(), size[::-1], rtol=1e-5)
            np.testing.assert_array_equal(image.affine[:3, 3], 0)
        if not case.is_borrowed:
            journalled = kept(self.desk).annotation.labels
            np.testing.assert_array_equal(journalled, case.labels.layer.data)


Truth.TestCase.settings = settings(
    max_examples=int(os.environ.get("NAPARI_MEDSAM_EXAMPLES", "20")),
    stateful_step_count=12,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking takes minutes
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
class TestTruth(Truth.TestCase):  # type: ignore[misc, name-defined]
    """Run by pytest."""
