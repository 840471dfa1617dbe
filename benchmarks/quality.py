"""How good the masks are on labelled cases, by our rules and by the original script's.

    python benchmarks/quality.py DATA_DIR [--cases GLOB] [--limit N] [--json FILE] [--cache DIR]

DATA_DIR has `cases/*.npz` (image, label, spacing) and `meta.json`. Boxes are tight boxes of the
reference mask, as floats. In 3D each label's largest component is the object, at most 24 of its
slices around the middle. Prints a markdown table; docs/quality.md says what each strategy is.
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
from napari_medsam.engine.propagation.seeds import Seed, seed_from_3d_box
from napari_medsam.engine.session import Session
from napari_medsam.measure.metrics import dice, surface_dice
from napari_medsam.models.loading import open_model

MOST_SLICES = 24
SLICES_SAMPLED = 6
FEWEST_PIXELS = 20
"""A box on fewer pixels of a slice than this is not what a clinician would draw."""

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
"""Ours against the original's rules on the same boxes."""

MODALITY_WORDS = {
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
    """One thing to segment: its reference mask on the slices that are looked at."""

    label: int
    reference: dict[int, np.ndarray]

    @property
    def boxes(self) -> dict[int, BoxPrompt]:
        """The tight box on each slice that has enough of it."""
        return {
            z: BoxPrompt(SliceRef("z", z), *tight(mask))
            for z, mask in self.reference.items()
            if np.count_nonzero(mask) >= FEWEST_PIXELS
        }


@dataclass(frozen=True)
class Case:
    """A volume with its reference, and the sessions that look at it."""

    name: str
    modality: str
    volume: Volume
    spacing_zyx: tuple[float, ...]
    objects: list[Object]
    ours: Session
    whole_only: Session
    original: Session


def tight(mask: np.ndarray) -> tuple[float, float, float, float]:
    """x_min, y_min, x_max, y_max of a slice's mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    return float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1])


def objects_of(labels: np.ndarray, limit: int | None) -> list[Object]:
    """The largest component of each label, on its middle slices; `limit` labels by size."""
    numbers = [int(n) for n in np.unique(labels) if n]
    numbers.sort(key=lambda n: -int((labels == n).sum()))
    if limit is not None and len(numbers) > limit:
        # Spread over the sizes, so that small structures are not left out.
        numbers = [numbers[int(i)] for i in np.linspace(0, len(numbers) - 1, limit)]
    found = []
    for number in numbers:
        parts, n_parts = ndimage.label(labels == number)
        if n_parts == 0:
            continue
        part = parts == 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
        slices = np.flatnonzero(part.any(axis=(1, 2)))
        middle = (slices[0] + slices[-1]) // 2
        first = max(int(slices[0]), int(middle) - MOST_SLICES // 2)
        kept = range(first, min(int(slices[-1]), first + MOST_SLICES - 1) + 1)
        one = Object(number, {z: part[z] for z in kept})
        if one.boxes:
            found.append(one)
    return found


def load_case(path: Path, meta: dict, model: object, cache: EmbeddingCache, limit) -> Case:
    with np.load(path, allow_pickle=False) as arrays:
        image, labels, spacing = arrays["image"], arrays["label"], arrays["spacing"]
    if labels.ndim == 2:
        image, labels, spacing = image[None], labels[None], (1.0, *spacing)
    said = meta.get(path.stem, {}).get("modality", "")
    modality = next((w for start, w in MODALITY_WORDS.items() if said.startswith(start)), "")
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


def sampled(one: Object) -> list[BoxPrompt]:
    """Up to six of its boxes, spread over its slices."""
    boxes = [one.boxes[z] for z in sorted(one.boxes)]
    picks = np.unique(np.linspace(0, len(boxes) - 1, min(SLICES_SAMPLED, len(boxes))).astype(int))
    return [boxes[i] for i in picks]


def box3d(one: Object) -> tuple[BoxPrompt, int, int]:
    """Its extent: the box on its middle slice, the first and the last slice."""
    corners = np.array([b.corners for b in one.boxes.values()])
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    first, last = min(one.boxes), max(one.boxes)
    return BoxPrompt(SliceRef("z", (first + last) // 2), *low, *high), first, last


def keyframes(case: Case, one: Object, n: int) -> dict[int, SliceMask]:
    """From its true boxes on n slices from its first to its last, and what lies between."""
    slices = sorted(one.boxes)
    picks = sorted({slices[round(i)] for i in np.linspace(0, len(slices) - 1, n)})
    track = interpolate([one.boxes[z] for z in picks], range(slices[0], slices[-1] + 1))
    keyframes = {z: Keyframe(one.boxes[z]) for z in picks}
    return collect(case.ours.segment_tracks([track], [keyframes]))


def collect(found: Iterable[tuple[int, SliceMask]]) -> dict[int, SliceMask]:
    """The last mask of each slice."""
    return {mask.slice.index: mask for _, mask in found}


def one_box_seed(one: Object) -> Seed:
    slices = sorted(one.boxes)
    return Seed(one.boxes[slices[len(slices) // 2]], slices[0], slices[-1])


def one_box(case: Case, one: Object) -> dict[int, SliceMask]:
    return collect(case.ours.propagate([one_box_seed(one)]))


def from_box3d(case: Case, one: Object) -> dict[int, SliceMask]:
    box, first, last = box3d(one)
    return collect(case.ours.segment_box3d([Seed(box, first, last)]))


def original_3d(case: Case, one: Object) -> dict[int, SliceMask]:
    box, first, last = box3d(one)
    return collect(case.original.propagate([seed_from_3d_box(box, first, last, label=1)]))


def tracked(session: Session, boxes: list[BoxPrompt]) -> dict[int, SliceMask]:
    return collect(session.segment_tracks([boxes]))


Strategy = Callable[[Case, Object], dict[int, SliceMask]]
IN_3D: dict[str, Strategy] = {
    "one_box": one_box,
    "box3d": from_box3d,
    "original_3d": original_3d,
    "keyframes3": lambda case, one: keyframes(case, one, 3),
    "keyframes5": lambda case, one: keyframes(case, one, 5),
    "oracle": lambda case, one: tracked(case.whole_only, list(one.boxes.values())),
    "oracle_views": lambda case, one: tracked(case.ours, list(one.boxes.values())),
}


JITTER = 0.1
"""Share of a box's size by which each of its sides is moved at most, in or out."""


def jittered(boxes: list[BoxPrompt], shape: tuple[int, int], seed: str) -> list[BoxPrompt]:
    """The boxes as a hand would draw them; the same ones in every run."""
    rng = np.random.default_rng(list(seed.encode()))
    moved = []
    for box in boxes:
        by = rng.uniform(-JITTER, JITTER, 4) * (box.width, box.height, box.width, box.height)
        moved.append(box_prompt(box.slice, tuple(np.array(box.corners) + by), shape))
    return moved


def score_slices(
    session: Session, one: Object, case: Case, boxes: list[BoxPrompt]
) -> tuple[list[dict], float, float]:
    """Each slice by itself: rows with Dice and what is known of it; both means."""
    rows, nsd = [], []
    for box, mask in zip(boxes, session.segment(boxes), strict=True):
        truth = one.reference[box.slice.index]
        rows.append(
            {
                "dice": dice(mask.mask, truth),
                "relative_side": max(box.width, box.height) / max(truth.shape),
                "long_side": max(truth.shape),
                "evidence": mask.evidence,
            }
        )
        nsd.append(surface_dice(mask.mask, truth, case.spacing_zyx[1:]))
    return rows, float(np.mean([r["dice"] for r in rows])), float(np.mean(nsd))


def score_volume(masks: dict[int, SliceMask], one: Object, case: Case) -> tuple[float, float]:
    slices = sorted(one.reference)
    empty = np.zeros(case.volume.slice_shape("z"), bool)
    found = np.stack([masks[z].mask if z in masks else empty for z in slices])
    truth = np.stack([one.reference[z] for z in slices])
    return dice(found, truth), surface_dice(found, truth, case.spacing_zyx)


def measure(case: Case, costs: Costs) -> tuple[list[dict], list[dict]]:
    """A row for each object; and one for each slice mask of the strategies we would show."""
    rows, slices = [], []
    for one in case.objects:
        row = {"case": case.name, "modality": case.modality, "label": one.label}
        row["dice"], row["nsd"] = {}, {}
        exact = sampled(one)
        loose = jittered(exact, case.volume.slice_shape("z"), f"{case.name} {one.label}")
        for name, session in (("slice", case.ours), ("original_slice", case.original)):
            per_slice, row["dice"][name], row["nsd"][name] = score_slices(session, one, case, exact)
            slices += [{**s, "strategy": name, "case": case.name} for s in per_slice]
            per_slice, *_ = score_slices(session, one, case, loose)
            slices += [{**s, "strategy": f"{name}_jittered", "case": case.name} for s in per_slice]
        if len(one.boxes) > 1:
            for name, strategy in IN_3D.items():
                masks = strategy(case, one)
                row["dice"][name], row["nsd"][name] = score_volume(masks, one, case)
                if name == "one_box":
                    slices += confidences(masks, one, case, name)
                    costs.add_chain(case.ours, one_box_seed(one))
        rows.append(row)
        print(f"{case.name} {one.label}: {rounded(row['dice'])}", file=sys.stderr, flush=True)
    return rows, slices


def confidences(masks: dict[int, SliceMask], one: Object, case: Case, name: str) -> list[dict]:
    """What the program thinks of each slice of a propagation, beside the truth."""
    from napari_medsam.engine.data.confidence import slice_confidences

    trust = slice_confidences(masks)
    return [
        {
            "strategy": name,
            "case": case.name,
            "confidence": trust[z],
            "dice": dice(masks[z].mask, one.reference[z]),
        }
        for z in sorted(masks)
        if z in one.reference and (one.reference[z].any() or not masks[z].is_empty)
    ]


def auroc(confidence: np.ndarray, is_bad: np.ndarray) -> float:
    """The chance that a bad slice is trusted less than a good one; ties count half."""
    bad, good = confidence[is_bad], confidence[~is_bad]
    if bad.size == 0 or good.size == 0:
        return float("nan")
    lower = (bad[:, None] < good[None]).mean() + 0.5 * (bad[:, None] == good[None]).mean()
    return float(lower)


def summarize(rows: list[dict], slices: list[dict]) -> dict:
    def means(some: list[dict], what: str) -> dict[str, float]:
        values: dict[str, list[float]] = defaultdict(list)
        for row in some:
            for strategy, value in row[what].items():
                values[strategy].append(value)
        return {s: float(np.nanmean(values[s])) for s in STRATEGIES if s in values}

    modalities = sorted({row["modality"] for row in rows})
    small = [s for s in slices if s.get("relative_side", 1) < SMALL]
    trusted = [s for s in slices if "confidence" in s]
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
            np.array([s["confidence"] for s in trusted]),
            np.array([s["dice"] < 0.8 for s in trusted], dtype=bool),
        ),
        "n_labels": len(rows),
        "cases": rows,
    }


