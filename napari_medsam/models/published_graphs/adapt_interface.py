"""Adapt released encoder and decoder graphs to the one interface that `SamModel` runs.

The authors of each family exported their networks with different inputs and outputs: channels
first or last, boxes in pixels or in units of the long side, prompt encoder included or separate.
This module adds a few operations before and after a released graph, so that every encoder takes
``image`` (1, 3, side, side), prepared as the contract says, and every decoder takes the inputs of
`sam_decoder.build_decoder`. The operations in between are the released ones, unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from openvino import Model
from openvino import opset13 as ops

from napari_medsam.input_contract import InputContract, Masks
from napari_medsam.models.networks.layers import Node, constant, integers, reshape, transpose
from napari_medsam.models.networks.sam_decoder import N_MASKS, TOKENS, Prompts
from napari_medsam.models.published_graphs.graph_files import error_summary, read_graph, signature
from napari_medsam.models.published_graphs.signatures import (
    CHANNELS,
    DecoderForm,
    EncoderForm,
    Kind,
    ReleasedSignature,
    decoder_form,
    encoder_form,
)
from napari_medsam.models.runtime.sam_model import Networks
from napari_medsam.models.specs.errors import CheckpointError, GraphError

# -- building ------------------------------------------------------------------------------------


def build_networks_from_graphs(released: ReleasedSignature, contract: InputContract) -> Networks:
    """Read the files of a released model, all at once, and build its networks.

    Raises
    ------
    GraphError
        A graph cannot be run with the inputs of its form.
    CheckpointError
        A file cannot be read, or has another form than when it was imported.
    """
    encoder_graph, decoder_graph = read_graph(released.encoder), read_graph(released.decoder)
    encoder = encoder_form(signature(encoder_graph))
    decoder = decoder_form(signature(decoder_graph))
    if encoder is None or decoder is None:
        raise CheckpointError(
            f"The files in {released.encoder.parent} are not the imported ones; import the model"
            " again."
        )
    parts = decoder_parts(released, decoder_graph, decoder)
    with running(released.encoder):
        encoder_graph = build_encoder(released.encoder.name, encoder_graph, encoder, contract)
        map_side = int(encoder_graph.output(0).shape[1])

    def build(prompts: Prompts, masks: Masks) -> Any:
        with running(released.decoder):
            return build_decoder(parts, decoder, prompts, masks, contract, map_side)

    kinds: dict[Kind, tuple[Prompts, ...]] = {
        "points": ("boxes", "points"),
        "points_mask": ("boxes", "points", "points+mask"),
    }
    return Networks(encoder_graph, build, kinds.get(decoder.kind, ("boxes",)), at_once=1)


@contextmanager
def running(path: Path) -> Iterator[None]:
    """Report an error of OpenVINO, when it builds, compiles or runs a graph, as `GraphError`."""
    try:
        yield
    except RuntimeError as error:
        raise GraphError(f"{path.name} cannot be run: {error_summary(error)}") from error


def build_encoder(name: str, graph: Model, form: EncoderForm, contract: InputContract) -> Model:
    """``image`` (1, 3, side, side) to ``embedding`` (1, h, w, C); `name` is for messages."""
    side = contract.side
    if form.side not in (0, side):
        raise GraphError(f"{name} takes {form.side} x {form.side} pixels, not {side}.")
    image = ops.parameter([1, 3, side, side], np.float32, "image")
    pixels = image
    if form.layout == "raw_hwc":
        pixels = _denormalized(image, contract)
    if form.layout == "uint8":
        # The graph itself scales again from its min and max. Here these are 0 and 255, so only the
        # rounding to 256 levels changes anything.
        levels = ops.round(
            ops.multiply(ops.clamp(image, 0.0, 1.0), constant(255.0)), "half_to_even"
        )
        pixels = ops.convert(levels, "u8")
    if form.layout != "nchw":
        pixels = reshape(transpose(pixels, 0, 2, 3, 1), side, side, 3)
    _feed(graph.inputs[form.inputs[0]], pixels)
    for place in form.inputs[1:]:
        size = graph.inputs[place]
        _feed(size, _constant_like(size, np.array([side, side])))
    embedding = transpose(_source(graph.outputs[form.output]), 0, 2, 3, 1)
    embedding.set_friendly_name("embedding")
    return Model([embedding], [image], "released_encoder")


class DecoderParts(NamedTuple):
    """The graphs for decoders, in memory: the files may be gone or changed when one is built."""

    decoder: Model
    apart: tuple[Model, NDArray[np.float32]] | None = None
    """DAFT's separate graph that embeds boxes, and its position code (1, 256, h, w)."""


