"""Conversion of a challenge .npz file to a request: box i (from 0) becomes label i + 1.

A 3D box is its object's extent, with its largest indices included. A box is clipped to the image. A
3D box of a single slice is segmented like any other. In compat mode propagation starts on the
middle slice, as in the original script.

The `Request` is made without `build_request`: boxes are numbers, and an error names the box by its
number.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.intensity_window import preset_window
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.propagation.propagation_seeds import Seed, seed_from_3d_box
from napari_medsam.formats.challenge_npz.arrays import read_npz
from napari_medsam.formats.challenge_npz.boxes_and_labels import read_npz_boxes
from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.headless.build_request import by_authors_rules
from napari_medsam.headless.request import Prompts, Propagation, Request
from napari_medsam.headless.run import Answer
from napari_medsam.input_contract import OriginalRules


def read_request(
    path: Path, *, compat: bool = False, rules: OriginalRules | None = None
) -> Request:
    """Read a case and its boxes from a challenge file.

    Parameters
    ----------
    path
        The file. If its name begins with 3D it is a volume, whatever its shape.
    compat
        Follow the rules of the model's authors.
    rules
        These rules for volumes; they may require a vote of three views.

    Raises
    ------
    ReadError
        The file cannot be read, or its boxes do not belong to its image.
    """
    image, boxes = read_npz(path), read_npz_boxes(path)
    in_3d = boxes.shape[1] == 6
    if boxes.size and in_3d == _is_picture(image):
        shape = "x".join(map(str, image.volume.shape_zyx))
        raise ReadError(f"{path.name} has {boxes.shape[1]} numbers a box and an image of {shape}.")
    table = tuple(Label.default(n) for n in range(1, len(boxes) + 1))
    seeds = [_seed(row, image.volume, n, path) for n, row in enumerate(boxes, 1)] if in_3d else []
    placed = tuple(
        PlacedBox(n, n, seeds[n - 1].box if in_3d else _flat_box(row, image.volume, n, path))
        for n, row in enumerate(boxes, 1)
    )
    propagation = Propagation(
        0,
        image.volume.n_slices("z") - 1,
        "box3d",
        ranges={seed.label: (seed.first, seed.last) for seed in seeds},
    )
    return Request(
        image,
        Prompts(placed),
        table,
        preset_window(image.volume),
        by_authors_rules(propagation if seeds else None, image, rules if compat else None),
        compat=compat,
    )


def segs_of(answer: Answer) -> NDArray[np.integer]:
    """The labels in the challenge's shape: (D, H, W) of a volume, or (H, W) of a picture."""
    labels = answer.annotation.labels
    return labels[0] if _is_picture(answer.request.image) else labels


def _is_picture(image: ImageFile) -> bool:
    """Whether the image is a single slice and its file's name does not begin with 3D."""
    return image.volume.is_flat and not image.name.startswith("3D")


def _flat_box(row: NDArray[np.float64], volume: Volume, number: int, path: Path) -> BoxPrompt:
    x0, y0, x1, y1 = (float(value) for value in row)
    try:
        return box_prompt(SliceRef("z", 0), (x0, y0, x1, y1), volume.slice_shape("z"))
    except ValueError as error:
        raise ReadError(f"Box {number} of {path.name}: {error}") from error


def _seed(row: NDArray[np.float64], volume: Volume, number: int, path: Path) -> Seed:
    x0, y0, z0, x1, y1, z1 = row
    first, last = sorted((int(z0), int(z1)))
    n = volume.shape_zyx[0]
    if last < 0 or first >= n:
        raise ReadError(
            f"Box {number} of {path.name} lies on slices {first} to {last}; the image has slices "
            f"0 to {n - 1}."
        )
    flat = _flat_box(np.array([x0, y0, x1, y1]), volume, number, path)
    return seed_from_3d_box(flat, max(first, 0), min(last, n - 1), label=number)
