"""A synthetic CT abdomen made of smooth ellipsoids, with its true labels: the sample case.

No data of a person is in it, so the program can be tried and tested without patient data. It is
drawn in millimetres (x to the left, y to the back, z to the head, from the middle of the body) and
is the same on every run. Its name always says that it is synthetic. It is much simpler than a real
scan: a good result here shows that the program works, not how good a model is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.volume import Volume
from napari_medsam.formats.common.grid import Geometry, SourceGrid, Triple
from napari_medsam.formats.common.image_file import ImageFile

NAME = "Synthetic CT abdomen"
SHAPE_ZYX = (40, 256, 256)
SPACING_XYZ = (1.4, 1.4, 4.0)
ORIGIN_XYZ = (-171.25, -188.5, -612.75)

Float = NDArray[np.float32]
LONG = 1e4
"""Half axis, in mm, of parts that run through the whole volume along z."""


@dataclass(frozen=True)
class Part:
    """An ellipsoid of one tissue.

    Parameters
    ----------
    hounsfield
        Mean value, as in a CT in the portal-venous phase.
    centre_xyz, half_xyz
        Centre and half axes in mm.
    label
        Label number in the reference; 0 for tissue without a label.
    texture
        Standard deviation of its low-frequency texture, in Hounsfield units.
    bend
        Largest deviation of its surface from an ellipsoid, in mm.
    in_cavity
        Whether it is cut off at the abdominal wall.
    """

    hounsfield: float
    centre_xyz: Triple
    half_xyz: Triple
    label: int = 0
    texture: float = 4.0
    bend: float = 0.0
    in_cavity: bool = False


LABELS = tuple(
    Label.default(number, name)
    for number, name in enumerate(("liver", "spleen", "right kidney", "left kidney", "aorta"), 1)
)
LIVER, SPLEEN, RIGHT_KIDNEY, LEFT_KIDNEY, AORTA = (label.number for label in LABELS)

BODY = Part(-105, (0, 0, 0), (166, 118, LONG), texture=6, bend=3)
CAVITY = Part(-95, (0, -6, 0), (133, 84, LONG), texture=8, bend=2)
PARTS = (
    BODY,
    Part(55, (0, -3, 0), (146, 99, LONG), texture=8, bend=2),
    Part(50, (-38, 78, 0), (34, 24, LONG), texture=8, bend=2),
    Part(50, (38, 78, 0), (34, 24, LONG), texture=8, bend=2),
    CAVITY,
    Part(48, (-40, 50, -60), (20, 22, 70), texture=6),
    Part(48, (40, 50, -60), (20, 22, 70), texture=6),
    Part(110, (-76, -12, 38), (66, 74, 72), LIVER, bend=5, in_cavity=True),
    Part(110, (-8, -46, 48), (66, 34, 40), LIVER, bend=4, in_cavity=True),
    Part(165, (-62, -8, 40), (6, 14, 6), LIVER, texture=0),
    Part(165, (-80, -24, 46), (18, 5, 5), LIVER, texture=0),
    Part(10, (-52, -58, -22), (16, 21, 24), bend=2),
    Part(128, (102, 30, 34), (27, 42, 46), SPLEEN, bend=4, in_cavity=True),
    Part(24, (62, -40, 28), (46, 35, 46), texture=10, bend=4, in_cavity=True),
    Part(-880, (62, -60, 28), (30, 13, 30), texture=0, in_cavity=True),
    Part(188, (-68, 44, -34), (27, 24, 48), RIGHT_KIDNEY, texture=8, bend=2),
    Part(-60, (-52, 40, -34), (12, 7, 18), texture=6),
    Part(188, (70, 44, -20), (27, 24, 48), LEFT_KIDNEY, texture=8, bend=2),
    Part(-60, (54, 40, -20), (12, 7, 18), texture=6),
    Part(40, (-28, -36, -62), (26, 20, 24), texture=14, bend=4),
    Part(38, (22, -30, -58), (30, 18, 22), texture=14, bend=4),
    Part(36, (64, -30, -60), (22, 26, 30), texture=14, bend=3),
    Part(-820, (66, -42, -58), (13, 9, 18), texture=0),
    Part(30, (-84, -32, -66), (24, 26, 34), texture=14, bend=3),
    Part(-820, (-84, -44, -64), (14, 9, 20), texture=0),
    Part(150, (-19, 24, 0), (13, 10, LONG), bend=1),
    Part(172, (11, 24, 0), (11.5, 11.5, LONG), AORTA, bend=1),
    Part(220, (0, 55, 0), (24, 18, LONG), texture=25),
    Part(420, (0, 92, 0), (6, 16, LONG), texture=25),
    Part(420, (0, 78, 0), (15, 12, LONG), texture=25),
    Part(30, (0, 77, 0), (9, 8, LONG)),
)


@dataclass(frozen=True, eq=False)
class Phantom:
    """The synthetic case: an image as if read from a file, and its true labels.

    `reference` is (Z, Y, X) uint16 with the label numbers of `table`.
    """

    image: ImageFile
    reference: NDArray[np.uint16]
    table: tuple[Label, ...]


@cache
def synthetic_abdomen() -> Phantom:
    """The case, 40 slices of 256 x 256. The first call takes about a second; the result is cached.

    The arrays are read-only, because all callers get the same ones.
    """
    # RandomState's number stream never changes (NumPy NEP 19); that of default_rng may.
    random = np.random.RandomState(20240501)
    voxels = np.full(SHAPE_ZYX, -1000, dtype=np.float32)
    reference = np.zeros(SHAPE_ZYX, dtype=np.uint16)
    texture = _texture(random)
    for part in PARTS:
        _draw(part, voxels, reference, texture)
    _draw_ribs_and_discs(voxels)
    hounsfield = _as_scanned(voxels, random)
    hounsfield.flags.writeable = reference.flags.writeable = False
    return Phantom(_image_file(hounsfield), reference, LABELS)


def _image_file(hounsfield: NDArray[np.int16]) -> ImageFile:
    geometry = Geometry(SHAPE_ZYX, SPACING_XYZ, ORIGIN_XYZ, np.eye(3))
    # The name only identifies the image; there is no such file.
    grid = SourceGrid("nifti", Path("synthetic_ct_abdomen.nii.gz"), geometry)
    volume = Volume(hounsfield, SPACING_XYZ, ORIGIN_XYZ, np.eye(3), "CT")
    note = "This case is synthetic: drawn by the program, not scanned from a person."
    return ImageFile(volume, grid, NAME, (note,), (-160.0, 240.0))


def _axes_mm() -> tuple[Float, Float, Float]:
    """z, y and x of the voxels in mm from the middle, in shapes that broadcast to (Z, Y, X)."""
    z, y, x = (
        ((np.arange(n) - (n - 1) / 2) * step).astype(np.float32)
        for n, step in zip(SHAPE_ZYX, reversed(SPACING_XYZ), strict=True)
    )
    return z[:, None, None], y[None, :, None], x[None, None, :]


def _texture(random: np.random.RandomState) -> Float:
    """(Z, Y, X) low-frequency texture with standard deviation 1."""
    slow = gaussian_filter(random.standard_normal(SHAPE_ZYX), (1.2, 3.5, 3.5))
    return (slow / slow.std()).astype(np.float32)


def _draw(part: Part, voxels: Float, reference: NDArray[np.uint16], texture: Float) -> None:
    """Blend a part into the image, with a soft edge of a pixel, and label its voxels."""
    block = _block_around(part)
    z, y, x = _axes_mm()
    axes = (z[block[0]], y[:, block[1]], x[:, :, block[2]])
    depth = _depth(part, *axes)
    if part.in_cavity:
        depth = np.minimum(depth, _depth(CAVITY, *axes) - 3)
    share = np.clip(0.5 + depth / SPACING_XYZ[0], 0, 1)
    tissue = part.hounsfield + part.texture * texture[block]
    voxels[block] += share * (tissue - voxels[block])
    reference[block][share > 0.5] = part.label


def _block_around(part: Part) -> tuple[slice, slice, slice]:
    """The index range of the voxels that a part can have."""
    margin = part.bend + 4
    slices = []
    for axis, centre, half in zip(
        _axes_mm(), reversed(part.centre_xyz), reversed(part.half_xyz), strict=True
    ):
        near = np.flatnonzero(np.abs(axis.ravel() - centre) <= half + margin)
        slices.append(slice(int(near[0]), int(near[-1]) + 1))
    return slices[0], slices[1], slices[2]


def _depth(part: Part, z: Float, y: Float, x: Float) -> Float:
    """Depth of points under a part's surface in mm, negative outside; a first-order approximation.

    With k(p) the length of p divided by the half axes, the distance to the surface k = 1 is (1 - k)
    divided by the length of k's gradient.
    """
    (cx, cy, cz), (hx, hy, hz) = part.centre_xyz, part.half_xyz
    bent_x = x - cx + part.bend * np.sin(y / 23 + cx) * np.cos(z / 31)
    bent_y = y - cy + part.bend * np.sin(x / 27 + cy) * np.cos(z / 37 + cx)
    k = np.sqrt((bent_x / hx) ** 2 + (bent_y / hy) ** 2 + ((z - cz) / hz) ** 2)
    gradient = np.sqrt((bent_x / hx**2) ** 2 + (bent_y / hy**2) ** 2 + ((z - cz) / hz**2) ** 2)
    return (k * (1 - k) / np.maximum(gradient, 1e-6)).astype(np.float32)


def _draw_ribs_and_discs(voxels: Float) -> None:
    """Draw ribs, down and forward in the wall of the upper half, and discs between vertebrae."""
    z, y, x = _axes_mm()
    wall = replace(CAVITY, half_xyz=(141, 93, LONG))
    across = np.abs(_depth(wall, 0 * z, y, x)) / 4.5
    angle = np.arctan2(np.abs(x) / 141, y / 93)
    along = (np.mod(z + 26 * angle + 9, 30) - 15) / 6
    in_rib = 1 - np.sqrt(across**2 + along**2)
    share = np.clip(in_rib * 3, 0, 1) * ((z > -30) & (angle < 2.6) & (angle > 0.45))
    voxels += share * (480 - voxels)
    body_of_spine = _depth(Part(0, (0, 55, 0), (24, 18, LONG)), 0 * z, y, x) > 0
    disc = body_of_spine & (np.abs(np.mod(z + 12, 34) - 17) < 4)
    voxels[disc] = 85


def _as_scanned(voxels: Float, random: np.random.RandomState) -> NDArray[np.int16]:
    """Blur within and across slices as a scanner does, add grainy noise, and round."""
    blurred = gaussian_filter(voxels, (0.25, 0.6, 0.6))
    grain = gaussian_filter(random.standard_normal(SHAPE_ZYX), (0, 0.7, 0.7))
    noise = 12 * (grain / grain.std())
    return np.clip(np.rint(blurred + noise), -1024, 3071).astype(np.int16)
