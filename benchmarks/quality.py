"""Measure masks on labelled cases, by our rules and by the original script's.

    python benchmarks/quality.py DATA_DIR [--cases GLOB] [--limit N] [--json FILE] [--cache DIR]

DATA_DIR holds `cases/*.npz` (image, label, spacing) and `meta.json`. Boxes are tight boxes of the
reference mask, as floats. In 3D the object is each label's largest component, of which at most 24
slices around the middle are used. Prints a markdown table; docs/quality.md explains each strategy.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from quality_cost import Costs
from scipy import ndimage

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.embedding_disk_cache import DiskCache
from napari_medsam.engine.propagation.between_keyframes import Keyframe
from napari_medsam.engine.propagation.keyframes import interpolate
from napari_medsam.engine.propagation.propagation_seeds import Seed, seed_from_3d_box
from napari_medsam.engine.session import Session
from napari_medsam.measure.metrics import dice, surface_dice
from napari_medsam.models.loading import open_model

MAX_SLICES = 24
N_SAMPLED_SLICES = 6
MIN_PIXELS = 20
"""On a slice with fewer pixels of the object a clinician would draw no box."""

STRATEGIES = (
    "slice",
    "original_slice",
    "one_box",
    "box3d",
    "original_3d",
    "keyframes3",
    "keyframes5",
    "oracle",
    "oracle_views",
)

DIFFERENCES = (("slice", "original_slice"), ("one_box", "original_3d"), ("box3d", "original_3d"))
"""Our rules compared with the original's on the same boxes."""

MODALITIES = {
    "CT": "CT",
    "MR": "MR",
    "PET": "PET",
    "Ultrasound": "US",
    "X-ray": "X-Ray",
    "Mammography": "Mammography",
    "Dermoscopy": "Dermoscopy",
    "Endoscopy": "Endoscopy",
    "Fundus": "Fundus",
    "Microscopy": "Microscopy",
    "OCT": "OCT",
}


@dataclass(frozen=True)
class Object:
    """One object to segment: its reference mask on the slices that are used."""

    label: int
    reference: dict[int, np.ndarray]

    @property
    def boxes(self) -> dict[int, BoxPrompt]:
        """The tight box on each slice with at least `MIN_PIXELS` of the object."""
        return {
            z: BoxPrompt(SliceRef("z", z), *tight_box(mask))
            for z, mask in self.reference.items()
            if np.count_nonzero(mask) >= MIN_PIXELS
        }


@dataclass(frozen=True)
class Case:
    """A volume with its reference objects, and the sessions that segment it.

    `ours` uses crops, `whole_only` shows whole slices, `original` follows the original script.
    """

    name: str
    modality: str
    volume: Volume
    spacing_zyx: tuple[float, ...]
    objects: list[Object]
    ours: Session
    whole_only: Session
    original: Session


def tight_box(mask: np.ndarray) -> tuple[float, float, float, float]:
    """Return x_min, y_min, x_max, y_max of a slice's mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])


def objects_of(labels: np.ndarray, limit: int | None) -> list[Object]:
    """Return the largest component of each label, on its middle slices; at most `limit` labels."""
    numbers = [int(number) for number in np.unique(labels) if number]
    numbers.sort(key=lambda number: -int((labels == number).sum()))
    if limit is not None and len(numbers) > limit:
        # Labels of all sizes, so that small structures are included.
        numbers = [numbers[int(i)] for i in np.linspace(0, len(numbers) - 1, limit)]
    objects = []
    for number in numbers:
        parts, n_parts = ndimage.label(labels == number)
        if n_parts == 0:
            continue
        part = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
        slices = np.flatnonzero(part.any(axis=(1, 2)))
        middle = (slices[0] + slices[-1]) // 2
        first = max(int(slices[0]), int(middle) - MAX_SLICES // 2)
        used = range(first, min(int(slices[-1]), first + MAX_SLICES - 1) + 1)
        target = Object(number, {z: part[z] for z in used})
        if target.boxes:
            objects.append(target)
    return objects


def load_case(path: Path, meta: dict, model: object, cache: EmbeddingCache, limit) -> Case:
    with np.load(path, allow_pickle=False) as arrays:
        image, labels, spacing = arrays["image"], arrays["label"], arrays["spacing"]
    if labels.ndim == 2:
        image, labels, spacing = image[None], labels[None], (1.0, *spacing)
    text = meta.get(path.stem, {}).get("modality", "")
    modality = next((name for start, name in MODALITIES.items() if text.startswith(start)), "")
    volume = Volume(image, modality=modality)
    options = {"cache": cache}
    return Case(
        path.stem,
        modality or "unknown",
        volume,
        tuple(float(s) for s in spacing),
        objects_of(labels, limit),
        Session(volume, model, **options),
        Session(volume, model, views=False, **options),
        Session(volume, model, compat=True, **options),
    )


def sampled_boxes(target: Object) -> list[BoxPrompt]:
    """Return up to six of the object's boxes, spread over its slices."""
    boxes = [target.boxes[z] for z in sorted(target.boxes)]
    indices = np.unique(
        np.linspace(0, len(boxes) - 1, min(N_SAMPLED_SLICES, len(boxes))).astype(int)
    )
    return [boxes[index] for index in indices]


