"""EfficientViT-SAM image encoders (L0, L1, L2): DAFT and MedficientSAM.

Zhang, Cai and Han, EfficientViT-SAM: Accelerated Segment Anything Model Without Accuracy Loss,
CVPR workshops 2024, https://arxiv.org/abs/2402.05008; layout as in mit-han-lab/efficientvit
``efficientvit/{backbone,sam}.py``. Every norm has epsilon 1e-6 (``create_sam_model`` sets it) and
every activation is GELU's tanh approximation.

A checkpoint's size (L0, L1, L2) is known from its keys; the side of the input is not in the file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from openvino import Model
from openvino import opset13 as ops

from napari_medsam.models.networks.layers import (
    Node,
    channel_norm,
    constant,
    convolution,
    gelu_tanh,
    integers,
    read_batch_norm,
    reshape,
    split,
)
from napari_medsam.models.networks.state_dict_reader import Scope, Weights

NORM_EPS = 1e-6
HEAD_DIM = 32
ATTENTION_EPS = 1e-15  # of the linear attention's denominator


@dataclass(frozen=True)
class EfficientViT:
    """Sizes of one variant; `depths` are the numbers of blocks after the first of each stage."""

    side: int
    depths: tuple[int, ...]
    neck_depth: int
    widths: tuple[int, ...] = (32, 64, 128, 256, 512)
    neck: int = 256
    embedding_side: int = 64


def l0(side: int) -> EfficientViT:
    """EfficientViT-SAM L0 for images of `side` pixels."""
    return EfficientViT(side, depths=(1, 1, 1, 4, 4), neck_depth=4)


def l1(side: int) -> EfficientViT:
    """EfficientViT-SAM L1 for images of `side` pixels."""
    return EfficientViT(side, depths=(1, 1, 1, 6, 6), neck_depth=8)


def l2(side: int) -> EfficientViT:
    """EfficientViT-SAM L2 for images of `side` pixels."""
    return EfficientViT(side, depths=(1, 2, 2, 8, 8), neck_depth=12)


def build_encoder(weights: Weights, net: EfficientViT) -> Model:
    """Build the encoder: ``image`` (1, 3, side, side) to ``embedding`` (1, h, w, neck)."""
    root = Scope(weights, "image_encoder")
    image = ops.parameter([1, 3, net.side, net.side], np.float32, "image")
    maps = _backbone(image, root / "backbone" / "stages", net)
    x = _neck(maps, root / "neck", net)
    embedding = channel_norm(x, root / "norm", net.embedding_side, net.neck)
    embedding = reshape(embedding, 1, net.embedding_side, net.embedding_side, net.neck)
    embedding.set_friendly_name("embedding")
    return Model([embedding], [image], "efficient_vit")


def _backbone(image: Node, stages: Scope, net: EfficientViT) -> list[Node]:
    """The outputs of the five stages, (1, C, R, R), each with half the side of the previous one."""
    n_in = net.widths[0]
    ops_of = stages / 0 / "op_list"
    x = gelu_tanh(_conv(image, ops_of / 0, 3, n_in, 3, stride=2))
    for index in range(net.depths[0]):
        x = ops.add(x, _res_block(x, ops_of / (1 + index) / "main", n_in))
    maps = [x]
    for stage in range(1, 5):
        width, here = net.widths[stage], stages / stage / "op_list"
        block = _fused_mb_conv if stage < 3 else _mb_conv
        expand = 24 if stage == 4 else 16
        x = block(x, here / 0 / "main", n_in, width, expand, stride=2)
        for index in range(1, 1 + net.depths[stage]):
            if stage == 4:
                x = _attention_block(x, here / index, width)
            else:
                x = ops.add(x, block(x, here / index / "main", width, width, 4))
        maps.append(x)
        n_in = width
    return maps


def _conv(
    x: Node, scope: Scope, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> Node:
    """Convolution ``conv``, with its bias and its batch norm ``norm`` if there are any, folded."""
    weight = scope.take("conv.weight", n_out, n_in // groups, kernel, kernel).astype(np.float64)
    bias = np.zeros(n_out)
    if "conv.bias" in scope:
        bias = scope.take("conv.bias", n_out).astype(np.float64)
    if "norm.weight" in scope:
        scale, shift = read_batch_norm(scope / "norm", n_out, NORM_EPS)
        weight, bias = weight * scale[:, None, None, None], bias * scale + shift
    return convolution(x, weight, bias, stride, groups)


def _res_block(x: Node, scope: Scope, width: int) -> Node:
    """Two 3 x 3 convolutions, the branch of a residual block; (1, C, R, R) in and out."""
    x = gelu_tanh(_conv(x, scope / "conv1", width, width, 3))
    return _conv(x, scope / "conv2", width, width, 3)


def _fused_mb_conv(
    x: Node, scope: Scope, n_in: int, n_out: int, expand: int, stride: int = 1
) -> Node:
    """Fused MBConv: a 3 x 3 convolution that expands, then a 1 x 1 convolution."""
    x = gelu_tanh(_conv(x, scope / "spatial_conv", n_in, expand * n_in, 3, stride))
    return _conv(x, scope / "point_conv", expand * n_in, n_out, 1)


def _mb_conv(x: Node, scope: Scope, n_in: int, n_out: int, expand: int, stride: int = 1) -> Node:
    """MBConv (inverted bottleneck): 1 x 1 that expands, depthwise 3 x 3, 1 x 1."""
    wide = expand * n_in
    x = gelu_tanh(_conv(x, scope / "inverted_conv", n_in, wide, 1))
    x = gelu_tanh(_conv(x, scope / "depth_conv", wide, wide, 3, stride, groups=wide))
    return _conv(x, scope / "point_conv", wide, n_out, 1)


def _attention_block(x: Node, scope: Scope, width: int) -> Node:
    """Linear attention, then MBConv, both residual; (1, C, R, R) in and out."""
    x = ops.add(x, _linear_attention(x, scope / "context_module" / "main", width))
    return ops.add(x, _mb_conv(x, scope / "local_module" / "main", width, width, 6))


def _linear_attention(x: Node, scope: Scope, width: int) -> Node:
    """ReLU linear attention at two scales; (1, C, R, R) in and out.

    Heads have 32 channels; rows are grouped per head as [q k v]. ``out = relu(q) (relu(k)^T v)``,
    divided by ``relu(q) . sum(relu(k))``; the authors compute the divisor by a row of ones in v.
    """
    qkv = _conv(x, scope / "qkv", width, 3 * width, 1)
    near = convolution(
        qkv, scope.take("aggreg.0.0.weight", 3 * width, 1, 5, 5), None, groups=3 * width
    )
    groups = 3 * width // HEAD_DIM
    near = convolution(
        near, scope.take("aggreg.0.1.weight", 3 * width, HEAD_DIM, 1, 1), None, groups=groups
    )
    rows, columns = (qkv.get_output_shape(0)[axis] for axis in (2, 3))
    both = reshape(ops.concat([qkv, near], 1), 1, -1, 3 * HEAD_DIM, rows * columns)
    q, k, v = split(both, 2, 3)  # each (1, heads, d, tokens)
    q, k = ops.relu(q), ops.relu(k)
    summary = ops.matmul(v, k, False, True)  # (1, heads, d of v, d of k)
    total = ops.reduce_sum(k, integers(3), True)  # (1, heads, d, 1)
    divisor = ops.add(ops.matmul(total, q, True, False), constant(ATTENTION_EPS))
    y = ops.divide(ops.matmul(summary, q, False, False), divisor)  # (1, heads, d, tokens)
    return _conv(reshape(y, 1, 2 * width, rows, columns), scope / "proj", 2 * width, width, 1)


def _neck(maps: list[Node], scope: Scope, net: EfficientViT) -> Node:
    """The last three stages, enlarged to 64 x 64 and summed, then residual blocks."""
    x = None
    for index, stage in enumerate((4, 3, 2)):
        here = scope / "input_ops" / index / "op_list" / 0
        y = _conv(maps[stage], here, net.widths[stage], net.neck, 1)
        y = _bicubic(y, net.embedding_side)
        x = y if x is None else ops.add(x, y)
    for index in range(net.neck_depth):
        here = scope / "middle" / "op_list" / index / "main"
        x = ops.add(x, _fused_mb_conv(x, here, net.neck, net.neck, 1))
    return _conv(x, scope / "output_ops" / 0 / "op_list" / 0, net.neck, net.neck, 1)


def _bicubic(x: Node, side: int) -> Node:
    """Bicubic resize to (side, side) as in torch: half-pixel centres, a = -0.75, edges repeated."""
    if list(x.get_output_shape(0)[2:]) == [side, side]:
        return x
    return ops.interpolate(
        x,
        integers(side, side),
        mode="cubic",
        shape_calculation_mode="sizes",
        axes=integers(2, 3),
        coordinate_transformation_mode="half_pixel",
        cube_coeff=-0.75,
    )
