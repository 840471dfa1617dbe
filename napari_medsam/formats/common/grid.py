"""A file's own grid, and the conversion between its voxel order and the LPS order used inside.

A file numbers its voxels along axes i, j, k (i runs fastest). Arrays of a file are therefore
`array[k, j, i]`. Inside the program arrays are `voxels[z, y, x]` with x towards the patient's
left, y towards the back, z towards the head. The conversion is a permutation of axes
and some reversals, never a resampling, so labels return to the file voxel for voxel.
World coordinates are LPS millimetres everywhere (as in ITK and DICOM; NIfTI is converted on
reading).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.volume import AXES, Axis

Kind = Literal["nifti", "nrrd", "mha", "dicom", "picture", "npz"]
Triple = tuple[float, float, float]

NO_SPACING = "The file states no usable spacing, so lengths are given in pixels."
"""The note of a file whose grid has no `has_spacing`."""
TOLERANCE = 1e-5
"""Relative difference up to which two geometries are the same (float32 noise is below 1e-6)."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """The position of a regular grid of voxels.

    Parameters
    ----------
    shape_zyx
        Number of voxels, slowest axis first, as numpy counts them.
    spacing_xyz
        Millimetres between voxel centres, fastest axis first.
    origin_xyz
        LPS millimetres of the first voxel's centre.
    direction
        (3, 3); column n is the LPS unit vector of axis n, fastest axis first.
    """

    shape_zyx: tuple[int, int, int]
    spacing_xyz: Triple
    origin_xyz: Triple
    direction: NDArray[np.float64]

    @property
    def affine(self) -> NDArray[np.float64]:
        """(4, 4) from voxel index (x, y, z, 1) to LPS millimetres."""
        affine = np.eye(4)
        affine[:3, :3] = self.direction * np.asarray(self.spacing_xyz)
        affine[:3, 3] = self.origin_xyz
        return affine

    @property
    def shear_degrees(self) -> float:
        """How far the two least perpendicular axes are from a right angle."""
        cosines = self.direction.T @ self.direction - np.eye(3)
        return float(np.degrees(np.arcsin(min(1.0, np.abs(cosines).max()))))

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know of these axes."""
        if self.shear_degrees <= 0.1:
            return ()
        return (
            f"The axes are sheared by {self.shear_degrees:.1f} degrees (a gantry tilt?); labels "
            f"keep that, but angles and volumes on screen are slightly off.",
        )

    def difference(self, other: Geometry, tolerance: float = TOLERANCE) -> str:
        """What differs between two geometries, in words; "" if nothing does.

        Spacing is compared relative to itself, direction by its cosines, and the origin
        relative to its own size, or to one voxel where it is near zero. Half a voxel is a
        difference unless it may be rounding: tables of scanners count to -1500 mm.
        """
        if self.shape_zyx != other.shape_zyx:
            return f"size {_by(self.shape_zyx[::-1])} and {_by(other.shape_zyx[::-1])}"
        spacing, spacing_other = np.asarray(self.spacing_xyz), np.asarray(other.spacing_xyz)
        if np.any(np.abs(spacing - spacing_other) > tolerance * np.abs(spacing)):
            return f"spacing {_mm(self.spacing_xyz)} and {_mm(other.spacing_xyz)}"
        if np.any(np.abs(self.direction - other.direction) > tolerance):
            mine, others = self.direction.round(5).tolist(), other.direction.round(5).tolist()
            return f"direction {mine} and {others}"
        origin, origin_other = np.asarray(self.origin_xyz), np.asarray(other.origin_xyz)
        scale = max(float(np.abs(origin).max()), float(spacing.max()))
        allowed = max(TOLERANCE * scale, min(tolerance * scale, 0.5 * float(spacing.min())))
        if np.any(np.abs(origin - origin_other) > allowed):
            return f"origin {_mm(self.origin_xyz)} and {_mm(other.origin_xyz)}"
        return ""


@dataclass(frozen=True)
class NiftiForms:
    """The geometry fields of a NIfTI header as they are in the file (RAS, file units).

    They are stored uninterpreted so that labels carry both forms exactly as the image does,
    whichever of them another program prefers.
    """

    version: Literal[1, 2]
    units: int
    pixdim: tuple[float, float, float, float]
    qform_code: int
    quatern: Triple
    qoffset: Triple
    sform_code: int
    srow: tuple[tuple[float, float, float, float], ...]


