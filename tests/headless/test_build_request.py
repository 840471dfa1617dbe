"""Requests from prompts as the user wrote them: what is refused, and by which name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from napari_medsam.cli.errors import OPTIONS
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.volume import Volume
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.headless.build_request import (
    Part,
    RequestedPrompt,
    RequestError,
    RequestOptions,
    build_request,
)
from napari_medsam.headless.prompt_text import parse_box, parse_point, parse_slice
from napari_medsam.headless.request import Propagation
from napari_medsam.input_contract import OriginalRules
from tests.tiny_model import TinyMedSam

BOX = parse_box("z:2:5,8,18,22:block")
START = parse_slice("z:2:block")


@pytest.fixture
def pet() -> ImageFile:
    """6 slices of 32 x 32, called as the challenge calls a PET volume."""
    geometry = Geometry((6, 32, 32), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    path = Path("3DBox_PET_0001.nii.gz")
    volume = Volume(np.zeros((6, 32, 32), np.uint8), (1.0, 1.0, 1.0))
    return ImageFile(volume, SourceGrid("nifti", path, geometry), path.name)


@pytest.fixture
def before() -> LabelFile:
    """Label 3, "block", on slices 1 to 4; label 1, which has no name, on slice 0."""
    labels = np.zeros((6, 32, 32), np.uint8)
    labels[1:5, 10:20, 8:16] = 3
    labels[0, :5, :5] = 1
    return LabelFile(labels, (Label.default(3, "block"),))


def test_every_part_of_a_request_has_an_option():
    assert set(OPTIONS) == set(get_args(Part))


@pytest.mark.parametrize(
    ("prompt", "options", "part", "sentence"),
    [
        (parse_box("z:6:1,1,2,2"), RequestOptions(), "box", "slices 0 to 5"),
        (parse_point("z:2:99,1"), RequestOptions(), "points", "outside its slice"),
        (parse_point("z:2:9,9"), RequestOptions(), "points", "boxes only"),
        (START, RequestOptions(), "fixed mask", "existing labels"),
        (BOX, RequestOptions("bright"), "window", "no window preset"),
        (BOX, RequestOptions(propagation=Propagation(3, 5)), "range", "range 3 to 5"),
    ],
)
def test_wrong_part_is_named(
    pet: ImageFile,
    tiny_model: TinyMedSam,
    prompt: RequestedPrompt,
    options: RequestOptions,
    part: Part,
    sentence: str,
):
    with pytest.raises(RequestError, match=sentence) as error:
        build_request(pet, [prompt], replace(options, contract=tiny_model.contract))
    assert error.value.part == part


def test_fixed_mask_without_a_range_is_refused(pet: ImageFile, before: LabelFile):
    with pytest.raises(RequestError, match="add a range"):
        build_request(pet, [START], RequestOptions(labels_before=before))


def test_range_beyond_the_image_is_refused_also_with_a_fixed_mask(
    pet: ImageFile, before: LabelFile
):
    options = RequestOptions(labels_before=before, propagation=Propagation(0, 99))
    with pytest.raises(RequestError, match="z=99 does not exist") as error:
        build_request(pet, [START], options)
    assert error.value.part == "range"


def test_label_of_a_fixed_mask_is_removed_from_the_other_slices_of_the_range(
    pet: ImageFile, before: LabelFile
):
    there = before.labels.copy()
    options = RequestOptions(labels_before=before, propagation=Propagation(2, 3))
    request = build_request(pet, [START, parse_box("z:3:1,1,9,9:new")], options)
    assert request.labels_before is not None
    assert [label.number for label in request.labels] == [2, 3]
    assert [label.number for label in request.labels_before.table] == [1, 3]
    assert [fixed.placed.box_id for fixed in request.prompts.fixed_masks] == [2]
    np.testing.assert_array_equal(before.labels, there)
    there[3][there[3] == 3] = 0
    np.testing.assert_array_equal(request.labels_before.labels, there)


@pytest.mark.parametrize(
    ("compat", "span", "voted", "mode"),
    [
        (True, Propagation(1, 4), ("PET",), "vote"),
        (True, Propagation(1, 4, "box3d"), ("PET",), "vote"),
        (True, Propagation(1, 4), ("CT",), "keyframes"),
        (False, Propagation(1, 4), ("PET",), "keyframes"),
        (True, None, ("PET",), None),
    ],
)
def test_compat_votes_where_the_authors_do(
    pet: ImageFile,
    tiny_model: TinyMedSam,
    compat: bool,
    span: Propagation | None,
    voted: tuple[str, ...],
    mode: str | None,
):
    contract = replace(tiny_model.contract, original_3d=OriginalRules(voted=voted))
    options = RequestOptions(propagation=span, compat=compat, contract=contract)
    assert build_request(pet, [BOX], options).mode == mode
