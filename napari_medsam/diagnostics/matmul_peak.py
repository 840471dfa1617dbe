"""The machine's peak speed: OpenVINO's own product of two square f32 matrices.

A network is judged by its share of this peak, which says more about the network than milliseconds.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import openvino
from openvino import opset13 as ops

from napari_medsam.models.runtime.device import compile_options, core

SIDE = 2048
FLOPS = 2 * SIDE**3
"""Floating-point operations of one product: a multiplication and an addition for each term."""


def matrix_product(threads: int | None = None) -> Callable[[], object]:
    """A function that computes one product of 2048 x 2048 matrices in f32, ready to be timed."""
    random = np.random.default_rng(0)
    x = ops.parameter([SIDE, SIDE], np.float32, "x")
    weight = ops.constant(random.random((SIDE, SIDE), np.float32))
    graph = openvino.Model([ops.matmul(x, weight, False, False)], [x], "peak")
    request = (
        core().compile_model(graph, "CPU", compile_options("f32", threads, "CPU"))
    ).create_infer_request()
    data = random.random((SIDE, SIDE), np.float32)
    return lambda: request.infer([data])