def decoder_parts(released: ReleasedSignature, decoder: Model, form: DecoderForm) -> DecoderParts:
    """The decoder with the other files it needs, which are read here."""
    if form.kind != "apart":
        return DecoderParts(decoder)
    if released.prompt_encoder is None or released.positional_encoding is None:
        raise GraphError("DAFT's decoder needs its prompt_encoder and positional_encoding.npy.")
    code = read_position_code(released.positional_encoding)
    return DecoderParts(decoder, (read_graph(released.prompt_encoder), code))


def build_decoder(
    parts: DecoderParts,
    form: DecoderForm,
    prompts: Prompts,
    masks: Masks,
    contract: InputContract,
    map_side: int,
) -> Model:
    """``embedding`` and one prompt to ``logits`` (1, K, L, L) and ``iou`` (1, K)."""
    graph = parts.decoder.clone()
    embedding = ops.parameter([1, map_side, map_side, CHANNELS], np.float32, "embedding")
    nodes: list[Any]  # the node for each input, in the order of `form.inputs`
    if form.kind == "unit_box":
        boxes = ops.parameter([1, 4], np.float32, "boxes")
        is_row = graph.inputs[form.inputs[1]].get_partial_shape().rank.get_length() == 1
        parameters, nodes = [boxes], [reshape(boxes, 4) if is_row else boxes]
    elif parts.apart is not None:
        parameters, nodes = _separate_prompt_encoder(*parts.apart)
    else:
        ports = [graph.inputs[place] for place in form.inputs[1:]]
        parameters, nodes = _as_points(ports, form, prompts, contract, map_side)
    nodes = [transpose(embedding, 0, 3, 1, 2), *nodes]
    for place, node in zip(form.inputs, nodes, strict=True):
        _feed(graph.inputs[place], node)
    outputs = [_source(port) for port in graph.outputs]
    # This model lets OpenVINO derive the outputs' sizes from those of the new inputs.
    Model(outputs, [embedding, *parameters], "joined")
    logits, iou = _masks_and_scores(outputs, form, masks)
    logits.set_friendly_name("logits")
    iou.set_friendly_name("iou")
    return Model([logits, iou], [embedding, *parameters], "released_decoder")


def _separate_prompt_encoder(
    prompt_encoder: Model, position_code: NDArray[np.float32]
) -> tuple[list[Any], list[Any]]:
    """DAFT: the position code comes from a file, the two box embeddings from a separate graph."""
    before = prompt_encoder.clone()
    boxes = ops.parameter([1, 4], np.float32, "boxes")
    _feed(before.inputs[0], reshape(boxes, 1, 1, 1, 4))
    ranked = sorted(before.outputs, key=lambda port: port.get_partial_shape().rank.get_length())
    sparse, dense = (_source(port) for port in ranked)
    return [boxes], [constant(position_code), sparse, dense]


def read_position_code(path: Path) -> NDArray[np.float32]:
    """DAFT's ``positional_encoding.npy``, (1, 256, h, w) float32.

    Raises
    ------
    GraphError
        It is not such an array.
    """
    try:
        code = np.load(path, allow_pickle=False)
    except ValueError as error:
        raise GraphError(f"{path.name} is not a plain numpy array; it is refused.") from error
    if code.dtype != np.float32 or code.ndim != 4 or code.shape[:2] != (1, CHANNELS):
        raise GraphError(
            f"{path.name} holds {code.dtype} {code.shape}, not (1, 256, h, w) float32."
        )
    return code


def _as_points(
    ports: list[Any],
    form: DecoderForm,
    prompts: Prompts,
    contract: InputContract,
    map_side: int,
) -> tuple[list[Any], list[Any]]:
    """Points and labels, and a mask and the slice's size if the graph takes them."""
    if prompts == "boxes":
        boxes = ops.parameter([1, 4], np.float32, "boxes")
        parameters, points = [boxes], reshape(boxes, 1, 2, 2)
        labels: Node = ops.constant(np.array([[2, 3]], np.int32))
    else:
        points = ops.parameter([1, -1, 2], np.float32, "points")
        labels = ops.parameter([1, -1], np.int32, "labels")
        parameters = [points, labels]
    if form.point_rank == 4:  # EfficientSAM: padding is at (-1, -1)
        missing = ops.unsqueeze(ops.less(labels, ops.constant(np.int32(0))), integers(-1))
        points = ops.select(missing, constant(-1.0), points)
    points, labels = _padded(ports[0], points, labels)
    if form.point_rank == 4:
        points, labels = (ops.unsqueeze(node, integers(1)) for node in (points, labels))
    nodes: list[Any] = [ops.convert(points, _kind(ports[0])), ops.convert(labels, _kind(ports[1]))]
    if form.kind == "points_mask":
        shape = [1, 1, 4 * map_side, 4 * map_side]
        has_mask = prompts == "points+mask"
        if has_mask:
            mask = ops.parameter(shape, np.float32, "mask")
            parameters.append(mask)
            nodes.append(mask)
        else:
            nodes.append(ops.constant(np.zeros(shape, np.float32)))
        nodes.append(_constant_like(ports[3], np.array([has_mask])))
    if form.with_size:
        nodes.append(_constant_like(ports[-1], np.array([contract.prompt_side] * 2)))
    return parameters, nodes


