"""Resizing exactly as OpenCV, Pillow and PyTorch do it, without these libraries.

The models were trained with 8-bit pictures resized by these libraries, and their logits are
enlarged as PyTorch does it. The code follows the behaviour of
OpenCV's `resize` (4.x, CPU), Pillow's `Image.resize` and PyTorch's `interpolate`. INTER_AREA and
INTER_NEAREST equal OpenCV bit for bit; a different rounding here would move masks by pixels.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

Uint8 = NDArray[np.uint8]
Float = TypeVar("Float", np.float32, np.float64)


def resize_area(image: Uint8, height: int, width: int) -> Uint8:
    """OpenCV's INTER_AREA on uint8: (h, w) or (h, w, c) to (height, width[, c]).

    Shrinking averages over the covered area; if either side grows, OpenCV silently switches to
    a linear interpolation with its own coefficients, and so does this.
    """
    scale_y, scale_x = _scale(image.shape[0], height), _scale(image.shape[1], width)
    if (scale_y, scale_x) == (1.0, 1.0):
        return image.copy()
    if scale_y < 1 or scale_x < 1:
        return _linear_fixed_point(
            image, _area_taps(image.shape[0], height), _area_taps(image.shape[1], width)
        )
    if scale_y.is_integer() and scale_x.is_integer():
        return _area_by_blocks(image, int(scale_y), int(scale_x))
    return _area_by_weights(image, height, width)


def resize_linear(image: Uint8, height: int, width: int) -> Uint8:
    """OpenCV's INTER_LINEAR on uint8 (no antialiasing): (h, w) or (h, w, c).

    Equal to within one grey level: OpenCV's vector code rounds some halves the other way.
    """
    if image.shape[:2] == (height, width):
        return image.copy()
    if image.shape[0] == 2 * height and image.shape[1] == 2 * width:
        return _area_by_blocks(image, 2, 2)  # OpenCV takes this shortcut
    return _linear_fixed_point(
        image, _linear_taps(image.shape[0], height), _linear_taps(image.shape[1], width)
    )


def resize_nearest(image: Uint8, height: int, width: int) -> Uint8:
    """OpenCV's INTER_NEAREST: pixel floor(i * in / out)."""
    h, w = image.shape[:2]
    rows = np.minimum((np.arange(height) * _scale(h, height)).astype(np.intp), h - 1)
    columns = np.minimum((np.arange(width) * _scale(w, width)).astype(np.intp), w - 1)
    picked: Uint8 = image[rows][:, columns]
    return picked


def _scale(n_in: int, n_out: int) -> float:
    """Input pixels per output pixel, through the inverse: OpenCV's last bit depends on it."""
    return 1.0 / (n_out / n_in)


def resize_antialias(image: Uint8, height: int, width: int) -> Uint8:
    """Pillow's BILINEAR on uint8: a triangle filter as wide as the shrinking factor.

    Both passes round to uint8, horizontal first, with 22-bit fixed-point weights (Pillow,
    `Resample.c`).
    """
    across = _triangle_pass(np.moveaxis(image, 1, 0), width)
    return _triangle_pass(np.moveaxis(across, 0, 1), height)


def resize_torch_uint8(image: Uint8, height: int, width: int) -> Uint8:
    """PyTorch's `interpolate(mode="bilinear")` on uint8, no antialiasing: (h, w) or (h, w, c).

    Columns first, each pass with 14-bit weights and rounded to uint8.
    """
    across = np.moveaxis(_torch_pass(np.moveaxis(image, 1, 0), width), 0, 1)
    return _torch_pass(across, height)


def resize_torch_float(image: Uint8, height: int, width: int) -> NDArray[np.float64]:
    """PyTorch's `interpolate(mode="bilinear")` on floats, without rounding to grey levels."""
    return resize_bilinear(image.astype(np.float64), height, width)


def resize_bilinear(image: NDArray[Float], height: int, width: int) -> NDArray[Float]:
    """Resize (h, w) or (h, w, c): half-pixel centres, edges repeated, no antialiasing."""
    tail = (1,) * (image.ndim - 2)
    low, high, weight = _torch_taps(image.shape[0], height, image.dtype)
    rows = image[low] + (image[high] - image[low]) * weight.reshape(-1, 1, *tail)
    low, high, weight = _torch_taps(image.shape[1], width, image.dtype)
    left = rows[:, low]
    resized: NDArray[Float] = left + (rows[:, high] - left) * weight.reshape(-1, *tail)
    return resized


