"""Points: mapped into the prompt frame, refused where untrained, refined with an earlier mask."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.point_prompts import (
    SURE,
    as_given,
    box_around,
    mask_logits,
    point_prompt,
    require_points,
)
from napari_medsam.engine.session import Session
from napari_medsam.models.specs import family_contracts
from tests.tiny_model import TinyMedSam, tiny_contract

WHERE = SliceRef("z", 0)
CLICKED = tiny_contract(
    accepts_points=True, accepts_negative_points=True, max_points=9, accepts_mask=True
)


def two_blocks() -> Volume:
    voxels = np.zeros((1, 64, 64), np.uint8)
    voxels[0, 10:20, 10:20] = 200
    voxels[0, 40:50, 30:50] = 200
    return Volume(voxels)


@pytest.fixture
def session() -> Session:
    return Session(two_blocks(), TinyMedSam(CLICKED), window=Window(0, 255))


def test_click_inside_finds_the_object_and_its_box(session: Session) -> None:
    answer = session.segment_points(point_prompt(WHERE, ((35, 45),), shape=(64, 64)))
    assert answer.mask.extent == (30, 40, 49, 49)
    assert answer.mask.prompt.corners == (30, 40, 49, 49)
    assert answer.mask.score == pytest.approx(0.8)  # of the mask with the highest predicted IoU


def test_click_outside_removes_pixels(session: Session) -> None:
    both = ((15, 15), (35, 45))
    assert session.segment_points(point_prompt(WHERE, both, shape=(64, 64))).mask.area == 300
    prompt = point_prompt(WHERE, both, ((12, 12),), shape=(64, 64))
    assert session.segment_points(prompt).mask.area == 200


def test_all_clicks_share_one_embedding(session: Session) -> None:
    for x in (12, 15, 18):
        session.segment_points(point_prompt(WHERE, ((x, 15),), shape=(64, 64)))
    assert session.model.n_encoded == 1


def test_earlier_answer_is_passed_as_logits(session: Session) -> None:
    first = session.segment_points(point_prompt(WHERE, ((15, 15),), shape=(64, 64)))
    session.segment_points(point_prompt(WHERE, ((15, 15), (35, 45)), shape=(64, 64)), first)
    *_rest, mask = session.model.asked_points[-1]
    np.testing.assert_array_equal(mask[0, 0], first.logits)


def test_box_is_passed_with_points(session: Session) -> None:
    box = BoxPrompt(WHERE, 5, 5, 25, 25)
    prompt = point_prompt(WHERE, ((15, 15),), shape=(64, 64), box=box)
    answer = session.segment_points(prompt)
    _points, _labels, boxes, _mask = session.model.asked_points[-1]
    assert boxes.tolist() == [[5, 5, 25, 25]]
    assert answer.mask.prompt == box


@pytest.mark.parametrize(
    ("contract", "inside", "outside", "complaint"),
    [
        pytest.param(family_contracts.LITE, 1, 0, "trained with boxes only", id="box_only"),
        pytest.param(family_contracts.MEDSAM, 1, 0, "trained with boxes only", id="medsam"),
        pytest.param(
            family_contracts.EFFICIENT_SAM,
            1,
            1,
            "only with points inside the object",
            id="no_negatives",
        ),
        pytest.param(
            family_contracts.EFFICIENT_SAM, 7, 0, "at most 6 points.*these are 7", id="six"
        ),
    ],
)
def test_untrained_points_are_refused_in_a_sentence(contract, inside, outside, complaint) -> None:
    points = tuple((float(n), 1.0) for n in range(inside))
    prompt = point_prompt(WHERE, points, ((9.0, 9.0),) * outside, shape=(64, 64))
    with pytest.raises(ValueError, match=complaint):
        require_points(prompt, contract, with_mask=False)


def test_box_counts_as_two_of_six_points() -> None:
    points = tuple((float(n), 1.0) for n in range(5))
    box = BoxPrompt(WHERE, 0, 0, 9, 9)
    with pytest.raises(ValueError, match="these are 7"):
        require_points(
            point_prompt(WHERE, points, shape=(64, 64), box=box),
            family_contracts.EFFICIENT_SAM,
            with_mask=False,
        )


def test_mask_prompt_is_refused_if_untrained() -> None:
    prompt = point_prompt(WHERE, ((1, 1),), shape=(64, 64))
    with pytest.raises(ValueError, match="not trained with an earlier mask"):
        require_points(prompt, family_contracts.EFFICIENT_SAM, with_mask=True)
    for contract in (family_contracts.SAM, family_contracts.SAM_MED2D):
        require_points(prompt, contract, with_mask=True)


def test_points_that_say_nothing_or_miss_the_slice_are_refused() -> None:
    with pytest.raises(ValueError, match="add one inside"):
        point_prompt(WHERE, (), ((1, 1),), shape=(64, 64))
    with pytest.raises(ValueError, match=r"x 64, y 1 lies outside its slice of 64 x 32"):
        point_prompt(WHERE, ((64, 1),), shape=(32, 64))


def test_points_scale_as_boxes_do() -> None:
    """SAM-Med2D stretches, SAM keeps the aspect in a frame of 1024."""
    stretched = Frame.of((100, 200), family_contracts.SAM_MED2D).points([(50, 50)])
    assert stretched.tolist() == [[64, 128]]
    kept = Frame.of((100, 200), family_contracts.SAM).points([(50, 50)])
    assert kept.tolist() == [[256, 256]]


def test_mask_becomes_logits_in_the_picture_s_part_of_the_input() -> None:
    frame = Frame.of((32, 64), tiny_contract(side=64, prompt_side=64))
    mask = np.zeros((32, 64), bool)
    mask[8:16, 16:32] = True
    logits = mask_logits(mask, frame, 32)
    assert logits.shape == (32, 32)
    assert logits[6, 12] == SURE
    assert logits[20:].max() == -SURE  # the padding
    np.testing.assert_array_equal(frame.to_view(logits) > 0, mask)


def test_thin_mask_leaves_a_trace_in_small_logits() -> None:
    mask = np.zeros((512, 512), bool)
    mask[:, 255] = True
    logits = mask_logits(mask, Frame.of((512, 512), family_contracts.SAM_MED2D), 64)
    assert logits.max() > -SURE


def test_sam_med2d_is_given_probabilities() -> None:
    logits = np.array([[-100.0, 0.0, 100.0]], np.float32)
    assert as_given(logits, family_contracts.SAM_MED2D).ravel().tolist() == [
        pytest.approx(0),
        0.5,
        1,
    ]
    np.testing.assert_array_equal(as_given(logits, family_contracts.SAM)[0, 0], logits)


def test_empty_answer_keeps_the_points_as_its_box(session: Session) -> None:
    answer = session.segment_points(point_prompt(WHERE, ((2, 3), (5, 4)), shape=(64, 64)))
    assert answer.mask.is_empty
    assert box_around(point_prompt(WHERE, ((2, 3),), shape=(64, 64)), answer.mask).corners == (
        2,
        3,
        2,
        3,
    )