SMALL, LARGE = 0.1, 300
"""A box under this share of its slice's long side, and a slice with a longer side in pixels."""


def large_slices(slices: list[dict]) -> dict[str, dict[str, float]]:
    """Mean Dice over boxes on large slices: all and small ones, as drawn and jittered."""
    found: dict[str, dict[str, float]] = {}
    for group, most in (("all", np.inf), ("small", SMALL)):
        for suffix in ("", "_jittered"):
            means = {}
            for name in ("slice", "original_slice"):
                values = [
                    s["dice"]
                    for s in slices
                    if s["strategy"] == name + suffix
                    and s["long_side"] > LARGE
                    and s["relative_side"] < most
                ]
                if values:
                    means |= {name: float(np.mean(values)), "n": len(values)}
            found[group + suffix] = means
    return found


def rounded(values: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in values.items()}


def table(summary: dict) -> str:
    """The means as markdown, a row for each group."""
    heads = (*STRATEGIES, *(f"{ours} - {theirs}" for ours, theirs in DIFFERENCES))
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    groups = {"all, Dice": summary["mean"], "all, NSD": summary["mean_nsd"]}
    groups.update(summary["modality"])
    groups["small boxes"] = summary["small"]
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
    lines.append(f"\nCost with all embeddings there: {cost}")
    lines.append(f"\nAUROC of the confidence for Dice under 0.8: {summary['confidence_auroc']:.3f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--cases", default="*", help="only cases whose name fits this pattern")
    parser.add_argument("--limit", type=int, help="at most this many labels of a case")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--cache", type=Path, help="keep embeddings here, for a second run")
    given = parser.parse_args()
    meta_path = given.data / "meta.json"
    meta = json.loads(meta_path.read_text(encoding="utf-8")) if meta_path.is_file() else {}
    model = open_model()
    disk = DiskCache(given.cache, max_bytes=200 * 1000**3) if given.cache else None
    cache = EmbeddingCache(disk=disk)
    rows, slices, costs = [], [], Costs()
    for path in sorted((given.data / "cases").glob(f"{given.cases}.npz")):
        more_rows, more_slices = measure(load_case(path, meta, model, cache, given.limit), costs)
        rows += more_rows
        slices += more_slices
    if not rows:
        sys.exit(f"There is no labelled case {given.cases}.npz in {given.data / 'cases'}.")
    summary = summarize(rows, slices) | {"cost": costs.means()}
    print(table(summary))
    if given.json:
        given.json.write_text(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
