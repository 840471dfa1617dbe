"""The window, the command line and a cohort make the same annotation from the same prompts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Image

from napari_medsam.batch.cohort.case_table import read_table
from napari_medsam.batch.cohort.request import case_request
from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.fixed_masks import as_mask
from napari_medsam.engine.annotation.review import trusted
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.headless.build_request import RequestOptions, build_request
from napari_medsam.headless.prompt_text import parse_box, parse_slice
from napari_medsam.headless.request import Propagation, Request
from napari_medsam.headless.run import segment_request
from napari_medsam.journal.database import JournalDatabase, JournalRow
from napari_medsam.journal.image_header import image_header_of
from napari_medsam.journal.location import journal_path
from napari_medsam.models.loading import open_model
from napari_medsam.ui.layers.image_layer import image_layer_data
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.resume_offers import RESUME
from tests.tiny_model import TinyMedSam
from tests.ui.desk import Desk, TinyModelSource, ellipsoid, make_desk, rectangle

Box = tuple[int, int, tuple[int, int, int, int]]
"""Label, axial slice, and x0, y0, x1, y1."""


@dataclass(frozen=True)
class Work:
    """What a user gives: boxes in this order, a range, and perhaps a slice that a file has right.

    The file has label 1 on slice `start`, and nothing else.
    """

    image: Path
    boxes: tuple[Box, ...]
    slice_range: tuple[int, int]
    start: int | None = None

    @property
    def file(self) -> Path:
        return self.image.parent / "there.nii.gz"


def opened(work: Work, model: PromptableModel, *replies: str) -> Desk:
    desk = make_desk(shelf=TinyModelSource(model=model))
    desk.view.replies[:] = replies
    data, settings, _ = image_layer_data(read_image(work.image))
    desk.open(Image(data, **settings))
    return desk


def look_at(desk: Desk, label: int, z: int) -> None:
    desk.controller.on_case(Case.pick_label, label)
    desk.controller.view.choose_slice(z)


def draw(desk: Desk, box: Box) -> None:
    label, z, (x0, y0, x1, y1) = box
    while label not in {row.number for row in desk.annotation.table}:
        desk.controller.on_case(Case.add_label)
    look_at(desk, label, z)
    desk.draw((z, y0, x0), (z, y1, x1))


def in_window(work: Work, model: PromptableModel) -> Desk:
    desk = opened(work, model)
    if work.start is not None:
        desk.controller.label_files.open(work.file)
    for box in work.boxes:
        draw(desk, box)
    if work.start is not None:
        where = SliceRef("z", work.start)
        box = as_mask(where, desk.annotation.labels[work.start] == 1).prompt
        draw(desk, (1, work.start, tuple(int(c) for c in box.corners)))
        desk.controller.review.accept()
    look_at(desk, *work.boxes[0][:2])
    desk.controller.propagation.propagate(*work.slice_range)
    return desk


def as_command(work: Work) -> Request:
    image = read_image(work.image)
    texts = [f"z:{z}:{','.join(map(str, box))}:{label}" for label, z, box in work.boxes]
    starts = [] if work.start is None else [parse_slice(f"z:{work.start}:1")]
    there = None if work.start is None else read_label_file(work.file, image.grid)
    options = RequestOptions(propagation=Propagation(*work.slice_range), labels_before=there)
    return build_request(image, [*map(parse_box, texts), *starts], options)


def as_cohort(work: Work) -> Request:
    first, last = work.slice_range
    rows = [
        f"{work.image.name},{label},z,{first},{last},{','.join(map(str, box))},{z}"
        for label, z, box in work.boxes
    ]
    table = work.image.parent / "cases.csv"
    table.write_text("\n".join(["case,label,axis,first,last,x0,y0,x1,y1,slice", *rows]) + "\n")
    return case_request(read_table(table)[0], read_image(work.image))


def assert_same(one: Annotation, other: Annotation) -> None:
    np.testing.assert_array_equal(one.labels, other.labels)
    np.testing.assert_array_equal(one.label_volume.origins, other.label_volume.origins)
    kinds = [[event.kind for event in a.log if event.kind != "table"] for a in (one, other)]
    assert kinds[0] == kinds[1]
    assert one.boxes == other.boxes
    assert one.accepted == other.accepted
    assert trusted(one) == trusted(other)
    assert [e.runs for e in one.log if e.runs] == [e.runs for e in other.log if e.runs]


@pytest.fixture
def work(tmp_path: Path) -> Work:
    """A bright ellipsoid; label 1 has keyframes, and label 2 claims some of the same voxels."""
    path = tmp_path / "scan.nii.gz"
    nib.save(nib.Nifti1Image(ellipsoid().T, np.diag([-0.8, -0.8, 3.0, 1.0])), path)
    boxes: tuple[Box, ...] = (
        (1, 7, (14, 18, 24, 44)),
        (1, 13, (14, 16, 28, 46)),
        (2, 7, (20, 14, 38, 40)),
    )
    return Work(path, boxes, (5, 15))


@pytest.fixture
def corrected(work: Work) -> Work:
    """The same, with a slice between the keyframes that a label file has right."""
    labels = np.zeros(ellipsoid().shape, np.uint8)
    labels[10, 22:38, 18:22] = 1
    write_labels(work.image.parent / "there.nii.gz", labels, read_image(work.image).grid)
    return Work(work.image, work.boxes, work.slice_range, start=10)


@pytest.mark.parametrize("request_of", [as_command, as_cohort])
def test_two_labels_and_two_keyframes(work: Work, request_of) -> None:
    desk = in_window(work, TinyMedSam())
    answer = segment_request(request_of(work), TinyMedSam())
    assert_same(desk.annotation, answer.annotation)
    kinds = [event.kind for event in answer.annotation.log if event.kind != "table"]
    assert kinds == ["box", "box", "box", "propagate"]
    assert {1, 2} <= set(np.unique(answer.annotation.labels[9]))


def test_slice_of_a_file_that_is_right(corrected: Work) -> None:
    desk = in_window(corrected, TinyMedSam())
    answer = segment_request(as_command(corrected), TinyMedSam())
    assert_same(desk.annotation, answer.annotation)
    assert answer.annotation.accepted == {(1, "z", 10)}
    there = read_label_file(corrected.file, read_image(corrected.image).grid).labels
    np.testing.assert_array_equal(answer.annotation.labels[10] == 1, there[10] == 1)


def test_two_objects_of_a_label_each_use_the_whole_range(work: Work) -> None:
    """Their boxes do not overlap, so they are no keyframes of one object."""
    boxes: tuple[Box, ...] = ((1, 8, (14, 16, 22, 44)), (1, 8, (28, 16, 36, 44)))
    apart = Work(work.image, boxes, work.slice_range)
    answer = segment_request(as_command(apart), TinyMedSam())
    assert_same(in_window(apart, TinyMedSam()).annotation, answer.annotation)
    assert answer.ranges == ((5, 15), (5, 15))


def test_resumed_in_the_window_a_headless_annotation_follows_its_keyframes(work: Work) -> None:
    first = in_window(work, TinyMedSam())
    first.controller.journals.close()
    request = as_command(work)
    path = journal_path(request.image.volume.fingerprint)
    path.unlink()
    with JournalDatabase(path, image_header_of(request.image), "me") as journal:
        for event in segment_request(request, TinyMedSam()).annotation.log:
            journal.append(JournalRow("event", event, event.time, window=request.window))
    again = opened(work, TinyMedSam(), RESUME)
    assert_same(first.annotation, again.annotation)
    for desk in (first, again):
        before = desk.labels.copy()
        look_at(desk, 1, 7)
        moved = [
            (z, (x0, y0 + 8 if z == 13 else y0, x1, y1)) for _, z, (x0, y0, x1, y1) in work.boxes
        ]
        desk.boxes.data = [rectangle((z, y0, x0), (z, y1, x1)) for z, (x0, y0, x1, y1) in moved]
        assert (desk.labels != before).any(axis=(1, 2))[[10, 13, 14]].all()
        assert desk.labels[15].any()
        desk.controller.review.move_end(15, 13)
        assert not (desk.labels[14:] == 1).any()
        desk.controller.review.move_end(5, 6)
        assert not (desk.labels[5] == 1).any()
    np.testing.assert_array_equal(first.labels, again.labels)
    again.controller.close()


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.shared
def test_real_case_with_the_real_model(
    tmp_path: Path, shared_dir: Path, weights_path: Path
) -> None:
    """A hippocampus, its front and its back, which touch each other."""
    folder = shared_dir / "data" / "native" / "mr_hippo_001"
    path = tmp_path / "scan.nii.gz"
    path.write_bytes((folder / "hippocampus_001.nii.gz").read_bytes())
    image = read_image(path)
    truth = read_label_file(folder / "labels_hippocampus_001.nii.gz", image.grid).labels

    def box(label: int, z: int) -> Box:
        ys, xs = np.nonzero(truth[z] == label)
        return label, z, (int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max()))

    areas = [[np.count_nonzero(plane == label) for label in (1, 2)] for plane in truth]
    both = np.flatnonzero(np.min(areas, axis=1) > 20)
    low, high = int(both[0]), int(both[-1])
    work = Work(path, (box(1, low), box(1, high), box(2, low)), (low - 2, high + 2))
    model = open_model("litemedsam")
    annotation = segment_request(as_command(work), model).annotation
    assert_same(in_window(work, model).annotation, annotation)
    assert_same(segment_request(as_cohort(work), model).annotation, annotation)
    assert trusted(annotation)