def resize_bicubic(image: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Resize (h, w) to (height, width) as torch: half-pixel centres, a = -0.75, edges repeated."""
    taps, weights = _bicubic_taps(image.shape[0], height)
    rows = sum(image[tap] * weight[:, None] for tap, weight in zip(taps, weights, strict=True))
    taps, weights = _bicubic_taps(image.shape[1], width)
    both = sum(rows[:, tap] * weight for tap, weight in zip(taps, weights, strict=True))
    return np.asarray(both, dtype=np.float32)


def _bicubic_taps(n_in: int, n_out: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Four input pixels and their weights, (4, n_out): Keys, IEEE Trans. ASSP 1981, a = -0.75."""
    a = -0.75
    centre = (np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5
    tap = np.floor(centre).astype(np.intp) + np.arange(-1, 3)[:, None]
    x = np.abs(centre - tap)
    near = (a + 2) * x**3 - (a + 3) * x**2 + 1
    far = a * (x**3 - 5 * x**2 + 8 * x - 4)
    return np.clip(tap, 0, n_in - 1), np.where(x <= 1, near, far)


def _torch_pass(image: Uint8, n_out: int) -> Uint8:
    """Resize the first axis in 14-bit fixed point."""
    low, high, weight = _torch_taps(image.shape[0], n_out)
    shape = (-1, *(1,) * (image.ndim - 1))
    second = np.round(weight * 2**14).astype(np.int64).reshape(shape)
    first = np.round((1 - weight) * 2**14).astype(np.int64).reshape(shape)
    total = image[low].astype(np.int64) * first + image[high].astype(np.int64) * second
    return ((total + 2**13) >> 14).astype(np.uint8)


def _torch_taps(
    n_in: int, n_out: int, dtype: DTypeLike = np.float64
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[Any]]:
    """For each output pixel: the two input pixels and the weight of the second, of `dtype`."""
    centre = np.maximum((np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5, 0.0)
    low = np.minimum(centre.astype(np.intp), n_in - 1)
    return low, np.minimum(low + 1, n_in - 1), (centre - low).astype(dtype)


def _area_by_blocks(image: Uint8, by_y: int, by_x: int) -> Uint8:
    """Whole-number shrinking: block sums, then one float32 product, halves to even."""
    h, w = image.shape[0] // by_y, image.shape[1] // by_x
    blocks = image.reshape(h, by_y, w, by_x, *image.shape[2:])
    total = blocks.sum(axis=(1, 3), dtype=np.int32)
    if (by_y, by_x) == (2, 2):  # OpenCV's own path for halving rounds halves up
        return ((total + 2) >> 2).astype(np.uint8)
    scaled = total.astype(np.float32) * np.float32(1.0 / np.float32(by_y * by_x))
    return np.rint(scaled).astype(np.uint8)


def _area_by_weights(image: Uint8, height: int, width: int) -> Uint8:
    """Any other shrinking: float32 weights, columns first, summed in OpenCV's order."""
    indices, weights = _area_table(image.shape[1], width)
    tail = (1,) * (image.ndim - 2)
    source = image.astype(np.float32)
    across = np.zeros((image.shape[0], width, *image.shape[2:]), dtype=np.float32)
    for index, weight in zip(indices, weights, strict=True):
        across += source[:, index] * weight.reshape(1, -1, *tail)
    indices, weights = _area_table(image.shape[0], height)
    down = np.zeros((height, width, *image.shape[2:]), dtype=np.float32)
    for index, weight in zip(indices, weights, strict=True):
        down += across[index] * weight.reshape(-1, 1, *tail)
    return np.clip(np.rint(down), 0, 255).astype(np.uint8)


def _area_table(n_in: int, n_out: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Taps of each output cell: indices and weights, both (taps, n_out), padded with weight 0."""
    scale = _scale(n_in, n_out)
    start = np.arange(n_out) * scale
    end = start + scale
    cell = np.minimum(scale, n_in - start)
    last = np.minimum(np.floor(end).astype(np.intp), n_in - 1)
    first = np.minimum(np.ceil(start).astype(np.intp), last)
    taps = int((last - first).max()) + 2
    indices = np.zeros((taps, n_out), dtype=np.intp)
    weights = np.zeros((taps, n_out), dtype=np.float32)
    # A sliver of under a thousandth of a pixel is dropped, as OpenCV drops it.
    before = first - start > 1e-3
    indices[0], weights[0] = np.maximum(first - 1, 0), np.where(before, (first - start) / cell, 0)
    after = np.where(end - last > 1e-3, np.minimum(np.minimum(end - last, 1.0), cell) / cell, 0)
    for k in range(1, taps):
        index = first + k - 1
        whole = index < last
        indices[k] = np.minimum(index, n_in - 1)
        weights[k] = np.where(whole, 1.0 / cell, np.where(index == last, after, 0))
    return indices, weights


Taps = tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]
"""The two input pixels of each output pixel and their weights in 1/2048."""


def _area_taps(n_in: int, n_out: int) -> Taps:
    """The coefficients of INTER_AREA for enlarging."""
    scale, inverse = _scale(n_in, n_out), n_out / n_in
    i = np.arange(n_out)
    low = np.floor(i * scale).astype(np.intp)
    weight = ((i + 1) - (low + 1) * inverse).astype(np.float32)
    weight = np.where(weight <= 0, np.float32(0), weight - np.floor(weight))
    return _fixed_point(low, weight, n_in)


def _linear_taps(n_in: int, n_out: int) -> Taps:
    """The coefficients of INTER_LINEAR, with half-pixel centres."""
    centre = ((np.arange(n_out) + 0.5) * _scale(n_in, n_out) - 0.5).astype(np.float32)
    low = np.floor(centre).astype(np.intp)
    return _fixed_point(low, centre - low.astype(np.float32), n_in)


def _fixed_point(low: NDArray[np.intp], weight: NDArray[np.float32], n_in: int) -> Taps:
    outside = (low < 0) | (low >= n_in - 1)
    weight = np.where(outside, np.float32(0), weight)
    low = np.clip(low, 0, n_in - 1)
    high = np.minimum(low + 1, n_in - 1)
    first = np.rint((np.float32(1) - weight) * np.float32(2048)).astype(np.int64)
    second = np.rint(weight * np.float32(2048)).astype(np.int64)
    return low, high, first, second


def _linear_fixed_point(image: Uint8, rows: Taps, columns: Taps) -> Uint8:
    """Two taps each way in OpenCV's 11-bit fixed point, columns first."""
    tail = (1,) * (image.ndim - 2)
    source = image.astype(np.int64)
    low, high, first, second = columns
    shape = (1, -1, *tail)
    across = source[:, low] * first.reshape(shape) + source[:, high] * second.reshape(shape)
    across >>= 4
    low, high, first, second = rows
    shape = (-1, 1, *tail)
    down = ((across[low] * first.reshape(shape)) >> 16) + (
        (across[high] * second.reshape(shape)) >> 16
    )
    return ((down + 2) >> 2).astype(np.uint8)


def _triangle_pass(image: Uint8, n_out: int) -> Uint8:
    """Pillow's triangle filter along axis 0."""
    n_in = image.shape[0]
    if n_out == n_in:
        return image
    scale = n_in / n_out
    support = max(scale, 1.0)
    centre = (np.arange(n_out) + 0.5) * scale
    first = np.maximum((centre - support + 0.5).astype(np.intp), 0)
    last = np.minimum((centre + support + 0.5).astype(np.intp), n_in)
    taps = int((last - first).max())
    index = first[:, None] + np.arange(taps)
    weight = np.maximum(1.0 - np.abs((index - centre[:, None] + 0.5) / support), 0.0)
    weight[index >= last[:, None]] = 0.0
    weight /= weight.sum(axis=1, keepdims=True)
    fixed = np.floor(weight * (1 << 22) + 0.5).astype(np.int64)
    source = image.astype(np.int64)
    total = np.full((n_out, *image.shape[1:]), 1 << 21, dtype=np.int64)
    for k in range(taps):
        column = fixed[:, k].reshape(-1, *(1,) * (image.ndim - 1))
        total += source[np.minimum(index[:, k], n_in - 1)] * column
    return np.clip(total >> 22, 0, 255).astype(np.uint8)
