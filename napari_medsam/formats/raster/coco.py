"""COCO JSON for the objects of a picture: one instance per connected part of a label.

Masks are run-length encoded, which is exact (polygons are not); they count pixels column by
column, zeros first, and boxes are x, y, width, height from the upper left corner of a pixel
(cocodataset.org, "Data format"; pycocotools `maskApi.c` for the compressed counts).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import MOST_LABELS, Label, default_color
from napari_medsam.formats.common.contours import fill
from napari_medsam.formats.common.errors import ReadError, SaveError, damage_as
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.common.label_table import complete_table, rgb_255
from napari_medsam.formats.common.stored_names import require_names
from napari_medsam.formats.raster.write_labels import same_size_as_image

UNREADABLE = (ValueError, KeyError, TypeError, IndexError, AttributeError, OverflowError)
LARGEST = 2**28
"""Bytes of a JSON file that is still read: it is held in memory several times over."""
EIGHT = np.ones((3, 3), dtype=int)
"""Pixels that touch at a corner belong together."""


def is_coco(path: Path) -> bool:
    """Whether a JSON file names COCO's annotations within its first or last megabyte."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = stream.read(2**20)
        stream.seek(max(0, size - 2**20))
        return b'"annotations"' in start + stream.read(2**20)


def write(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> None:
    """Write the labels of one plane (K, J, I with one of them 1): categories are labels."""
    plane = _plane(labels_kji)
    rows = complete_table(labels_kji, table)
    image = {
        "id": 1,
        "file_name": grid.source.name,
        "height": plane.shape[0],
        "width": plane.shape[1],
    }
    categories = [
        {"id": label.number, "name": label.name, "supercategory": "", "color": rgb_255(label.color)}
        for label in rows
    ]
    annotations = [
        {"id": n, "image_id": 1, "iscrowd": 0, **label}
        for n, label in enumerate(_instances(plane), start=1)
    ]
    path.write_text(
        json.dumps({"images": [image], "categories": categories, "annotations": annotations}),
        encoding="utf-8",
    )


def check(
    path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label] = ()
) -> str:
    """Decode every instance again; SaveError if together they differ from the labels."""
    found = read_coco(path, grid)
    if not np.array_equal(grid.from_lps(found.labels), labels_kji):
        raise SaveError("The instances read back differ from the labels on screen.")
    rows = complete_table(labels_kji, table)
    require_names(found.table, {row.number: row.name for row in rows}, rows, "JSON")
    content = json.loads(path.read_text(encoding="utf-8"))
    picture, instances = content["images"][0], content["annotations"]
    plane = _plane(labels_kji)
    for entry in instances:
        x, y, width, height = entry["bbox"]
        inside = plane[y : y + height, x : x + width] == entry["category_id"]
        # Touching the box on all sides, and no more pixels than are in it.
        edges = (inside[0], inside[-1], inside[:, 0], inside[:, -1])
        if not all(edge.any() for edge in edges) or entry["area"] > np.count_nonzero(inside):
            raise SaveError(f"The box or the area of instance {entry['id']} is not its mask's.")
    if sum(entry["area"] for entry in instances) != np.count_nonzero(plane):
        raise SaveError("The areas of the instances are not those of the labels.")
    same = same_size_as_image((picture["height"], picture["width"]), grid)
    return f"{len(instances)} instances were read back, decoded and equal the labels{same}"


def read_coco(path: Path, grid: SourceGrid) -> LabelFile:
    """Read the instances of the image as labels: run-lengths, compressed ones, or polygons.

    Label numbers are category numbers. Of several images the one of the image's name is taken.

    Raises
    ------
    ReadError
        The file is damaged, is no COCO file, or is of a picture of another size.
    """
    if path.stat().st_size > LARGEST:
        raise ReadError(f"{path.name} is too large for a COCO file of one picture.")
    with damage_as(f"{path.name} is not a readable COCO file.", (RecursionError, *UNREADABLE)):
        content = json.loads(path.read_text(encoding="utf-8"))
        image = _image(content["images"], grid.source.name, path)
        shape = int(image["height"]), int(image["width"])
        in_file = grid.geometry.shape_zyx
        if shape != tuple(_plane(np.empty(in_file, dtype=bool)).shape):
            raise ReadError(f"{path.name} is of a picture of {shape} rows and columns, not this.")
        table = tuple(_label(entry) for entry in content.get("categories", ()))
        chosen = [entry for entry in content["annotations"] if entry["image_id"] == image["id"]]
        plane, n_lost = _painted(chosen, shape)
    notes = (f"{n_lost} pixels belong to several instances; the last one has them.",)
    return LabelFile(grid.to_lps(plane.reshape(in_file)), table, notes if n_lost else ())