def _padded(port: Any, points: Node, labels: Node) -> tuple[Node, Node]:
    """Points and labels, padded with label -1 if the graph takes a fixed number of points."""
    count = port.get_partial_shape()[-2]
    if count.is_dynamic:
        return points, labels
    n_points = count.get_length()
    more_points = ops.constant(np.full((1, n_points, 2), -1, np.float32))
    more_labels = ops.constant(np.full((1, n_points), -1, np.int32))
    cut = integers(0), integers(n_points), integers(1), integers(1)
    return (
        ops.slice(ops.concat([points, more_points], 1), *cut),
        ops.slice(ops.concat([labels, more_labels], 1), *cut),
    )


def _masks_and_scores(outputs: list[Any], form: DecoderForm, masks: Masks) -> tuple[Node, Node]:
    """The decoder's smallest masks (1, K, L, L), which cover the whole input, and their scores."""
    maps = [output for output in outputs if _is_square_map(output.get_partial_shape())]
    if not maps:
        raise GraphError("The decoder returns no square masks of a known size.")
    chosen = min(maps, key=_side)
    side = _side(chosen)
    n_masks = int(chosen.get_partial_shape()[-3].get_length())
    logits = reshape(chosen, 1, n_masks, side, side)
    scores = [o for o in outputs if o.get_partial_shape().rank.get_length() in (2, 3)]
    scores = [o for o in scores if o.get_partial_shape()[-1] == n_masks]
    # Exports that select one of several masks return the score of another one (models of hawken50,
    # `sam_onnx.py: select_masks`), so that score is not used.
    is_mixed = form.kind == "points" and form.with_size and n_masks == 1
    is_scored = bool(scores) and not is_mixed
    iou = reshape(scores[0], 1, n_masks) if is_scored else stability(logits)
    if n_masks == N_MASKS:
        chosen_tokens = TOKENS[masks]
        cut = integers(chosen_tokens.start), integers(chosen_tokens.stop), integers(1), integers(1)
        logits, iou = ops.slice(logits, *cut), ops.slice(iou, *cut)
    return logits, iou


def stability(logits: Node) -> Node:
    """Stability score: area above 1 divided by area above -1, (N, K); used without predicted IoU.

    Kirillov et al., Segment Anything, 2023, section 5 and appendix B.
    """
    inner, outer = (
        ops.reduce_sum(ops.convert(ops.greater(logits, constant(level)), "f32"), integers(2, 3))
        for level in (1.0, -1.0)
    )
    return ops.divide(inner, ops.maximum(outer, constant(1.0)))


# -- parts ---------------------------------------------------------------------------------------


def _denormalized(image: Node, contract: InputContract) -> Node:
    """Undo the normalization, to 0..255, for graphs that normalize; padding becomes the mean."""
    if contract.mean is None or contract.std is None:
        return ops.multiply(image, constant(255.0))
    # With "bgr" the colours are reversed but the statistics are not
    # (engine/inference/preprocess.py).
    mean, std = (np.array(values).reshape(1, 3, 1, 1) for values in (contract.mean, contract.std))
    return ops.add(ops.multiply(image, constant(std)), constant(mean))


def _feed(port: Any, node: Node) -> None:
    """Connect all consumers of the graph's input `port` to `node` instead."""
    source = node if not hasattr(node, "output") else node.output(0)
    for reader in list(port.get_node().output(0).get_target_inputs()):
        reader.replace_source_output(source)


def _source(port: Any) -> Any:
    """The node output that is connected to a graph's output `port`."""
    return port.get_node().input(0).get_source_output()


def _kind(port: Any) -> str:
    """OpenVINO's name of the element type of a port, such as "f32"."""
    return str(port.get_element_type().get_type_name())


def _constant_like(port: Any, values: NDArray[Any]) -> Node:
    """A constant with the element type of `port`."""
    return ops.constant(values.astype(port.get_element_type().to_dtype()))


def _is_square_map(shape: Any) -> bool:
    """Whether a shape is (..., K, L, L) with at least four axes and known K and L."""
    if shape.rank.is_dynamic or shape.rank.get_length() < 4:
        return False
    return all(shape[-axis].is_static for axis in (1, 2, 3)) and shape[-1] == shape[-2]


def _side(output: Any) -> int:
    """Length of the last axis."""
    return int(output.get_partial_shape()[-1].get_length())
