"""Headless cases: labels of boxes, division of slices among boxes, and overlapping masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from napari_medsam.engine.annotation.events import PlacedBox, PropagationRecord
from napari_medsam.engine.annotation.fixed_masks import as_mask
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.embedding_disk_cache import DiskCache
from napari_medsam.engine.inference.point_prompts import point_prompt
from napari_medsam.engine.propagation.plan import target_of
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.headless.build_request import RequestOptions, build_request, label_table
from napari_medsam.headless.prompt_text import parse_box
from napari_medsam.headless.report import left_out
from napari_medsam.headless.request import (
    FixedMask,
    Mode,
    ObjectPoints,
    Prompts,
    Propagation,
    Request,
    seeds_of,
)
from napari_medsam.headless.run import run_request, segment_request
from tests.tiny_model import TinyMedSam, tiny_contract


def image_of(voxels: np.ndarray) -> ImageFile:
    geometry = Geometry(voxels.shape, (1.0, 2.0, 3.0), (-10.0, 20.0, 30.0), np.eye(3))
    grid = SourceGrid("nifti", Path("nowhere.nii.gz"), geometry)
    volume = Volume(voxels, geometry.spacing_xyz, geometry.origin_xyz, np.eye(3))
    return ImageFile(volume, grid, "blocks")


@pytest.fixture
def blocks() -> ImageFile:
    """6 slices of 32 x 32: one bright block x 8..15, y 10..19 in slices 1 to 4."""
    voxels = np.zeros((6, 32, 32), dtype=np.uint8)
    voxels[1:5, 10:20, 8:16] = 200
    return image_of(voxels)


def request(image: ImageFile, *boxes: str, reach: tuple[int, int] | None = None) -> Request:
    span = None if reach is None else Propagation(*reach)
    options = RequestOptions("0,255", span)
    return build_request(image, [parse_box(box) for box in boxes], options)


def test_names_get_free_numbers():
    asked = [parse_box(f"1,1,2,2:{label}") for label in ("liver", "2", "spleen", "liver")]
    numbers = {text: label.number for text, label in label_table(asked).items()}
    assert numbers == {"2": 2, "liver": 1, "spleen": 3}


def test_label_keeps_its_name(blocks: ImageFile):
    table = request(blocks, "z:1:1,1,2,2:liver").labels
    assert [(label.number, label.name) for label in table] == [(1, "liver")]


def test_box_without_a_slice_is_refused_on_a_volume(blocks: ImageFile):
    with pytest.raises(ValueError, match="6 slices, so a box or point must say which"):
        request(blocks, "1,1,2,2")


def test_box_on_a_missing_slice_is_refused(blocks: ImageFile):
    with pytest.raises(ValueError, match=r"z=6.*slices 0 to 5"):
        request(blocks, "z:6:1,1,2,2")


def test_box_outside_the_slice_is_refused(blocks: ImageFile):
    with pytest.raises(ValueError, match="lies outside"):
        request(blocks, "z:1:40,40,50,50")


def test_boxes_of_one_label_divide_the_range_halfway(blocks: ImageFile):
    texts = ("z:1:1,1,9,9:a", "z:4:1,1,9,9:a", "z:2:1,1,9,9:b")
    asked = request(blocks, *texts, reach=(0, 5))
    seeds = seeds_of(asked.propagation, asked.prompts.boxes)
    assert [(s.first, s.last) for s in seeds] == [(0, 2), (3, 5), (0, 5)]


def test_boxes_on_one_slice_get_the_same_range(blocks: ImageFile):
    asked = request(blocks, "z:2:1,1,9,9", "z:2:11,11,19,19", reach=(1, 4))
    seeds = seeds_of(asked.propagation, asked.prompts.boxes)
    assert [(s.first, s.last) for s in seeds] == [(1, 4), (1, 4)]


@pytest.mark.parametrize(
    ("boxes", "reach", "complaint"),
    [
        (["z:1:1,1,9,9"], (2, 4), "z=1 lies outside the range 2 to 4"),
        (["z:1:1,1,9,9"], (0, 6), "z=6 does not exist"),
        (["z:1:1,1,9,9", "y:4:1,1,9,4"], (0, 5), "along one axis"),
    ],
)
def test_impossible_propagation_is_refused(
    blocks: ImageFile, boxes: list[str], reach: tuple[int, int], complaint: str
):
    with pytest.raises(ValueError, match=complaint):
        request(blocks, *boxes, reach=reach)


def test_single_slice_cannot_be_propagated():
    picture = image_of(np.zeros((1, 8, 8), dtype=np.uint8))
    with pytest.raises(ValueError, match="single slice"):
        request(picture, "1,1,5,5", reach=(0, 0))


@pytest.mark.parametrize(
    ("span", "complaint"),
    [
        ({"first": 3, "last": 2}, "upwards from slice 0; this is 3 to 2"),
        ({"first": 0, "last": 5, "ranges": {1: (-1, 2)}}, "this is -1 to 2"),
        ({"first": 0, "last": 5, "mode": "votes"}, "'votes' is unknown"),
        ({"first": 0, "last": 5, "smooth": -1.0}, "this is -1"),
        ({"first": 0, "last": 5, "smooth": float("nan")}, "this is nan"),
        ({"first": 0, "last": 5, "mode": "vote", "smooth": 1.0}, "vote .* is not smoothed"),
    ],
)
def test_propagation_of_wrong_values_is_refused(span: dict[str, Any], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        Propagation(**span)


def test_point_outside_the_range_is_refused_before_it_is_segmented(blocks: ImageFile):
    points = ObjectPoints(1, point_prompt(SliceRef("z", 1), ((10.0, 15.0),), shape=(32, 32)))
    with pytest.raises(ValueError, match="point on slice z=1 lies outside the range 2 to 4"):
        replace(
            request(blocks, reach=(2, 4)),
            prompts=Prompts(points=(points,)),
        )


@pytest.mark.parametrize("changes", [{"compat": True}, {"propagation": Propagation(1, 4, "vote")}])
def test_fixed_mask_goes_with_keyframes_only(blocks: ImageFile, changes: dict[str, Any]):
    mask = as_mask(SliceRef("z", 2), blocks.volume.voxels[2] > 0)
    fixed = Prompts(fixed_masks=(FixedMask(PlacedBox(1, 1, mask.prompt), mask),))
    asked = replace(request(blocks, reach=(1, 4)), prompts=fixed)
    with pytest.raises(ValueError, match="only our rules have keyframes"):
        replace(asked, **changes)


def test_mask_from_points_stays_and_is_propagated(blocks: ImageFile, tmp_path: Path):
    model = TinyMedSam(
        contract=tiny_contract(accepts_points=True, max_points=4, point_masks="several")
    )
    points = ObjectPoints(1, point_prompt(SliceRef("z", 2), ((10.0, 15.0),), shape=(32, 32)))
    asked = replace(request(blocks, reach=(0, 5)), prompts=Prompts(points=(points,)))
    asked = replace(asked, labels=(Label.default(1),))
    result = run_request(asked, model, tmp_path / "out.nii.gz")
    drawn, propagated = [e for e in result.annotation.log if e.kind != "table"]
    assert (drawn.kind, drawn.points) == ("box", (points.prompt,))
    assert 2 not in {mask.slice.index for mask in propagated.masks}
    assert propagated.runs == (PropagationRecord("z", (0, 5), ((1, (1,)),), ((1, 1, 4),)),)
    per_slice = np.count_nonzero(result.annotation.labels, axis=(1, 2))
    assert per_slice.tolist() == [0, 80, 80, 80, 80, 0]
    confidences = {one.mask.slice.index: one.confidence for one in result.found}
    assert [z for z, value in confidences.items() if value is None] == [0, 2, 5]


def test_box_fills_the_block_and_saves_it_on_the_grid(
    blocks: ImageFile, tiny_model: TinyMedSam, tmp_path: Path
):
    result = run_request(
        request(blocks, "z:2:5,8,18,22:liver"), tiny_model, tmp_path / "out.nii.gz"
    )
    saved = nib.load(tmp_path / "out.nii.gz")
    labels = np.asarray(saved.dataobj).T  # i, j, k to z, y, x
    expected = np.zeros((6, 32, 32))
    expected[2, 10:20, 8:16] = 1
    np.testing.assert_array_equal(labels, expected)
    np.testing.assert_allclose(saved.affine @ [0, 0, 0, 1], [10, -20, 30, 1])  # LPS to RAS
    assert result.saved.n_voxels == 80


def test_propagation_ends_where_the_block_ends(
    blocks: ImageFile, tiny_model: TinyMedSam, tmp_path: Path
):
    asked = request(blocks, "z:2:5,8,18,22", reach=(0, 5))
    result = run_request(asked, tiny_model, tmp_path / "out.nrrd")
    per_slice = np.count_nonzero(result.annotation.labels, axis=(1, 2))
    assert per_slice.tolist() == [0, 80, 80, 80, 80, 0]


def test_progress_counts_up_to_the_number_of_masks(
    blocks: ImageFile, tiny_model: TinyMedSam, tmp_path: Path
):
    asked = request(blocks, "z:2:5,8,18,22", "z:3:5,8,18,22", "z:2:0,0,4,4")
    steps: list[int] = []
    run_request(asked, tiny_model, tmp_path / "out.mha", steps.append)
    assert steps == [1, 2, 3]
    assert asked.n_masks == 3
    assert tiny_model.n_encoded == 2


@pytest.mark.parametrize(("compat", "winner"), [(False, 1), (True, 2)])
def test_overlap_goes_to_the_first_box_and_in_compat_to_the_last(
    blocks: ImageFile, tiny_model: TinyMedSam, tmp_path: Path, compat: bool, winner: int
):
    given = request(blocks, "z:2:5,8,18,22:1", "z:2:5,8,18,22:2")
    asked = replace(given, compat=compat)
    result = run_request(asked, tiny_model, tmp_path / "out.nii.gz")
    assert set(np.unique(result.annotation.labels)) == {0, winner}


def test_masks_are_sorted_by_box_and_slice(
    blocks: ImageFile, tiny_model: TinyMedSam, tmp_path: Path
):
    asked = request(blocks, "z:3:5,8,18,22:a", "z:1:5,8,18,22:b", reach=(1, 4))
    found = run_request(asked, tiny_model, tmp_path / "out.nii.gz").found
    assert [(one.box, one.mask.slice.index) for one in found] == [
        (box, index) for box in (0, 1) for index in (1, 2, 3, 4)
    ]
    assert asked.labels == (
        Label(1, "a", asked.labels[0].color),
        Label(2, "b", asked.labels[1].color),
    )


def moving_bar() -> ImageFile:
    """9 slices of 32 x 32: a bright bar that moves one column to the right every slice."""
    voxels = np.zeros((9, 32, 32), dtype=np.uint8)
    for z in range(9):
        voxels[z, 10:20, 8 + z : 14 + z] = 200
    return image_of(voxels)


def test_overlapping_boxes_on_different_slices_are_one_object(blocks: ImageFile):
    texts = ("z:4:1,1,9,9:a", "z:1:1,1,9,9:b", "z:2:1,1,9,9:a", "z:1:20,1,29,9:b")
    placed = request(blocks, *texts).prompts.boxes
    targets = dict.fromkeys(target_of(box, placed) for box in placed)
    ids = [[box.box_id for box in target.boxes] for target in targets]
    assert ids == [[3, 1], [2], [4]]


def test_slices_between_keyframes_get_interpolated_boxes(tiny_model: TinyMedSam, tmp_path: Path):
    # Tight boxes: one carried from either end would cut the moving bar off.
    asked = request(moving_bar(), "z:7:14,9,21,20", "z:1:8,9,15,20", reach=(1, 7))
    result = run_request(asked, tiny_model, tmp_path / "out.nii.gz")
    per_slice = np.count_nonzero(result.annotation.labels, axis=(1, 2))
    assert per_slice.tolist() == [0, *[60] * 7, 0]
    corners = {one.mask.slice.index: one.mask.prompt.x_min for one in result.found}
    assert corners == {z: 7.0 + z for z in range(1, 8)}
    boxes = {one.mask.slice.index: one.box for one in result.found}
    assert boxes == {1: 1, 2: 1, 3: 1, 4: 1, 5: 0, 6: 0, 7: 0}


def test_beyond_the_outermost_keyframes_their_boxes_are_propagated(
    blocks: ImageFile, tiny_model: TinyMedSam, tmp_path: Path
):
    asked = request(blocks, "z:2:5,8,18,22", "z:3:5,8,18,22", reach=(0, 5))
    result = run_request(asked, tiny_model, tmp_path / "out.nii.gz")
    per_slice = np.count_nonzero(result.annotation.labels, axis=(1, 2))
    assert per_slice.tolist() == [0, 80, 80, 80, 80, 0]
    slices = [one.mask.slice.index for one in result.found]
    assert slices == [0, 1, 2, 3, 4, 5]


def test_keyframes_without_propagation_are_boxes_on_their_own_slices(
    blocks: ImageFile, tiny_model: TinyMedSam, tmp_path: Path
):
    asked = request(blocks, "z:1:5,8,18,22", "z:4:5,8,18,22")
    result = run_request(asked, tiny_model, tmp_path / "out.nii.gz")
    per_slice = np.count_nonzero(result.annotation.labels, axis=(1, 2))
    assert per_slice.tolist() == [0, 80, 0, 0, 80, 0]


def test_second_run_with_the_same_cache_encodes_nothing(
    blocks: ImageFile, tiny_model: TinyMedSam, tmp_path: Path
):
    asked = request(blocks, "z:2:5,8,18,22")
    for _ in range(2):
        cache = EmbeddingCache(disk=DiskCache(tmp_path / "cache"))
        run_request(asked, tiny_model, tmp_path / "out.nii.gz", cache=cache)
    assert tiny_model.n_encoded == 1


def test_smoothing_includes_the_slice_of_the_box(tiny_model: TinyMedSam):
    voxels = np.zeros((9, 32, 32), np.uint8)
    voxels[1:8, 10:20, 8:16] = 200
    voxels[4, 8:22, 6:18] = 200
    asked = request(image_of(voxels), "z:4:4,6,20,24", reach=(0, 8))
    asked = replace(asked, propagation=Propagation(0, 8, smooth=1.5))
    answer = segment_request(asked, tiny_model)
    areas = {one.mask.slice.index: one.mask.area for one in answer.found}
    assert 80 < areas[4] < 14 * 12
    painted = np.count_nonzero(answer.annotation.labels, axis=(1, 2)).tolist()
    assert painted == [areas[z] for z in range(9)]


def test_overlapping_3d_boxes_share_every_slice_alike(tiny_model: TinyMedSam):
    voxels = np.zeros((16, 48, 48), np.uint8)
    voxels[2:14, 10:34, 8:40] = 200
    asked = request(image_of(voxels), "z:4:8,10,28,33:1", "z:8:20,10,40,33:2", reach=(2, 13))
    asked = replace(asked, propagation=Propagation(2, 13, "box3d"))
    labels = segment_request(asked, tiny_model).annotation.labels
    for number, width in ((1, 20), (2, 12)):
        areas = np.count_nonzero(labels == number, axis=(1, 2))
        assert set(areas[2:14]) == {23 * width}


@pytest.mark.parametrize("mode", ["keyframes", "box3d"])
def test_voxels_of_a_mask_always_have_a_label(tiny_model: TinyMedSam, mode: Mode):
    """An earlier mask of one label, replaced since, must not keep the other one out."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:48, :48]
    for _ in range(3):
        voxels = np.zeros((16, 48, 48), np.uint8)
        for z in range(2, 14):
            top, left = 24 + random.integers(-4, 5, 2)
            h, w = random.integers(6, 14), random.integers(6, 16)
            voxels[z][((y - top) / h) ** 2 + ((x - left) / w) ** 2 < 1] = 200
        texts = ("z:6:8,8,26,40:1", "z:9:20,8,42,40:2")
        asked = request(image_of(voxels), *texts, reach=(1, 14))
        asked = replace(asked, propagation=Propagation(1, 14, mode))
        answer = segment_request(asked, tiny_model)
        for one in answer.found:
            assert answer.annotation.labels[one.mask.slice.index][one.mask.mask].all()


