"""Grids of every axis order and tilt, shared by the tests that prove geometry."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

SIGNED_ORDERS = [
    (order, signs) for order in permutations(range(3)) for signs in product((1, -1), repeat=3)
]
"""The 48 ways in which three file axes can run along three patient axes."""


def axis_matrix(order: tuple[int, ...], signs: tuple[int, ...]) -> NDArray[np.float64]:
    """A direction whose column n is plus or minus patient axis order[n]."""
    matrix = np.zeros((3, 3))
    for column, (axis, sign) in enumerate(zip(order, signs, strict=True)):
        matrix[axis, column] = sign
    return matrix


@st.composite
def directions(draw: st.DrawFn) -> NDArray[np.float64]:
    """Any axis order, straight or tilted by up to 60 degrees about any axis."""
    order, signs = draw(st.sampled_from(SIGNED_ORDERS))
    if draw(st.booleans()):
        return axis_matrix(order, signs)
    angles = draw(st.tuples(*[st.floats(-60, 60)] * 3))
    return Rotation.from_euler("xyz", angles, degrees=True).as_matrix() @ axis_matrix(order, signs)


@st.composite
def affines(draw: st.DrawFn) -> NDArray[np.float64]:
    """Index to mm with anisotropic spacing and any origin, in whatever world it is used."""
    spacing = draw(st.tuples(*[st.floats(0.2, 8.0)] * 3))
    origin = draw(st.tuples(*[st.floats(-700, 700)] * 3))
    affine = np.eye(4)
    affine[:3, :3] = draw(directions()) * np.array(spacing)
    affine[:3, 3] = origin
    return affine


sizes = st.tuples(*[st.integers(1, 9)] * 3)


@st.composite
def marked_volumes(draw: st.DrawFn) -> tuple[NDArray[np.int16], tuple[int, int, int]]:
    """Voxels (I, J, K) with one bright voxel, and its index."""
    size = draw(sizes)
    i, j, k = (draw(st.integers(0, n - 1)) for n in size)
    voxels = np.arange(np.prod(size), dtype=np.int16).reshape(size)
    voxels[i, j, k] = 10000
    return voxels, (i, j, k)