def _instances(plane: NDArray[Any]) -> list[dict[str, Any]]:
    from scipy import ndimage  # slow to import, and seldom needed

    found = []
    for number in np.unique(plane[plane > 0]).tolist():
        parts, _ = ndimage.label(plane == number, EIGHT)
        for part, (rows, columns) in enumerate(ndimage.find_objects(parts), start=1):
            mask = parts == part
            width, height = columns.stop - columns.start, rows.stop - rows.start
            found.append(
                {
                    "category_id": number,
                    "segmentation": {"counts": _runs(mask), "size": list(mask.shape)},
                    "area": int(np.count_nonzero(mask)),
                    "bbox": [columns.start, rows.start, width, height],
                }
            )
    return found


def _runs(mask: NDArray[np.bool_]) -> list[int]:
    """Lengths of runs of 0, 1, 0 ... down the columns; the first may be 0."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    bounds = np.concatenate([[0], edges, [flat.size]])
    runs: list[int] = np.diff(bounds).tolist()
    return [0, *runs] if flat[0] else runs


def _painted(chosen: Sequence[Any], shape: tuple[int, int]) -> tuple[NDArray[Any], int]:
    plane = np.zeros(shape, dtype=np.uint16)
    n_lost = 0
    for entry in chosen:
        number = int(entry["category_id"])
        if not 1 <= number <= MOST_LABELS:
            raise ReadError(f"Category {number} is not a number a label can have.")
        mask = _mask(entry["segmentation"], shape)
        n_lost += int(np.count_nonzero(plane[mask]))
        plane[mask] = number
    highest = int(plane.max())
    return plane.astype(np.min_scalar_type(highest)), n_lost


def _mask(segmentation: Any, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        runs = _decompressed(counts) if isinstance(counts, str) else [int(n) for n in counts]
        if min(runs, default=0) < 0 or sum(runs) != shape[0] * shape[1]:
            raise ValueError("run lengths do not fill the picture")
        values = np.arange(len(runs)) % 2 == 1
        return np.asarray(np.repeat(values, runs).reshape(shape, order="F"))
    # A COCO polygon counts from the corner of the first pixel, `fill` from its centre.
    mask = np.zeros(shape, dtype=bool)
    for points in segmentation:
        polygon = np.array(points, dtype=np.float64).reshape(-1, 2) - 0.5
        if not np.isfinite(polygon).all():
            raise ValueError("a polygon is not finite")
        mask |= fill([polygon], shape)
    return mask


def _decompressed(text: str) -> list[int]:
    """Counts from COCO's text: 5 bits a letter, a sign bit, and differences from two before."""
    runs: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if not bits & 0x20:
            if bits & 0x10:
                value -= 1 << shift
            runs.append(value + (runs[-2] if len(runs) > 2 else 0))
            value = shift = 0
    return runs


def _image(images: Sequence[Any], name: str, path: Path) -> Any:
    named = [entry for entry in images if Path(str(entry.get("file_name", ""))).name == name]
    if len(named) == 1:
        return named[0]
    if len(images) != 1:
        raise ReadError(f"{path.name} describes {len(images)} pictures and none is {name}.")
    return images[0]


def _label(category: Any) -> Label:
    number = int(category["id"])
    color = default_color(number)
    if "color" in category:
        red, green, blue = (int(v) / 255 for v in category["color"])
        color = red, green, blue
    return Label(number, str(category.get("name", f"label {number}")), color)


def _plane(labels_kji: NDArray[Any]) -> NDArray[Any]:
    """(rows, columns) of labels with one slice."""
    if 1 not in labels_kji.shape:
        raise SaveError(
            f"COCO JSON holds the objects of one picture and these labels have "
            f"{labels_kji.shape[0]} slices; save them as .nii.gz or .seg.nrrd."
        )
    return labels_kji.squeeze(axis=labels_kji.shape.index(1))
