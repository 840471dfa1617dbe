"""Make the pictures of docs/quality.md: cases that our rules improve, and cases that they do not.

    python docs/make_quality_pictures.py DATA_DIR [--cache DIR]

Each picture shows one slice around the object: the original script's mask on the left, ours on
the right, the reference in green, the box in yellow. All cases listed here have a licence in
`meta.json` that allows showing a part of them; the credit is below each picture.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "benchmarks")]
import quality  # noqa: E402

from napari_medsam.engine.inference.embedding_cache import EmbeddingCache  # noqa: E402
from napari_medsam.engine.inference.embedding_disk_cache import DiskCache  # noqa: E402
from napari_medsam.measure.metrics import dice  # noqa: E402
from napari_medsam.models.loading import open_model  # noqa: E402

SIDE = 300
"""Pixels of one half of a picture."""

WHITE, YELLOW, VERMILION = (255, 255, 255), (240, 228, 66), (213, 94, 0)
BLUE, GREEN = (86, 180, 233), (0, 200, 140)


@dataclass(frozen=True)
class Shown:
    """A case to show: one label, and a strategy of benchmarks/quality.py for each side."""

    name: str
    case: str
    label: int
    ours: str
    theirs: str


BETTER = (
    Shown("better_rib", "ct_dicom_totalseg", 112, "slice", "original_slice"),
    Shown("better_lesions", "mr_ms_flair_patient07", 1, "slice", "original_slice"),
    Shown("better_tumour", "mr_brain_t1gd_pyradiomics1", 1, "box3d", "original_3d"),
)
NOT_BETTER = (
    Shown("same_nerve", "us_nerve_0015", 2, "slice", "original_slice"),
    Shown("same_sarcoma", "ct_sarcoma_sts_008", 1, "slice", "original_slice"),
    Shown("worse_nucleus", "micro_dsb_he_3", 9, "slice", "original_slice"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_DIR")
    parser.add_argument("--cache", type=Path, metavar="DIR")
    options = parser.parse_args()
    meta = json.loads((options.data / "meta.json").read_text(encoding="utf-8"))
    model = open_model()
    cache = EmbeddingCache(disk=DiskCache(options.cache) if options.cache else None)
    for shown in (*BETTER, *NOT_BETTER):
        source = options.data / "cases" / f"{shown.case}.npz"
        case = quality.load_case(source, meta, model, cache, None)
        target = next(each for each in case.objects if each.label == shown.label)
        picture = draw(case, target, shown, credit(meta[shown.case]))
        # Full colour resolution: the outlines are two pixels wide.
        path = HERE / "images" / f"quality_{shown.name}.jpg"
        picture.save(path, quality=85, subsampling=0)


def credit(record: dict[str, Any]) -> str:
    return f"Image: {record['source']}, {record['licence']}"


def masks_by_slice(
    case: quality.Case, target: quality.Object, strategy: str
) -> dict[int, np.ndarray]:
    """Segment an object by a strategy; return its masks by slice."""
    if strategy in quality.IN_3D:
        return {z: mask.mask for z, mask in quality.IN_3D[strategy](case, target).items()}
    session = case.ours if strategy == "slice" else case.original
    boxes = quality.sampled_boxes(target)
    pairs = zip(boxes, session.segment(boxes), strict=True)
    return {box.slice.index: mask.mask for box, mask in pairs}


def draw(case: quality.Case, target: quality.Object, shown: Shown, credit: str) -> Image.Image:
    """Draw both masks on the slice whose difference in Dice is nearest to the median."""
    ours, theirs = (masks_by_slice(case, target, s) for s in (shown.ours, shown.theirs))
    truth = target.reference
    both = sorted(set(ours) & set(theirs) & set(target.boxes))
    gains = {z: dice(ours[z], truth[z]) - dice(theirs[z], truth[z]) for z in both}
    median = np.median(list(gains.values()))
    index = min(both, key=lambda z: abs(gains[z] - median))
    halves = [
        half(case, target, index, masks[index], color, title)
        for masks, color, title in (
            (theirs, VERMILION, f"original: Dice {dice(theirs[index], truth[index]):.2f}"),
            (ours, BLUE, f"ours: Dice {dice(ours[index], truth[index]):.2f}"),
        )
    ]
    sheet = Image.new("RGB", (2 * SIDE + 6, SIDE + 40), "black")
    for n, picture in enumerate(halves):
        sheet.paste(picture, (n * (SIDE + 6), 20))
    ImageDraw.Draw(sheet).text((4, SIDE + 24), credit, fill=(190, 190, 190))
    for n, title in enumerate((halves[0].info["title"], halves[1].info["title"])):
        ImageDraw.Draw(sheet).text((n * (SIDE + 6) + 4, 4), title, fill=WHITE)
    return sheet


def half(
    case: quality.Case,
    target: quality.Object,
    index: int,
    mask: np.ndarray,
    color: Any,
    title: str,
) -> Image.Image:
    """Draw the part of the slice around the box, with mask, reference and box."""
    box = target.boxes[index]
    side = 2.5 * max(box.width, box.height, 12)
    height, width = mask.shape
    side = int(min(side, max(height, width)))
    y = int(np.clip((box.y_min + box.y_max - side) / 2, 0, max(height - side, 0)))
    x = int(np.clip((box.x_min + box.x_max - side) / 2, 0, max(width - side, 0)))
    part = (slice(y, y + side), slice(x, x + side))
    pixels = case.ours.window.to_uint8(case.volume.slice_pixels("z", index))
    scale = SIDE / side
    grey = np.asarray(pixels)[part]
    picture = Image.fromarray(grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2))
    picture = picture.resize((round(grey.shape[1] * scale), round(grey.shape[0] * scale)))
    canvas = np.array(picture)
    for area, outline in ((target.reference[index], GREEN), (mask, color)):
        binary = Image.fromarray(area[part].astype(np.uint8) * 255)
        filled = np.array(binary.resize(picture.size)) > 127
        canvas[filled & ~ndimage.binary_erosion(filled, iterations=2)] = outline
    result = Image.fromarray(canvas)
    corners = (np.array(box.corners) - np.array((x, y, x - 1, y - 1))) * scale
    ImageDraw.Draw(result).rectangle(tuple(corners), outline=YELLOW)
    result.info["title"] = title
    return result


if __name__ == "__main__":
    main()
