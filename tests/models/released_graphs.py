"""Small graphs with the inputs and outputs of each release; random, but they find a disc.

Channel 0 of an embedding is the picture's brightness, the other 255 are random. A decoder returns
the pixels in the box above a threshold, so a wrong frame or normalization fails.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

onnx = pytest.importorskip("onnx", reason="needs the onnx package (extra 'test')")
helper, numpy_helper, TensorProto = onnx.helper, onnx.numpy_helper, onnx.TensorProto

RANDOM = np.random.default_rng(0)
KINDS = {"f32": TensorProto.FLOAT, "u8": TensorProto.UINT8, "i16": TensorProto.INT16}
KINDS |= {"i64": TensorProto.INT64}


class Graph:
    """An ONNX graph, built operation by operation."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.outputs: list[Any] = []
        self.initializers: list[Any] = []

    def take(self, name: str, shape: list[Any], kind: str = "f32") -> str:
        self.inputs.append(helper.make_tensor_value_info(name, KINDS[kind], shape))
        return name

    def give(self, value: str, name: str, shape: list[Any]) -> None:
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def constant(self, array: Any, kind: Any = np.float32) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array, kind), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def do(self, operation: str, *inputs: str, **attributes: Any) -> str:
        name = f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], **attributes))
        return name

    def model(self) -> Any:
        graph = helper.make_graph(
            self.nodes, "released", self.inputs, self.outputs, self.initializers
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def save(self, path: Path, *, nameless: bool = False) -> Path:
        """Save as ONNX, or as OpenVINO's IR, then optionally without names."""
        if path.suffix == ".onnx":
            onnx.save(self.model(), path)
            return path
        graph = openvino.Core().read_model(self.model().SerializeToString())
        if nameless:
            for port in (*graph.inputs, *graph.outputs):
                port.get_tensor().set_names(set())
        openvino.save_model(graph, path)
        return path


def encoder(
    layout: str, side: int, *, map_side: int = 64, fixed: bool = True, channels: int = 256
) -> Graph:
    """Pixels to an embedding; the picture is reduced to ``map_side`` by averaging."""
    graph = Graph()
    sides: list[Any] = [side, side] if fixed else ["H", "W"]
    if layout == "nchw":
        x = graph.take("image", [1, 3, *sides])
    else:
        kind = "u8" if layout == "uint8" else "f32"
        x = graph.take("image", [*sides, 3], kind)
        if layout == "uint8":
            graph.take("original_size", [2], "i16")
            x = graph.do("Cast", x, to=TensorProto.FLOAT)
            x = graph.do("Div", x, graph.do("ReduceMax", x, keepdims=0))
        x = graph.do("Unsqueeze", graph.do("Transpose", x, perm=[2, 0, 1]), graph.ints(0))
    x = graph.do("Resize", x, "", "", graph.ints(1, 3, map_side, map_side), mode="linear")
    weight = RANDOM.standard_normal((channels, 3, 1, 1)) / 3
    weight[0] = 1 / 3
    x = graph.do("Conv", x, graph.constant(weight))
    graph.give(x, "image_embeddings", [1, channels, map_side, map_side])
    return graph


def _bright_in_box(
    graph: Graph, embedding: str, low: str, high: str, frame: float, threshold: float, side: int
) -> str:
    """(1, 1, side, side) logits: above `threshold` and between `low` and `high` (1, 2) x, y."""
    at = (np.arange(side) + 0.5) / side * frame
    inside = []
    for axis, shape in ((0, (1, 1, 1, side)), (1, (1, 1, side, 1))):
        grid = graph.constant(at.reshape(shape))
        place = graph.constant([axis], np.int64)
        for bound, operation in ((low, "Greater"), (high, "Less")):
            one = graph.do("Reshape", graph.do("Gather", bound, place, axis=1), graph.ints(1))
            inside.append(graph.do("Cast", graph.do(operation, grid, one), to=TensorProto.FLOAT))
    both = graph.do("Mul", graph.do("Mul", *inside[:2]), graph.do("Mul", *inside[2:]))
    bright = graph.do("Slice", embedding, graph.ints(0), graph.ints(1), graph.ints(1))
    bright = graph.do("Resize", bright, "", "", graph.ints(1, 1, side, side), mode="linear")
    bright = graph.do("Mul", graph.do("Sub", bright, graph.constant([threshold])), both)
    outside = graph.do("Sub", both, graph.constant([1.0]))
    return graph.do("Mul", graph.do("Add", bright, outside), graph.constant([8.0]))


def unit_box_decoder(side: int, *, map_side: int = 64, threshold: float = 0.5) -> Graph:
    """MedficientSAM and hawken50: one box in units of the long side, no score."""
    graph = Graph()
    embedding = graph.take("image_embeddings", [1, 256, map_side, map_side])
    box = graph.do("Reshape", graph.take("boxes", [4]), graph.ints(2, 2))
    low = graph.do("Slice", box, graph.ints(0), graph.ints(1), graph.ints(0))
    high = graph.do("Slice", box, graph.ints(1), graph.ints(2), graph.ints(0))
    logits = _bright_in_box(graph, embedding, low, high, 1.0, threshold, side)
    graph.give(logits, "masks", [1, 1, side, side])
    return graph


def point_decoder(
    *,
    map_side: int = 64,
    frame: float = 1024.0,
    threshold: float = 0.5,
    n_masks: int = 4,
    rank: int = 3,
    with_mask: bool = False,
    with_size: bool = True,
    n_points: Any = "N",
) -> Graph:
    """SAM's export and similar ones: labelled points, optionally an earlier mask and a size."""
    graph = Graph()
    embedding = graph.take("image_embeddings", [1, 256, map_side, map_side])
    queries = [1] * (rank - 3)
    points = graph.take("point_coords", [1, *queries, n_points, 2])
    labels = graph.take("point_labels", [1, *queries, n_points])
    points = graph.do("Reshape", points, graph.ints(1, -1, 2))
    labels = graph.do("Reshape", labels, graph.ints(1, -1, 1))
    # Padding (label -1) has no effect.
    padding = graph.do("Less", labels, graph.constant([0.0]))
    low = graph.do("Where", padding, graph.constant([1e6]), points)
    high = graph.do("Where", padding, graph.constant([-1e6]), points)
    low = graph.do("ReduceMin", low, axes=[1], keepdims=0)
    high = graph.do("ReduceMax", high, axes=[1], keepdims=0)
    side = 4 * map_side
    logits = _bright_in_box(graph, embedding, low, high, frame, threshold, side)
    if with_mask:
        mask = graph.take("mask_input", [1, 1, side, side])
        has = graph.take("has_mask_input", [1])
        logits = graph.do("Add", logits, graph.do("Mul", mask, has))
    several = [graph.do("Sub", logits, graph.constant([0.1 * k])) for k in range(n_masks)]
    small = graph.do("Concat", *several, axis=1)
    iou = graph.constant(np.linspace(0.5, 0.9, n_masks).reshape([1, *queries, n_masks]))
    shape: list[Any] = [1, *queries, n_masks]
    if with_size:
        kind = "i64" if rank == 4 or not with_mask else "f32"
        size = graph.take("orig_im_size", [2], kind)
        size = graph.do("Cast", size, to=TensorProto.INT64)
        sizes = graph.do("Concat", graph.ints(1, n_masks), size, axis=0)
        large = graph.do("Resize", small, "", "", sizes, mode="linear")
        if rank == 4:
            large = graph.do("Unsqueeze", large, graph.ints(1))
        graph.give(large, "masks", [*shape, "H", "W"])
        graph.give(iou, "iou_predictions", shape)
        if rank == 4:
            small = graph.do("Unsqueeze", small, graph.ints(1))
        graph.give(small, "low_res_masks", [*shape, side, side])
    else:
        graph.give(small, "masks", [*shape, side, side])
        graph.give(iou, "iou_predictions", shape)
    return graph


def daft_prompt_encoder() -> Graph:
    """A box, plus half a pixel, to tokens that are its corners, and a zero dense embedding."""
    graph = Graph()
    boxes = graph.take("boxes", [1, 1, 1, 4])
    corners = graph.do("Reshape", boxes, graph.ints(1, 2, 2))
    padding = graph.constant(np.zeros((1, 2, 254)))
    graph.give(graph.do("Concat", corners, padding, axis=2), "sparse_embeddings", [1, 2, 256])
    graph.give(graph.constant(np.zeros((1, 256, 64, 64))), "dense_embeddings", [1, 256, 64, 64])
    return graph


def daft_decoder() -> Graph:
    graph = Graph()
    embedding = graph.take("image_embeddings", [1, 256, 64, 64])
    code = graph.take("image_pe", [1, 256, 64, 64])
    sparse = graph.take("sparse_prompt_embeddings", [1, 2, 256])
    dense = graph.take("dense_prompt_embeddings", [1, 256, 64, 64])
    embedding = graph.do("Add", embedding, graph.do("Add", dense, graph.do("Sub", code, code)))
    corners = graph.do("Slice", sparse, graph.ints(0), graph.ints(2), graph.ints(2))
    low = graph.do("Reshape", graph.do("Slice", corners, *_cut(graph, 0)), graph.ints(1, 2))
    high = graph.do("Reshape", graph.do("Slice", corners, *_cut(graph, 1)), graph.ints(1, 2))
    logits = _bright_in_box(graph, embedding, low, high, 256.0, 0.5, 256)
    graph.give(logits, "low_res_masks", [1, 1, 256, 256])
    graph.give(graph.constant([[0.9]]), "iou_predictions", [1, 1])
    return graph


def _cut(graph: Graph, index: int) -> tuple[str, str, str]:
    return graph.ints(index), graph.ints(index + 1), graph.ints(1)


def position_code() -> NDArray[np.float32]:
    return RANDOM.standard_normal((1, 256, 64, 64)).astype(np.float32)