@dataclass(frozen=True, eq=False)
class SourceGrid:
    """The grid of an image's file, stored to write labels on exactly that grid.

    Parameters
    ----------
    kind
        The family of the file.
    source
        The file, or the folder of a DICOM series.
    geometry
        The file's own: shape (K, J, I), spacing and direction columns for i, j, k.
    ndim
        2 where the file is a plane without a third axis, else 3.
    forms
        The fields of a NIfTI header, or None for other files.
    series
        Which DICOM series, as `Description.series`; "" for other files.
    frame
        Which volume of a DICOM series of several.
    frame_of_reference
        UID of the patient coordinates a DICOM series is in, "" where not stated.
    has_spacing
        Whether the size of a pixel is known. If not, the spacing of the geometry is 1 (or the
        proportions of a pixel), and lengths are given in pixels.
    is_placed
        Whether the file states where in the patient it is. If not, the origin and direction of the
        geometry are made up.
    """

    kind: Kind
    source: Path
    geometry: Geometry
    ndim: Literal[2, 3] = 3
    forms: NiftiForms | None = None
    series: str = ""
    frame: int = 0
    frame_of_reference: str = ""
    has_spacing: bool = True
    is_placed: bool = True

    @cached_property
    def _turn(self) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
        return _way_to_lps(self.geometry)

    @property
    def axes(self) -> tuple[int, int, int]:
        """The file axes (0 is i, 1 is j, 2 is k) that become x, y and z."""
        return self._turn[0]

    @property
    def flips(self) -> tuple[bool, bool, bool]:
        """Whether x, y and z run against their file axis."""
        return self._turn[1]

    @cached_property
    def lps(self) -> Geometry:
        """The geometry of the volume after `to_lps`."""
        file = self.geometry
        size_ijk = file.shape_zyx[::-1]
        signs = np.where(self.flips, -1.0, 1.0)
        first = np.zeros(3)
        for axis, flip in zip(self.axes, self.flips, strict=True):
            first[axis] = size_ijk[axis] - 1 if flip else 0
        origin = file.affine[:3, :3] @ first + file.affine[:3, 3]
        x, y, z = self.axes
        spacing = file.spacing_xyz
        return Geometry(
            (size_ijk[z], size_ijk[y], size_ijk[x]),
            (spacing[x], spacing[y], spacing[z]),
            (float(origin[0]), float(origin[1]), float(origin[2])),
            file.direction[:, self.axes] * signs,
        )

    @property
    def has_position(self) -> bool:
        """Whether the file states a position in the patient, which resampling needs."""
        return self.is_placed and self.kind not in ("picture", "npz")

    @property
    def orientation_code(self) -> str:
        """The directions of i, j and k as three letters: "RAS", "LPS", "PIR" ..."""
        positive, negative = "LPS", "RAI"
        letters = [""] * 3
        for world, axis in enumerate(_nearest_axes(self.geometry.direction)):
            towards = self.geometry.direction[world, axis] > 0
            letters[axis] = positive[world] if towards else negative[world]
        return "".join(letters)

    def to_lps(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn a file array (K, J, I) or (K, J, I, 3) into (Z, Y, X) or (Z, Y, X, 3)."""
        x, y, z = self.axes
        order = (2 - z, 2 - y, 2 - x, *range(3, array.ndim))
        turned = np.transpose(array, order)[self._reversals]
        return np.ascontiguousarray(turned)

    def from_lps(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn (Z, Y, X) back into the file's (K, J, I); the exact inverse of `to_lps`."""
        x, y, z = self.axes
        order = np.argsort((2 - z, 2 - y, 2 - x))
        turned = np.transpose(array[self._reversals], (*order, *range(3, array.ndim)))
        return np.ascontiguousarray(turned)

    @property
    def _reversals(self) -> tuple[slice, ...]:
        return tuple(slice(None, None, -1 if flip else 1) for flip in reversed(self.flips))


def slice_in_lps(file: Geometry, k: int) -> tuple[Axis, int]:
    """The axis and index of the slice that plane `k` of a file's slowest axis is after `to_lps`."""
    axes, flips = _way_to_lps(file)
    world = axes.index(2)
    return AXES[2 - world], file.shape_zyx[0] - 1 - k if flips[world] else k


def geometry_from_affine(shape_zyx: tuple[int, int, int], affine: NDArray[Any]) -> Geometry:
    """Split a (4, 4) LPS affine (index x, y, z to mm) into spacing, origin and direction."""
    columns = np.asarray(affine, dtype=np.float64)[:3, :3]
    spacing = np.linalg.norm(columns, axis=0)
    x, y, z = (float(v) for v in affine[:3, 3])
    sx, sy, sz = (float(v) for v in spacing)
    return Geometry(shape_zyx, (sx, sy, sz), (x, y, z), columns / spacing)


def _way_to_lps(
    file: Geometry,
) -> tuple[tuple[int, int, int], tuple[bool, bool, bool]]:
    """Which file axis becomes x, y, z, and which of them are reversed.

    A single slice that is not axial is laid out as a plane (one slice along z, x to the
    patient's left or back, y to the feet), as a sagittal or coronal view is always shown.
    """
    left, back, head = _nearest_axes(file.direction)
    size_ijk = file.shape_zyx[::-1]
    flat = [axis for axis in range(3) if size_ijk[axis] == 1]
    targets = ((left, 0, 1.0), (back, 1, 1.0), (head, 2, 1.0))
    if flat == [back]:
        targets = ((left, 0, 1.0), (head, 2, -1.0), (back, 1, 1.0))
    elif flat == [left]:
        targets = ((back, 1, 1.0), (head, 2, -1.0), (left, 0, 1.0))
    x, y, z = (axis for axis, _, _ in targets)
    flip_x, flip_y, flip_z = (
        bool(file.direction[world, axis] * sign < 0) for axis, world, sign in targets
    )
    return (x, y, z), (flip_x, flip_y, flip_z)


def _nearest_axes(direction: NDArray[np.float64]) -> tuple[int, int, int]:
    """The file axes nearest to left, back and head, each used once.

    The largest sum of cosines over all six assignments: picking the largest entry of each
    row on its own gives one axis twice in oblique scans near 45 degrees. Sums are rounded: where
    two are equal, an image and its labels in a format of less precision get the same order.
    """
    cosines = np.abs(direction)
    orders: list[tuple[int, int, int]] = [(a, b, 3 - a - b) for a, b in permutations(range(3), 2)]
    sums = {order: sum(cosines[world, a] for world, a in enumerate(order)) for order in orders}
    return max(orders, key=lambda order: round(float(sums[order]), 4))


def _by(numbers: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in numbers)


def _mm(numbers: Triple) -> str:
    return " x ".join(f"{n:.6g}" for n in numbers) + " mm"
