"""`merge_labels`: labels of a file are added without changing the existing ones."""

from __future__ import annotations

import numpy as np

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Origin
from napari_medsam.engine.annotation.merge import merge_labels
from napari_medsam.engine.data.labels import Label

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def row(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint8).reshape(1, 1, -1)


def test_taken_number_becomes_the_next_free_one() -> None:
    labels, table = merge_labels(
        row(1, 1, 0, 0), [Label(1, "liver", RED)], row(0, 0, 1, 0), [Label(1, "spleen", BLUE)]
    )
    assert labels.ravel().tolist() == [1, 1, 2, 0]
    assert table == (Label(2, "spleen", BLUE),)


def test_same_number_and_name_is_the_same_label() -> None:
    labels, _ = merge_labels(
        row(1, 0, 0), [Label(1, "liver", RED)], row(0, 0, 1), [Label(1, "liver", BLUE)]
    )
    assert labels.ravel().tolist() == [1, 0, 1]


def test_voxels_that_have_a_label_keep_it() -> None:
    labels, _ = merge_labels(row(1, 1, 0), [Label(1, "liver", RED)], row(4, 4, 4), [])
    assert labels.ravel().tolist() == [1, 1, 4]


def test_number_of_an_empty_label_is_free_for_a_new_label() -> None:
    labels, table = merge_labels(
        row(0, 0), [Label(1, "Label 1", RED)], row(1, 0), [Label(1, "liver", RED)]
    )
    assert labels.ravel().tolist() == [1, 0]
    assert table == (Label(1, "liver", RED),)


def test_two_unnamed_files_of_one_label_get_two_colours() -> None:
    _, (label,) = merge_labels(row(1, 0), [Label(1, "Label 1", (0.902, 0.624, 0.0))], row(0, 1), [])
    assert (label.number, label.name) == (2, "Label 2")
    assert label.color != (0.902, 0.624, 0.0)


def test_merging_keeps_the_origin_of_each_voxel() -> None:
    annotation = Annotation((1, 1, 3))
    annotation.add_label("liver")
    annotation.labels[0, 0, 0] = 1
    annotation.record_painted((np.array([0]), np.array([0]), np.array([0])), np.array([0]), 1)
    labels, table = merge_labels(annotation.labels, annotation.table, row(0, 0, 5), [])
    annotation.load_labels(labels, table)
    assert annotation.label_volume.origins.ravel().tolist() == [Origin.HAND, 0, Origin.FILE]
    annotation.undo()
    assert annotation.labels.ravel().tolist() == [1, 0, 0]
