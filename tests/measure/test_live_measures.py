"""`LiveMeasures` equals a recount after any sequence of changes."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.annotation.fixed_masks import as_mask
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.measure.live_measures import LiveMeasures
from napari_medsam.measure.volumes import measure_labels
from tests.engine.annotations import clear

SHAPE = (6, 12, 14)
VOLUME = Volume(np.zeros(SHAPE), (0.7, 1.1, 3.0))


def agree(tally: LiveMeasures, annotation: Annotation) -> None:
    tally.refresh()
    for found in measure_labels(annotation.labels, annotation.table, VOLUME, grey=False):
        assert tally.millilitres(found.label.number) == found.millilitres
        assert tally.diameters(found.label.number) == found.diameters


def box_mask(axis: str, index: int, label: int, annotation: Annotation) -> None:
    where = SliceRef(axis, index)
    height, width = VOLUME.slice_shape(axis)
    box = BoxPrompt(where, 1, 1, 6, 4)
    mask = np.zeros((height, width), bool)
    mask[1:5, 1 + label : 5 + label] = True
    placed = PlacedBox(annotation.new_box_id(), label, box)
    annotation.apply_box(placed, as_mask(where, mask), overwrite=True)


def paint(annotation: Annotation, z: int, y: int, x: int, label: int) -> None:
    patch = np.ix_([z], range(y, y + 3), range(x, x + 4))
    indices = tuple(i.ravel() for i in np.broadcast_arrays(*patch))
    old = annotation.labels[indices].copy()
    annotation.labels[indices] = label
    annotation.record_painted(indices, old, label)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("paint"), st.integers(0, 5), st.integers(0, 9), st.integers(0, 10),
                  st.integers(0, 2)),
        st.tuples(st.just("box"), st.sampled_from("zyx"), st.integers(0, 5), st.integers(1, 2)),
        st.tuples(st.just("undo")),
        st.tuples(st.just("redo")),
        st.tuples(st.just("clear"), st.integers(1, 2)),
        st.tuples(st.just("load"), st.integers(0, 99)),
        st.tuples(st.just("look")),
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_live_measures_equal_a_recount_after_any_steps(steps: list[tuple]) -> None:
    annotation = Annotation(SHAPE)
    annotation.add_label()
    annotation.add_label()
    tally = LiveMeasures(annotation, VOLUME)
    for what, *how in steps:
        match what:
            case "paint":
                paint(annotation, *how)
            case "box":
                box_mask(*how, annotation)
            case "undo":
                annotation.undo()
            case "redo":
                annotation.redo()
            case "clear" if any(one.number == how[0] for one in annotation.table):
                clear(annotation, *how)
            case "load":
                rng = np.random.default_rng(how[0])
                annotation.load_labels((rng.random(SHAPE) < 0.2).astype(np.uint16))
            case "look":
                agree(tally, annotation)
    agree(tally, annotation)


def test_only_changed_slices_are_measured_again(monkeypatch) -> None:
    annotation = Annotation(SHAPE)
    annotation.load_labels(np.ones(SHAPE, np.uint16))
    tally = LiveMeasures(annotation, VOLUME)
    tally.refresh()
    measured: list[int] = []
    again = LiveMeasures._measure
    monkeypatch.setattr(
        LiveMeasures, "_measure", lambda self, index: (measured.append(index), again(self, index))
    )
    paint(annotation, 4, 2, 2, 0)
    tally.refresh()
    tally.refresh()
    assert measured == [4]


def test_refresh_stops_when_its_time_is_over_and_continues_later() -> None:
    annotation = Annotation(SHAPE)
    tally = LiveMeasures(annotation, VOLUME)
    annotation.load_labels(np.ones(SHAPE, np.uint16))
    turns = 1
    while not tally.refresh(seconds=0):
        turns += 1
    assert turns == SHAPE[0]
    agree(tally, annotation)