def box3d(target: Object) -> tuple[BoxPrompt, int, int]:
    """Return the object's extent: a box on its middle slice, its first and its last slice."""
    corners = np.array([box.corners for box in target.boxes.values()])
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    first, last = min(target.boxes), max(target.boxes)
    return BoxPrompt(SliceRef("z", (first + last) // 2), *low, *high), first, last


def from_keyframes(case: Case, target: Object, n: int) -> dict[int, SliceMask]:
    """Masks from the tight boxes on n slices, spread from the object's first slice to its last."""
    slices = sorted(target.boxes)
    chosen = sorted({slices[round(index)] for index in np.linspace(0, len(slices) - 1, n)})
    track = interpolate([target.boxes[z] for z in chosen], range(slices[0], slices[-1] + 1))
    keyframes = {z: Keyframe(target.boxes[z]) for z in chosen}
    return last_masks(case.ours.segment_tracks([track], [keyframes]))


def last_masks(results: Iterable[tuple[int, SliceMask]]) -> dict[int, SliceMask]:
    """Return the last mask of each slice: later ones replace earlier ones."""
    return {mask.slice.index: mask for _, mask in results}


def one_box_seed(target: Object) -> Seed:
    slices = sorted(target.boxes)
    return Seed(target.boxes[slices[len(slices) // 2]], slices[0], slices[-1])


def from_one_box(case: Case, target: Object) -> dict[int, SliceMask]:
    return last_masks(case.ours.propagate([one_box_seed(target)]))


def from_box3d(case: Case, target: Object) -> dict[int, SliceMask]:
    box, first, last = box3d(target)
    return last_masks(case.ours.segment_box3d([Seed(box, first, last)]))


def by_original_rules(case: Case, target: Object) -> dict[int, SliceMask]:
    box, first, last = box3d(target)
    return last_masks(case.original.propagate([seed_from_3d_box(box, first, last, label=1)]))


def from_box_per_slice(session: Session, boxes: list[BoxPrompt]) -> dict[int, SliceMask]:
    return last_masks(session.segment_tracks([boxes]))


Strategy = Callable[[Case, Object], dict[int, SliceMask]]
IN_3D: dict[str, Strategy] = {
    "one_box": from_one_box,
    "box3d": from_box3d,
    "original_3d": by_original_rules,
    "keyframes3": lambda case, target: from_keyframes(case, target, 3),
    "keyframes5": lambda case, target: from_keyframes(case, target, 5),
    "oracle": lambda case, target: from_box_per_slice(case.whole_only, [*target.boxes.values()]),
    "oracle_views": lambda case, target: from_box_per_slice(case.ours, [*target.boxes.values()]),
}


JITTER = 0.1
"""Each side of a box moves in or out by at most this share of the box's size."""


def jittered(boxes: list[BoxPrompt], shape: tuple[int, int], seed: str) -> list[BoxPrompt]:
    """Return the boxes as a hand would draw them; the same in every run."""
    rng = np.random.default_rng(list(seed.encode()))
    moved = []
    for box in boxes:
        shift = rng.uniform(-JITTER, JITTER, 4) * (box.width, box.height, box.width, box.height)
        moved.append(box_prompt(box.slice, tuple(np.array(box.corners) + shift), shape))
    return moved


def score_slices(
    session: Session, target: Object, case: Case, boxes: list[BoxPrompt]
) -> tuple[list[dict], float, float]:
    """Segment each slice separately; return a row per slice, the mean Dice and the mean NSD."""
    rows, nsd = [], []
    for box, mask in zip(boxes, session.segment(boxes), strict=True):
        truth = target.reference[box.slice.index]
        rows.append(
            {
                "dice": dice(mask.mask, truth),
                "relative_side": max(box.width, box.height) / max(truth.shape),
                "long_side": max(truth.shape),
                "evidence": mask.evidence,
            }
        )
        nsd.append(surface_dice(mask.mask, truth, case.spacing_zyx[1:]))
    return rows, float(np.mean([row["dice"] for row in rows])), float(np.mean(nsd))


def score_volume(masks: dict[int, SliceMask], target: Object, case: Case) -> tuple[float, float]:
    """Return Dice and NSD over all slices of the object; a slice without a mask is empty."""
    slices = sorted(target.reference)
    empty = np.zeros(case.volume.slice_shape("z"), bool)
    found = np.stack([masks[z].mask if z in masks else empty for z in slices])
    truth = np.stack([target.reference[z] for z in slices])
    return dice(found, truth), surface_dice(found, truth, case.spacing_zyx)


def measure(case: Case, costs: Costs) -> tuple[list[dict], list[dict]]:
    """Return a row for each object, and one for each slice mask of some strategies."""
    rows, slices = [], []
    for target in case.objects:
        row = {"case": case.name, "modality": case.modality, "label": target.label}
        row["dice"], row["nsd"] = {}, {}
        exact = sampled_boxes(target)
        jitter = jittered(exact, case.volume.slice_shape("z"), f"{case.name} {target.label}")
        for name, session in (("slice", case.ours), ("original_slice", case.original)):
            per_slice, dice_mean, nsd_mean = score_slices(session, target, case, exact)
            row["dice"][name], row["nsd"][name] = dice_mean, nsd_mean
            slices += [{**s, "strategy": name, "case": case.name} for s in per_slice]
            per_slice, *_ = score_slices(session, target, case, jitter)
            slices += [{**s, "strategy": f"{name}_jittered", "case": case.name} for s in per_slice]
        if len(target.boxes) > 1:
            for name, strategy in IN_3D.items():
                masks = strategy(case, target)
                row["dice"][name], row["nsd"][name] = score_volume(masks, target, case)
                if name == "one_box":
                    slices += confidences(masks, target, case, name)
                    costs.add_propagation(case.ours, one_box_seed(target))
        rows.append(row)
        print(f"{case.name} {target.label}: {rounded(row['dice'])}", file=sys.stderr, flush=True)
    return rows, slices


def confidences(masks: dict[int, SliceMask], target: Object, case: Case, name: str) -> list[dict]:
    """Return the confidence and the Dice of each slice of a propagation."""
    from napari_medsam.engine.data.confidence import slice_confidences

    confidence = slice_confidences(masks)
    return [
        {
            "strategy": name,
            "case": case.name,
            "confidence": confidence[z],
            "dice": dice(masks[z].mask, target.reference[z]),
        }
        for z in sorted(masks)
        if z in target.reference and (target.reference[z].any() or not masks[z].is_empty)
    ]


def auroc(confidence: np.ndarray, is_bad: np.ndarray) -> float:
    """Probability that a bad slice has a lower confidence than a good one; ties count half."""
    bad, good = confidence[is_bad], confidence[~is_bad]
    if bad.size == 0 or good.size == 0:
        return float("nan")
    lower = (bad[:, None] < good[None]).mean() + 0.5 * (bad[:, None] == good[None]).mean()
    return float(lower)


def summarize(rows: list[dict], slices: list[dict]) -> dict:
    def means(some_rows: list[dict], metric: str) -> dict[str, float]:
        values: dict[str, list[float]] = defaultdict(list)
        for row in some_rows:
            for strategy, value in row[metric].items():
                values[strategy].append(value)
        return {s: float(np.nanmean(values[s])) for s in STRATEGIES if s in values}

    modalities = sorted({row["modality"] for row in rows})
    small = [s for s in slices if s.get("relative_side", 1) < SMALL]
    with_confidence = [s for s in slices if "confidence" in s]
    return {
        "mean": means(rows, "dice"),
        "mean_nsd": means(rows, "nsd"),
        "modality": {m: means([r for r in rows if r["modality"] == m], "dice") for m in modalities},
        "small": {
            name: float(np.mean([s["dice"] for s in small if s["strategy"] == name]))
            for name in ("slice", "original_slice")
            if any(s["strategy"] == name for s in small)
        },
        "large": large_slices(slices),
        "confidence_auroc": auroc(
            np.array([s["confidence"] for s in with_confidence]),
            np.array([s["dice"] < 0.8 for s in with_confidence], dtype=bool),
        ),
        "n_labels": len(rows),
        "cases": rows,
    }


SMALL, LARGE = 0.1, 300
"""A box is small below this share of its slice's long side; a slice is large above these pixels."""


def large_slices(slices: list[dict]) -> dict[str, dict[str, float]]:
    """Return mean Dice over boxes on large slices: all and small boxes, exact and jittered."""
    groups: dict[str, dict[str, float]] = {}
    for group, max_side in (("all", np.inf), ("small", SMALL)):
        for suffix in ("", "_jittered"):
            means = {}
            for name in ("slice", "original_slice"):
                values = [
                    s["dice"]
                    for s in slices
                    if s["strategy"] == name + suffix
                    and s["long_side"] > LARGE
                    and s["relative_side"] < max_side
                ]
                if values:
                    means |= {name: float(np.mean(values)), "n": len(values)}
            groups[group + suffix] = means
    return groups


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


def table(summary: dict) -> str:
    """Format the means as markdown, one row per group."""
    headings = (*STRATEGIES, *(f"{ours} - {theirs}" for ours, theirs in DIFFERENCES))
    lines = ["| | " + " | ".join(headings) + " |", "|---" * (len(headings) + 1) + "|"]
    groups = {"all, Dice": summary["mean"], "all, NSD": summary["mean_nsd"]}
    groups.update(summary["modality"])
    groups["boxes under a tenth of the slice"] = summary["small"]
    for name, means in groups.items():
        cells = [f"{means[s]:.3f}" if s in means else "" for s in STRATEGIES]
        cells += [
            f"{means[ours] - means[theirs]:+.3f}" if ours in means and theirs in means else ""
            for ours, theirs in DIFFERENCES
        ]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", "| slices with a long side above 300 pixels | n | slice | original_slice |"]
    lines.append("|---|---|---|---|")
    for group, means in summary["large"].items():
        if means:
            cells = f"{means['n']} | {means['slice']:.3f} | {means['original_slice']:.3f}"
            lines.append(f"| {group.replace('_', ', ')} | {cells} |")
    cost = ", ".join(f"{name} {value:.2f}" for name, value in summary["cost"].items())
    lines.append(f"\nCost with all embeddings ready: {cost}")
    lines.append(f"\nAUROC of the confidence for Dice under 0.8: {summary['confidence_auroc']:.3f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, metavar="DATA_DIR")
    parser.add_argument(
        "--cases", default="*", metavar="GLOB", help="only cases whose name matches this pattern"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="use at most N labels per case")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="store embeddings here for later runs"
    )
    options = parser.parse_args()
    meta_path = options.data / "meta.json"
    meta = json.loads(meta_path.read_text(encoding="utf-8")) if meta_path.is_file() else {}
    model = open_model()
    disk = DiskCache(options.cache, max_bytes=200 * 1000**3) if options.cache else None
    cache = EmbeddingCache(disk=disk)
    rows, slices, costs = [], [], Costs()
    for path in sorted((options.data / "cases").glob(f"{options.cases}.npz")):
        case = load_case(path, meta, model, cache, options.limit)
        case_rows, case_slices = measure(case, costs)
        rows += case_rows
        slices += case_slices
    if not rows:
        sys.exit(f"There is no labelled case {options.cases}.npz in {options.data / 'cases'}.")
    summary = summarize(rows, slices) | {"cost": costs.means()}
    print(table(summary))
    if options.json:
        options.json.write_text(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