def test_vote_paints_what_two_views_agree_on(tiny_model: TinyMedSam, tmp_path):
    voxels = np.zeros((20, 64, 64), np.uint8)
    voxels[4:12, 20:40, 16:36] = 200
    asked = request(image_of(voxels), "z:7:16,20,35,39:3", reach=(4, 11))
    asked = replace(asked, propagation=Propagation(4, 11, "vote"))
    told: list[int] = []
    result = run_request(asked, tiny_model, tmp_path / "labels.nii.gz", told.append)
    found = result.annotation.labels == 3
    assert 2 * (found & (voxels > 0)).sum() / (found.sum() + (voxels > 0).sum()) > 0.95
    assert told == list(range(1, len(told) + 1))
    assert len(told) <= asked.n_masks


class TestSlicesWithoutImage:
    @pytest.fixture
    def gap(self, blocks: ImageFile) -> ImageFile:
        """The blocks; slice 3 holds no image and is filled with the lowest value."""
        voxels = blocks.volume.voxels.copy()
        voxels[3] = 0
        volume = replace(blocks.volume, voxels=voxels, empty=frozenset({("z", 3)}))
        return replace(blocks, volume=volume)

    def test_a_box_there_is_refused(self, gap: ImageFile) -> None:
        with pytest.raises(ValueError, match="z=3 holds no image"):
            request(gap, "z:3:6,8,18,22")
        with pytest.raises(ValueError, match="z=3 holds no image"):
            request(gap, "z:3:6,8,18,22", reach=(0, 5))

    @pytest.mark.parametrize("mode", ["keyframes", "box3d", "vote"])
    def test_a_propagation_leaves_it_out(self, gap: ImageFile, mode: Mode) -> None:
        asked = request(gap, "z:2:6,8,18,22", reach=(0, 5))
        asked = replace(asked, propagation=Propagation(0, 5, mode=mode))
        answer = segment_request(asked, TinyMedSam())
        painted = np.flatnonzero(answer.annotation.labels.any(axis=(1, 2))).tolist()
        assert painted == [1, 2, 4]
        assert left_out(answer) == [3]
        assert 3 not in {one.mask.slice.index for one in answer.found}

    @pytest.mark.parametrize("mode", ["box3d", "vote"])
    def test_a_3d_box_may_have_its_middle_there(self, gap: ImageFile, mode: Mode) -> None:
        asked = request(gap, "z:2:6,8,18,22", reach=(0, 5))
        moved = replace(asked.prompts.boxes[0], box=asked.prompts.boxes[0].box.moved_to(3))
        asked = replace(
            asked,
            prompts=replace(asked.prompts, boxes=(moved,)),
            propagation=Propagation(0, 5, mode=mode),
        )
        labels = segment_request(asked, TinyMedSam()).annotation.labels
        assert np.flatnonzero(labels.any(axis=(1, 2))).tolist() == [1, 2, 4]
