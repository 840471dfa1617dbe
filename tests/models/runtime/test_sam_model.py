"""The compiled model: copies, encoding ahead, many boxes, cancelling from another thread."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray
from openvino import opset13 as ops

from napari_medsam.input_contract import InputContract
from napari_medsam.models.networks import sam_decoder, tiny_vit
from napari_medsam.models.networks.layers import constant, convolution, to_channels_last
from napari_medsam.models.runtime.device import compile_options
from napari_medsam.models.runtime.sam_model import BOXES_AT_ONCE, Networks, SamModel
from napari_medsam.models.specs.errors import Cancelled
from tests.models.small_networks import SMALL_DECODER, SMALL_ENCODER, RandomWeights

SIDE = SMALL_ENCODER.side
CONTRACT = InputContract(side=SIDE, resize="fit", interpolation="area", prompt_side=float(SIDE))


def images(count: int) -> list[NDArray[np.float32]]:
    random = np.random.default_rng(5)
    return [random.random((3, SIDE, SIDE)).astype(np.float32) for _ in range(count)]


@pytest.fixture
def model(random_weights: RandomWeights) -> SamModel:
    encoder = tiny_vit.build_encoder(random_weights, SMALL_ENCODER)

    def decoder(prompts: Any, masks: Any) -> Any:
        return sam_decoder.build_decoder(random_weights, SMALL_DECODER, prompts, masks)

    return SamModel(Networks(encoder, decoder), CONTRACT, "small:0", threads=1)


def slow_model(n_layers: int = 60) -> SamModel:
    """About a fifth of a second per image: long enough to be cancelled while it runs."""
    image = ops.parameter([1, 3, SIDE, SIDE], np.float32, "image")
    kernel = np.random.default_rng(0).standard_normal((256, 256, 3, 3)) / 48
    x = convolution(image, np.ones((256, 3, 1, 1), np.float32), None)
    shared = constant(kernel)
    for _ in range(n_layers):
        x = ops.relu(ops.convolution(x, shared, [1, 1], [1, 1], [1, 1], [1, 1]))
    encoder = openvino.Model([to_channels_last(x)], [image], "slow")

    def decoder(prompts: Any, masks: Any) -> Any:
        return sam_decoder.build_decoder(RandomWeights(), SMALL_DECODER, prompts, masks)

    return SamModel(Networks(encoder, decoder), CONTRACT, "slow:0", threads=1)


# -- numbers -------------------------------------------------------------------------------------


def test_second_embedding_leaves_the_first_unchanged(model: SamModel) -> None:
    one, two = images(2)
    first = model.encode(one)
    before = first.copy()
    second = model.encode(two)
    np.testing.assert_array_equal(first, before)
    assert not np.shares_memory(first, second)


def test_second_masks_leave_the_first_unchanged(model: SamModel) -> None:
    embedding = model.encode(images(1)[0])
    first = model.decode(embedding, [[1, 2, 20, 20]])
    before = first.logits.copy()
    model.decode(embedding, [[5, 5, 30, 30]])
    np.testing.assert_array_equal(first.logits, before)


def test_many_images_in_turn_equal_one_by_one(model: SamModel) -> None:
    queue = images(4)
    together = list(model.encode_many(iter(queue)))
    assert len(together) == 4
    for image, embedding in zip(queue, together, strict=True):
        np.testing.assert_array_equal(embedding, model.encode(image))


def test_images_are_pulled_at_most_two_ahead(model: SamModel) -> None:
    pulled = []

    def source() -> Iterator[NDArray[np.float32]]:
        for index, image in enumerate(images(6)):
            pulled.append(index)
            yield image

    stream = model.encode_many(source())
    assert pulled == []
    next(stream)
    assert pulled == [0, 1]
    next(stream)
    assert pulled == [0, 1, 2]
    stream.close()


def test_decoding_between_encodes_disturbs_neither(model: SamModel) -> None:
    queue, boxes = images(3), [[2, 2, 25, 25]]
    expected = [model.decode(model.encode(image), boxes).logits for image in queue]
    streamed = [model.decode(embedding, boxes).logits for embedding in model.encode_many(queue)]
    np.testing.assert_array_equal(streamed, expected)


@pytest.mark.parametrize("count", [2, BOXES_AT_ONCE, BOXES_AT_ONCE + 1, 2 * BOXES_AT_ONCE + 3])
def test_many_boxes_in_one_call_equal_one_by_one(model: SamModel, count: int) -> None:
    embedding = model.encode(images(1)[0])
    corners = np.sort(np.random.default_rng(1).uniform(0, SIDE, (count, 2, 2)), axis=1)
    boxes = corners.reshape(count, 4)
    together = model.decode(embedding, boxes)
    for n, box in enumerate(boxes):
        alone = model.decode(embedding, box[None])
        np.testing.assert_allclose(together.logits[n], alone.logits[0], atol=1e-5)
        np.testing.assert_allclose(together.iou[n], alone.iou[0], atol=1e-6)


def test_no_box_gives_no_mask(model: SamModel) -> None:
    decoded = model.decode(model.encode(images(1)[0]), np.zeros((0, 4)))
    assert decoded.logits.shape == (0, 1, 4 * SMALL_DECODER.side, 4 * SMALL_DECODER.side)
    assert decoded.iou.shape == (0, 1)


def test_scores_belong_to_the_masks_given(model: SamModel) -> None:
    embedding = model.encode(images(1)[0])
    every = model.decode(embedding, [[2, 2, 25, 25]], masks="all")
    first = model.decode(embedding, [[2, 2, 25, 25]])
    assert every.logits.shape[1] == every.iou.shape[1] == 4
    np.testing.assert_allclose(first.iou, every.iou[:, :1], atol=1e-6)


def test_several_masks_are_the_last_three_with_their_scores(model: SamModel) -> None:
    embedding, box = model.encode(images(1)[0]), [[2, 2, 25, 25]]
    every, several = (model.decode(embedding, box, masks=m) for m in ("all", "several"))
    assert several.logits.shape[1] == several.iou.shape[1] == 3
    np.testing.assert_allclose(several.logits, every.logits[:, 1:], atol=1e-5)
    np.testing.assert_allclose(several.iou, every.iou[:, 1:], atol=1e-6)


def test_masks_are_those_the_family_was_trained_for(random_weights: RandomWeights) -> None:
    """SAM: one mask for a box, three to choose from for only points."""
    contract = dataclasses.replace(CONTRACT, point_masks="several")
    encoder = tiny_vit.build_encoder(random_weights, SMALL_ENCODER)

    def decoder(prompts: Any, masks: Any) -> Any:
        return sam_decoder.build_decoder(random_weights, SMALL_DECODER, prompts, masks)

    model = SamModel(Networks(encoder, decoder), contract, "small:0", threads=1)
    embedding, point, one = model.encode(images(1)[0]), [[[5, 5]]], [[1]]
    assert model.decode(embedding, [[2, 2, 25, 25]]).logits.shape[1] == 1
    assert model.decode_points(embedding, point, one).logits.shape[1] == 3
    assert model.decode_points(embedding, point, one, boxes=[[2, 2, 9, 9]]).logits.shape[1] == 1


def test_box_as_points_equals_box(model: SamModel) -> None:
    embedding, boxes = model.encode(images(1)[0]), np.array([[2, 3, 25, 20]])
    nothing = np.zeros((1, 0, 2)), np.zeros((1, 0))
    as_points = model.decode_points(embedding, *nothing, boxes=boxes)
    np.testing.assert_allclose(as_points.logits, model.decode(embedding, boxes).logits, atol=1e-5)


def test_embedding_may_be_half_precision_and_in_any_memory_order(model: SamModel) -> None:
    embedding = model.encode(images(1)[0]).astype(np.float16)
    boxes = [[2, 3, 25, 20]]
    expected = model.decode(embedding.astype(np.float32), boxes).logits
    for stored in (embedding, np.ascontiguousarray(embedding)):
        np.testing.assert_array_equal(model.decode(stored, boxes).logits, expected)


def test_identity_tells_precision(random_weights: RandomWeights, model: SamModel) -> None:
    assert model.identity == "small:0:f32:g2"


# -- refusals ------------------------------------------------------------------------------------


def test_wrong_shapes_are_refused(model: SamModel) -> None:
    embedding = model.encode(images(1)[0])
    with pytest.raises(ValueError, match=r"image has shape \(3, 8, 8\), this model takes"):
        model.encode(np.zeros((3, 8, 8), np.float32))
    with pytest.raises(ValueError, match="computed by another model"):
        model.decode(embedding[:5], [[1, 2, 3, 4]])
    with pytest.raises(ValueError, match=r"Boxes have shape \(4,\)"):
        model.decode(embedding, [1, 2, 3, 4])


def test_unknown_device_and_precision_are_refused(model: SamModel) -> None:
    networks = Networks(None, lambda prompts, masks: None)
    with pytest.raises(ValueError, match="no device 'TPU'"):
        SamModel(networks, CONTRACT, "x", device="TPU")
    with pytest.raises(ValueError, match="choose one of f32, bf16, f16"):
        SamModel(networks, CONTRACT, "x", precision="f64")  # type: ignore[arg-type]


# -- cancelling ----------------------------------------------------------------------------------


def cancel_after(model: SamModel, seconds: float) -> threading.Thread:
    thread = threading.Timer(seconds, model.cancel)
    thread.start()
    return thread


@pytest.mark.slow
def test_running_encode_is_cancelled_early_and_the_model_lives_on() -> None:
    model, image = slow_model(), images(1)[0]
    expected = model.encode(image)
    began = time.perf_counter()
    model.encode(image)
    whole = time.perf_counter() - began
    thread = cancel_after(model, whole / 4)
    began = time.perf_counter()
    with pytest.raises(Cancelled):
        model.encode(image)
    assert time.perf_counter() - began < whole
    thread.join()
    np.testing.assert_array_equal(model.encode(image), expected)


def test_cancel_with_nothing_running_has_no_effect(model: SamModel) -> None:
    model.cancel()
    embedding = model.encode(images(1)[0])
    model.cancel()
    assert model.decode(embedding, [[1, 2, 20, 20]]).logits.shape[0] == 1


def test_cancel_while_the_caller_works_stops_the_queue(model: SamModel) -> None:
    stream = model.encode_many(images(3))
    next(stream)
    model.cancel()
    with pytest.raises(Cancelled):
        next(stream)
    assert len(list(model.encode_many(images(2)))) == 2


def test_closing_the_queue_stops_the_image_ahead() -> None:
    model = slow_model()
    stream = model.encode_many(images(3))
    next(stream)
    began = time.perf_counter()
    stream.close()
    assert time.perf_counter() - began < 0.5
    model.encode(images(1)[0])


@pytest.mark.slow
def test_cancel_at_any_moment_either_finishes_or_says_cancelled(model: SamModel) -> None:
    queue = images(4)
    expected = list(model.encode_many(queue))
    boxes = [[1, 2, 20, 20], [4, 4, 9, 9]]
    random = np.random.default_rng(0)
    outcomes = set()
    for delay in random.uniform(0, 0.05, 60):
        thread = cancel_after(model, float(delay))
        try:
            embeddings = list(model.encode_many(queue))
            model.decode(embeddings[0], boxes)
            outcomes.add("finished")
        except Cancelled:
            outcomes.add("cancelled")
        thread.join()
        np.testing.assert_array_equal(model.encode(queue[0]), expected[0])
        assert model.decode(expected[0], boxes).logits.shape[0] == 2
    assert "cancelled" in outcomes


def test_model_with_few_threads_is_bound_to_no_core():
    """Otherwise two workers with one thread each would share a core while another is idle."""
    options = compile_options("f32", 1, "CPU")
    assert options["INFERENCE_NUM_THREADS"] == 1
    assert options["ENABLE_CPU_PINNING"] is False
    assert "ENABLE_CPU_PINNING" not in compile_options("f32", None, "CPU")
