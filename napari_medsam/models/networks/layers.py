"""Building blocks of the networks, as OpenVINO operations over numpy weights.

Feature maps are NCHW ``(1, C, H, W)``; tokens are ``(..., C)``. Constant linear operations are
folded into the weights in float64 and stored as float32: batch norm into its convolution, the
affine part of a layer norm (scale gamma, shift beta) into the next linear layer.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from openvino import opset13 as ops

from napari_medsam.models.networks.state_dict_reader import Scope

Node: TypeAlias = Any  # an openvino.Node or Output; openvino ships no types
Array = NDArray[Any]

CHANNEL_NORM_EPS = 1e-6  # SAM's LayerNorm2d, in every family
BATCH_NORM_EPS = 1e-5  # in TinyViT and RepViT


class Dense(NamedTuple):
    """A linear map ``y = weight @ x + bias`` in float64; ``weight`` is (outputs, inputs)."""

    weight: Array
    bias: Array

    def after_affine(self, gamma: Array, beta: Array) -> Dense:
        """The map applied to ``gamma * x + beta``: folds in the affine part of a layer norm."""
        return Dense(self.weight * gamma, self.bias + self.weight @ beta)

    def rows(self, index: Array | slice) -> Dense:
        """Only the outputs `index`, in that order."""
        return Dense(self.weight[index], self.bias[index])

    def scaled(self, factor: float) -> Dense:
        """The same map with all outputs times `factor`."""
        return Dense(self.weight * factor, self.bias * factor)


def read_dense(scope: Scope, n_in: int, n_out: int) -> Dense:
    """Read ``weight`` (n_out, n_in) and ``bias`` (n_out,) of a linear layer."""
    weight = scope.take("weight", n_out, n_in).astype(np.float64)
    return Dense(weight, scope.take("bias", n_out).astype(np.float64))


def read_affine(scope: Scope, channels: int) -> tuple[Array, Array]:
    """Read ``weight`` (gamma) and ``bias`` (beta) of a normalization, both (channels,)."""
    gamma, beta = scope.take("weight", channels), scope.take("bias", channels)
    return gamma.astype(np.float64), beta.astype(np.float64)


def read_batch_norm(scope: Scope, channels: int, eps: float) -> tuple[Array, Array]:
    """Read a batch norm at inference as ``scale * x + shift``; returns both, (channels,)."""
    gamma, beta = read_affine(scope, channels)
    mean = scope.take("running_mean", channels).astype(np.float64)
    variance = scope.take("running_var", channels).astype(np.float64)
    scale = gamma / np.sqrt(variance + eps)
    return scale, beta - mean * scale


class ConvNorm(NamedTuple):
    """Convolution with its batch norm folded in; ``weight`` is (outputs, inputs / groups, k, k)."""

    weight: Array
    bias: Array


def read_conv_norm(scope: Scope, n_in: int, n_out: int, kernel: int, groups: int = 1) -> ConvNorm:
    """Read a convolution without bias (key ``c``) and its batch norm (key ``bn``), folded."""
    weight = (scope / "c").take("weight", n_out, n_in // groups, kernel, kernel)
    scale, shift = read_batch_norm(scope / "bn", n_out, BATCH_NORM_EPS)
    return ConvNorm(weight * scale[:, None, None, None], shift)


def constant(array: Array | float) -> Node:
    """A float32 constant."""
    return ops.constant(np.asarray(array, dtype=np.float32))


def integers(*values: int) -> Node:
    """An int64 vector constant, for a shape or an order of axes."""
    return ops.constant(np.array(values, dtype=np.int64))


def reshape(x: Node, *shape: int) -> Node:
    """Reshape; a size of -1 is inferred."""
    return ops.reshape(x, integers(*shape), False)


def transpose(x: Node, *order: int) -> Node:
    """Permute the axes: axis i of the result is axis ``order[i]`` of `x`."""
    return ops.transpose(x, integers(*order))


def split(x: Node, axis: int, parts: int) -> list[Node]:
    """Split into equal parts along an axis."""
    return list(ops.split(x, ops.constant(np.int64(axis)), parts).outputs())


# -- linear --------------------------------------------------------------------------------------


def linear(x: Node, dense: Dense) -> Node:
    """Linear layer, ``(..., inputs)`` to ``(..., outputs)``."""
    y = ops.matmul(x, constant(dense.weight), False, True)
    return ops.add(y, constant(dense.bias.reshape((1,) * (_rank(x) - 1) + (-1,))))


def convolution(
    x: Node, weight: Array, bias: Array | None, stride: int = 1, groups: int = 1
) -> Node:
    """2-D convolution, zero padding ``k // 2``; `weight` is (outputs, inputs / groups, k, k)."""
    n_out, n_in, kernel, _ = weight.shape
    pad = [kernel // 2] * 2
    if groups == 1:
        y = ops.convolution(x, constant(weight), [stride] * 2, pad, pad, [1, 1])
    else:
        grouped = weight.reshape(groups, n_out // groups, n_in, kernel, kernel)
        y = ops.group_convolution(x, constant(grouped), [stride] * 2, pad, pad, [1, 1])
    return y if bias is None else ops.add(y, constant(bias.reshape(1, -1, 1, 1)))


def conv_norm(
    x: Node, scope: Scope, n_in: int, n_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> Node:
    """Convolution without bias (key ``c``) with its batch norm (key ``bn``) folded in."""
    folded = read_conv_norm(scope, n_in, n_out, kernel, groups)
    return convolution(x, *folded, stride, groups)


# -- normalization and activation ----------------------------------------------------------------


def standardize(x: Node, eps: float) -> Node:
    """Layer norm over the last axis without its affine part: zero mean, unit variance."""
    return ops.mvn(x, integers(-1), True, eps, "inside_sqrt")


def layer_norm(x: Node, affine: tuple[Array, Array], eps: float) -> Node:
    """Layer norm over the last axis; `affine` is (gamma, beta)."""
    gamma, beta = affine
    lead = (1,) * (_rank(x) - 1)
    scaled = ops.multiply(standardize(x, eps), constant(gamma.reshape(*lead, -1)))
    return ops.add(scaled, constant(beta.reshape(*lead, -1)))


def gelu(x: Node) -> Node:
    """GELU by the error function (torch's default), not by the tanh approximation."""
    return ops.gelu(x, "erf")


def gelu_tanh(x: Node) -> Node:
    """GELU by its tanh approximation."""
    return ops.gelu(x, "tanh")


def sam_neck(x: Node, scope: Scope, side: int, n_in: int, n_out: int = 256) -> Node:
    """SAM's neck: a 1 x 1 and a 3 x 3 convolution without bias, each followed by a channel norm.

    ``(1, n_in, side, side)`` to ``(1, side, side, n_out)``: channels last, the layout that the
    decoder's attention needs.
    """
    x = convolution(x, scope.take("0.weight", n_out, n_in, 1, 1), None)
    x = channel_norm(x, scope / 1, side, n_out)
    x = convolution(to_map(x, side, n_out), scope.take("2.weight", n_out, n_out, 3, 3), None)
    return reshape(channel_norm(x, scope / 3, side, n_out), 1, side, side, n_out)


def channel_norm(x: Node, scope: Scope, side: int, channels: int) -> Node:
    """SAM's LayerNorm2d over channels; ``(1, C, side, side)`` to tokens ``(side * side, C)``."""
    return layer_norm(to_tokens(x, side, channels), read_affine(scope, channels), CHANNEL_NORM_EPS)


# -- layout --------------------------------------------------------------------------------------


def to_channels_last(x: Node) -> Node:
    """(1, C, H, W) to (1, H, W, C)."""
    return transpose(x, 0, 2, 3, 1)


def to_channels_first(x: Node) -> Node:
    """(1, H, W, C) to (1, C, H, W)."""
    return transpose(x, 0, 3, 1, 2)


def to_tokens(x: Node, side: int, channels: int) -> Node:
    """(1, C, side, side) to a matrix (side * side, C) with one token per row.

    A matrix has only one memory layout. For a four-dimensional tensor OpenVINO chooses one, and
    copies.
    """
    return reshape(to_channels_last(x), side * side, channels)


def to_map(tokens: Node, side: int, channels: int) -> Node:
    """(side * side, C) to (1, C, side, side)."""
    return to_channels_first(reshape(tokens, 1, side, side, channels))


def to_windows(tokens: Node, side: int, window: int, heads: int, d: int) -> Node:
    """(side * side, heads * d) to (windows, heads, window * window, d), padded with zeros."""
    n = -(-side // window)  # windows per side
    pad = n * window - side
    y = reshape(tokens, 1, side, side, heads * d)
    if pad:
        y = ops.pad(y, integers(0, 0, 0, 0), integers(0, pad, pad, 0), "constant")
    y = reshape(y, n, window, n, window, heads, d)
    y = transpose(y, 0, 2, 4, 1, 3, 5)  # (n, n, heads, w, w, d)
    return reshape(y, n * n, heads, window * window, d)


def from_windows(x: Node, side: int, window: int, heads: int, d: int) -> Node:
    """The inverse of `to_windows`, which cuts off the padding."""
    n = -(-side // window)
    y = reshape(x, n, n, heads, window, window, d)
    y = transpose(y, 0, 3, 1, 4, 2, 5)  # (n, w, n, w, heads, d)
    y = reshape(y, 1, n * window, n * window, heads * d)
    if n * window > side:
        y = ops.slice(y, integers(0, 0), integers(side, side), integers(1, 1), integers(1, 2))
    return reshape(y, side * side, heads * d)


def _rank(x: Node) -> int:
    """Number of axes."""
    return int(x.get_output_partial_shape(0).rank.get_length())


def bicubic_weights(n_in: int, n_out: int) -> Array:
    """Matrix (n_out, n_in) of torch's bicubic resize along one axis, in float64.

    Half-pixel centres, a = -0.75, edge values repeated, no antialiasing
    (``torch.nn.functional.interpolate(mode="bicubic", align_corners=False)``).
    """
    centre = (np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5
    first = np.floor(centre).astype(int)
    weights = np.zeros((n_out, n_in))
    for tap in range(-1, 3):
        distance = np.abs(centre - (first + tap))
        column = np.clip(first + tap, 0, n_in - 1)
        np.add.at(weights, (np.arange(n_out), column), _cubic(distance))
    return weights


def _cubic(x: Array, a: float = -0.75) -> Array:
    """Keys' cubic convolution kernel, IEEE Trans. ASSP 1981, for distances 0 to 2."""
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.where(x <= 1, near, far)
