"""`Volume`: an image's voxels with spacing, origin and direction, always in LPS order.

Arrays are `voxels[z, y, x]` with x towards the patient's left, y towards the back and z towards the
head (LPS); `direction` holds the remaining oblique rotation. Lengths are millimetres. A 2D picture
is a volume of one slice. Only `napari_medsam.formats` converts between files and this order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from napari_medsam.modality import MODALITIES

Axis = Literal["z", "y", "x"]
AXES: tuple[Axis, Axis, Axis] = ("z", "y", "x")
"""The axes a volume can be cut along, in array order: `AXES.index(axis)` is the array's axis."""
VIEW_NAMES: dict[Axis, str] = {"z": "axial", "y": "coronal", "x": "sagittal"}

SAMPLE = 16
"""About how many axial planes of an image are looked at where all would take too long."""


@dataclass(frozen=True, eq=False)
class Volume:
    """A grey volume or an RGB picture on a regular grid.

    Parameters
    ----------
    voxels
        (Z, Y, X) of any real type, or (Z, Y, X, 3) uint8 in RGB order.
    spacing_xyz
        Millimetres between voxel centres along x, y, z; each above 0.
    origin_xyz
        Millimetres (LPS) of the centre of voxel [0, 0, 0].
    direction
        (3, 3); its columns are the LPS unit vectors of the x, y and z voxel axes.
    modality
        One of `modality.MODALITIES`, or "" if unknown.
    mirror
        None if high values are bright on the screen and to the model. A number if low values are
        (MONOCHROME1 of DICOM, PS3.3 C.7.6.3.1.2): `mirror - value` is what is stored for the same
        picture where high values are bright. The voxels are the values all the same.

    empty
        The slices, as (axis, index), that hold no image: they are missing or damaged, and filled
        with one value. All are along the axis of the file's slices.

    Raises
    ------
    ValueError
        The shape, voxel type, spacing or modality is not one of these.
    """

    voxels: NDArray[Any]
    spacing_xyz: tuple[float, float, float] = (1.0, 1.0, 1.0)
    origin_xyz: tuple[float, float, float] = (0.0, 0.0, 0.0)
    direction: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    modality: str = ""
    mirror: float | None = None
    empty: frozenset[tuple[Axis, int]] = frozenset()

    def __post_init__(self) -> None:
        """Refuse images that the rest of the program cannot process."""
        shape = self.voxels.shape
        rgb = self.voxels.ndim == 4 and shape[3] == 3 and self.voxels.dtype == np.uint8
        if not (self.voxels.ndim == 3 or rgb):
            raise ValueError(
                f"A volume is (Z, Y, X), or (Z, Y, X, 3) uint8 for RGB; this one is {shape} "
                f"{self.voxels.dtype}. Pick one time point or channel first."
            )
        if min(shape) < 1:
            raise ValueError(f"The volume is empty: its shape is {shape}.")
        if not rgb and self.voxels.dtype.kind not in "buif":
            raise ValueError(f"Voxels are real numbers; these are {self.voxels.dtype}.")
        if not all(np.isfinite(s) and s > 0 for s in self.spacing_xyz):
            raise ValueError(f"Spacing is positive millimetres; this is {self.spacing_xyz}.")
        if self.modality and self.modality not in MODALITIES:
            raise ValueError(
                f"Modality {self.modality!r} is not known; known are {', '.join(MODALITIES)}."
            )

    @property
    def shape_zyx(self) -> tuple[int, int, int]:
        z, y, x = self.voxels.shape[:3]
        return int(z), int(y), int(x)

    @property
    def is_rgb(self) -> bool:
        return self.voxels.ndim == 4

    @property
    def is_flat(self) -> bool:
        """Whether this is one slice, as a 2D picture is."""
        return self.voxels.shape[0] == 1

    @property
    def low_is_bright(self) -> bool:
        return self.mirror is not None

    @property
    def fingerprint(self) -> str:
        """A hash of the voxels only; the same image under another name has the same hash.

        It is that of the mirrored voxels if low values are bright: journals of earlier versions,
        which mirrored them when they read the file, are found by it.
        """
        return self._digests[0]

    @cached_property
    def _digests(self) -> tuple[str, list[int]]:
        """The fingerprint, and a checksum of each axial plane."""
        digest, sums = hashlib.blake2b(digest_size=16), []
        digest.update(f"{self.voxels.shape}{self.voxels.dtype.str}".encode())
        for plane in map(np.ascontiguousarray, self.voxels):
            upright = plane if self.mirror is None else mirrored(plane, self.mirror)
            digest.update(np.ascontiguousarray(upright).data)
            sums.append(_checksum(plane))
        return digest.hexdigest(), sums

    @property
    def some(self) -> slice:
        """About `SAMPLE` of the axial planes, from end to end."""
        return slice(None, None, max(1, len(self.voxels) // SAMPLE))

    def planes_of(self, axis: Axis, index: int) -> slice:
        """The axial planes to look at for changes on a slice: that one, or some that it crosses."""
        return slice(index, index + 1) if axis == "z" else self.some

    @cached_property
    def _some_sums(self) -> list[int]:
        return list(map(_checksum, self.voxels[self.some]))

    def watch(self) -> None:
        """From now on `has_changed` notices what others write to most of the image at once."""
        _ = self._some_sums

    def has_changed(self, planes: slice = slice(None)) -> bool:
        """Whether others have written to these axial planes since the fingerprint was taken.

        Before that, to some planes since `watch`. All planes of a large CT take about 0.03 s.
        """
        some: list[int] | None = self.__dict__.get("_some_sums")
        if "_digests" in self.__dict__:
            sums = self._digests[1]
            if some is not None and some != sums[self.some]:
                return True  # between the two
            sums = sums[planes]
        elif some is not None:
            planes, sums = self.some, some
        else:
            return False
        return sums != list(map(_checksum, self.voxels[planes]))

    def with_spacing(self, spacing_xyz: tuple[float, float, float]) -> Volume:
        """The same voxels with another spacing, and the same fingerprint."""
        volume = replace(self, spacing_xyz=spacing_xyz)
        if "_digests" in self.__dict__:
            volume.__dict__["_digests"] = self._digests
        return volume

    @property
    def voxel_ml(self) -> float:
        """Volume of one voxel in ml; with sheared axes (gantry tilt) it is less than its box's."""
        shear = abs(float(np.linalg.det(self.direction)))
        return float(np.prod(self.spacing_xyz)) * shear / 1000.0

    def empty_along(self, axis: Axis) -> frozenset[int]:
        """The indices of the slices along an axis that hold no image (see `empty`)."""
        return frozenset(index for a, index in self.empty if a == axis)

    def n_slices(self, axis: Axis) -> int:
        return self.shape_zyx[AXES.index(axis)]

    def slice_shape(self, axis: Axis) -> tuple[int, int]:
        """Rows and columns of a slice: (Y, X) along z, (Z, X) along y, (Z, Y) along x."""
        rows, columns = (n for a, n in zip(AXES, self.shape_zyx, strict=True) if a != axis)
        return rows, columns

    def slice_pixels(self, axis: Axis, index: int) -> NDArray[Any]:
        """One slice as a view, (H, W) or (H, W, 3); rows and columns as in `slice_shape`.

        Raises
        ------
        ValueError
            There is no such slice.
        """
        if not 0 <= index < self.n_slices(axis):
            raise ValueError(
                f"Slice {axis}={index} is outside the volume, which has slices 0 to "
                f"{self.n_slices(axis) - 1} along {axis}."
            )
        return self.voxels[plane_index(axis, index)]


def empty_note(indices: Iterable[int]) -> str:
    """A sentence about slices that were left out because they hold no image; "" for none."""
    numbers = [str(index) for index in sorted(indices)]
    if not numbers:
        return ""
    if len(numbers) == 1:
        return f"Slice {numbers[0]} holds no image and was left out."
    more = " ..." if len(numbers) > 8 else ""
    return f"Slices {', '.join(numbers[:8])}{more} hold no image and were left out."


def _checksum(plane: NDArray[Any]) -> int:
    return crc32(np.ascontiguousarray(plane).data)


def plane_index(axis: Axis, index: int) -> tuple[slice | int, ...]:
    """The index expression of one slice in a (Z, Y, X) array; the result is a view."""
    return tuple(index if a == axis else slice(None) for a in AXES)


def mirrored(pixels: NDArray[Any], mirror: float) -> NDArray[Any]:
    """`mirror - pixels` of the same type; whole numbers beyond the type's range wrap around."""
    if pixels.dtype.kind == "f":
        return (mirror - pixels.astype(np.float64)).astype(pixels.dtype)
    return (int(mirror) - pixels.astype(np.int64)).astype(pixels.dtype)
