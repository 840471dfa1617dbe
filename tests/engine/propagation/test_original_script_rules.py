"""The authors' rules in 3D, family by family, with numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.masks import SliceMask, tight_patch
from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.propagation.original_script_rules import next_box, with_original_range
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.engine.session import Session
from napari_medsam.input_contract import OriginalRules
from napari_medsam.models.specs import family_contracts
from napari_medsam.models.specs.catalogue import spec
from tests.tiny_model import TinyMedSam, tiny_contract

SHAPE = (512, 512)
LITE = OriginalRules()


def seed(first: int, last: int, label: int = 1) -> Seed:
    box = box_prompt(SliceRef("z", 3), (10, 10, 60, 60), SHAPE)
    return Seed(box, first, last, label)


def found(x0: int, y0: int, x1: int, y1: int, shape: tuple[int, int] = SHAPE) -> SliceMask:
    """A filled rectangle, corners included."""
    patch = np.ones((y1 - y0 + 1, x1 - x0 + 1), bool)
    box = box_prompt(SliceRef("z", 3), (x0, y0, x1, y1), shape)
    return SliceMask(SliceRef("z", 3), shape, y0, x0, patch, 0.9, 0.9, box)


EMPTY = SliceMask(SliceRef("z", 3), SHAPE, 0, 0, np.zeros((0, 0), bool), 0, 0, seed(3, 3).box)


@pytest.mark.parametrize(
    ("name", "want"),
    [
        pytest.param("litemedsam", [50 - 3, 60 - 3, 100 + 3, 105 + 3], id="resized_and_3"),
        pytest.param("repmedsam", [50 - 3, 60 - 3, 100 + 3, 105 + 3], id="as_litemedsam"),
        pytest.param("daft-3d", [50 - 3, 60 - 3, 100 + 3, 105 + 3], id="as_litemedsam_too"),
        pytest.param("medficientsam-l1", [100, 120, 201, 211], id="own_size_no_margin"),
        pytest.param(
            "hawken50-litemedsam",
            [100 / 512, 120 / 512, 201 / 512, 211 / 512],
            id="in_units_of_the_long_side",
        ),
    ],
)
def test_next_box_of_each_family(name: str, want: list[float]) -> None:
    contract = spec(name).contract
    assert contract.original_3d is not None
    frame = Frame.of(SHAPE, contract)
    got = next_box(found(100, 120, 201, 211), seed(3, 9), frame, contract.original_3d, "CT")
    np.testing.assert_allclose(got, [want], rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("litemedsam", 9),
        ("repmedsam", 9),
        ("daft-3d", 8),
        ("medficientsam-l0", 8),
        ("hawken50-litemedsam", 8),
    ],
)
def test_last_slice_is_left_out_as_in_the_script(name: str, last: int) -> None:
    rules = spec(name).contract.original_3d
    assert rules is not None
    assert with_original_range(seed(3, 9), rules).last == last
    assert with_original_range(seed(3, 3), rules).last == 3  # the slice of the box is always there


def test_hawken50_follows_ct_and_mr_with_seven_pixels_and_no_other() -> None:
    contract = family_contracts.HAWKEN50_ONNX
    rules, frame = contract.original_3d, Frame.of(SHAPE, contract)
    assert rules is not None
    mask = found(100, 120, 201, 211)
    assert next_box(mask, seed(3, 9), frame, rules, "MR").tolist() == [[43, 53, 107, 112]]
    assert next_box(mask, seed(3, 9), frame, rules, "PET").tolist() == [[5, 5, 30, 30]]
    assert rules.voted == ("PET",)


def test_margin_stops_at_the_edge_of_the_frame() -> None:
    frame = Frame.of(SHAPE, family_contracts.LITE)
    got = next_box(found(0, 2, 511, 509), seed(3, 9), frame, LITE, "")
    assert got.tolist() == [[0, 0, 256, 256]]


def test_empty_mask_falls_back_to_the_given_box() -> None:
    frame = Frame.of(SHAPE, tiny_contract(side=256, prompt_side=256))
    for rules in (LITE, OriginalRules(next_box="mask")):
        assert next_box(EMPTY, seed(3, 9), frame, rules, "").tolist() == [[5, 5, 30, 30]]


def test_thin_mask_of_a_small_label_vanishes() -> None:
    """One pixel of 1024 is a sixteenth of a cell: label 1 rounds to 0, label 9 to 1."""
    shape = (1024, 1024)
    mask = np.zeros(shape, bool)
    mask[500, 500] = True
    y0, x0, patch = tight_patch(mask)
    box = box_prompt(SliceRef("z", 3), (400, 400, 600, 600), shape)
    one = SliceMask(SliceRef("z", 3), shape, y0, x0, patch, 0.9, 0.9, box)
    frame = Frame.of(shape, tiny_contract(side=256, prompt_side=256))
    for label, want in ((1, [100, 100, 150, 150]), (9, [122, 122, 128, 128])):
        assert next_box(one, Seed(box, 3, 9, label), frame, LITE, "").tolist() == [want]


def test_family_without_rules_for_volumes_uses_ours() -> None:
    """Our rules stop where the object ends; the originals never do."""
    voxels = np.zeros((9, 64, 64), np.uint8)
    voxels[3:6, 20:40, 20:40] = 200
    box = box_prompt(SliceRef("z", 4), (18, 18, 42, 42), (64, 64))
    visited = {}
    for name, rules in (("ours", None), ("original", LITE)):
        model = TinyMedSam(tiny_contract(original_3d=rules))
        session = Session(Volume(voxels), model, window=Window(0, 255), compat=True)
        visited[name] = {m.slice.index for _, m in session.propagate([Seed(box, 0, 8)])}
    assert visited["original"] == set(range(9))
    assert visited["ours"] == set(range(2, 7))
