"""Group many made-up series whose volumes are known: no mixture, crash or silent loss.

    python benchmarks/series_fuzz.py [--series 100000] [--seed N] [--processes N] [--only WORD]

Each series is a list of slice headers: one to four volumes that differ by an echo time, a time
point, a b-value, numbers alone, or nothing; on one grid, on interleaved grids, or overlapping in
part. Then slices are lost, copied and rounded, and fields are blanked. `stacks_of` must give

    no mixture    each frame of a stack has slices of one volume, whatever its notes say
    no loss       each slice is in one stack, or a note or a problem says otherwise
    true places   each slice lies where the geometry of its stack says
    one answer    the same for any order of files and any names
    no split      a whole series that can be told apart gives its volumes, no more, no fewer

Prints a table: what tells apart, series, exactly right, refused, faults. Exits 1 if there is a
fault, and prints examples of each on stderr. A series is made from the seed and its number.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import filecmp
import itertools
import multiprocessing
import sys
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
if str(HERE.parent) not in sys.path:
    sys.path.append(str(HERE.parent))  # after PYTHONPATH, which may name an older tree

from napari_medsam.formats.dicom.header.slice_header import SliceHeader  # noqa: E402
from napari_medsam.formats.dicom.volumes.series import stacks_of  # noqa: E402 - needs the path above

with contextlib.suppress(ImportError):
    from napari_medsam.formats.dicom.header.distinctions import distinctions_of
HAS_DISTINCTIONS = "distinctions" in {f.name for f in dataclasses.fields(SliceHeader)}

MAX_PRINTED = 3
SAID = ("more than one slice", "twice", "there twice", "copies")
"""A note with one of these says that slices were left out."""


@dataclasses.dataclass(frozen=True)
class Made:
    """One slice of a made-up series: its volume, its place in it, what its header says."""

    volume: int
    height: float
    number: int
    fields: tuple[tuple[str, Any], ...]
    uid: str
    copy: int = 0

    @property
    def identity(self) -> tuple[int, float]:
        return self.volume, round(self.height, 5)


@dataclasses.dataclass(frozen=True)
class Series:
    """Made slices, and what is expected of them."""

    told_by: str
    modality: str
    grid: str
    thickness: float
    directions: NDArray[np.float64]
    slices: tuple[Made, ...]
    whole: bool
    """Whether nothing was lost or blanked, and its volumes can be told apart."""
    joinable: bool
    """Whether its volumes may as well be one: they follow each other along the body."""


# What volume v of n says: a value, or one for each slice k.
TELLS: dict[str, Any] = {
    "EchoTime": lambda v, k: {"EchoTime": 10.0 + 12.5 * v},
    "EchoNumbers": lambda v, k: {"EchoNumbers": v + 1},
    "both of an echo": lambda v, k: {"EchoTime": 2.3 + 0.16 * v, "EchoNumbers": v + 1},
    "TemporalPositionIdentifier": lambda v, k: {"TemporalPositionIdentifier": v + 1},
    "DiffusionBValue": lambda v, k: {"DiffusionBValue": 500.0 * v},
    "gradient": lambda v, k: {
        "DiffusionBValue": 800.0,
        "DiffusionGradientOrientation": [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0], [0.6, 0.8, 0]][v],
    },
    "InversionTime": lambda v, k: {"InversionTime": 100.0 + 300 * v},
    "FlipAngle": lambda v, k: {"FlipAngle": 3.0 + 12 * v},
    "cardiac phase": lambda v, k: {"NominalPercentageOfCardiacPhase": 10.0 * v},
    "component": lambda v, k: {
        "ComplexImageComponent": ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY")[v]
    },
    "ImageType": lambda v, k: {"ImageType": ["ORIGINAL", "PRIMARY", "MPRI"[v], "ND"]},
    "ConvolutionKernel": lambda v, k: {"ConvolutionKernel": f"B{30 + 10 * v}f"},
    "KVP": lambda v, k: {"KVP": 80.0 + 20 * v},
    "AcquisitionNumber": lambda v, k: {"AcquisitionNumber": v + 1},
    "TriggerTime": lambda v, k: {"TriggerTime": 40.0 * v},
    "AcquisitionTime, one a volume": lambda v, k: {"AcquisitionTime": f"12{v:02d}00"},
    "AcquisitionTime, one a slice": lambda v, k: {"AcquisitionTime": f"12{10 * v:02d}{k:02d}"},
    "FrameReferenceTime": lambda v, k: {"FrameReferenceTime": 5000.0 + 10000 * v},
    "numbers, volume by volume": lambda v, k: {},
    "numbers, place by place": lambda v, k: {},
    "nothing": lambda v, k: {},
}
PASSES = ("AcquisitionNumber", "ConvolutionKernel", "KVP", "AcquisitionTime, one a volume")
"""What may tell apart passes on grids of their own."""
DECOYS: dict[str, Any] = {
    "EchoTime": lambda v, k, rng: 30.0,
    "RepetitionTime": lambda v, k, rng: 2000.0,
    "KVP": lambda v, k, rng: 120.0,
    "ImageType": lambda v, k, rng: ["ORIGINAL", "PRIMARY", "AXIAL"],
    "AcquisitionNumber": lambda v, k, rng: k + 1,
    "ContentTime": lambda v, k, rng: f"13{rng.integers(60):02d}{rng.integers(60):02d}",
    "TriggerTime": lambda v, k, rng: 35.0 * k,
    "FlipAngle": lambda v, k, rng: 90.0,
}
"""What does not tell apart: shared by all, or different from slice to slice."""


def made_series(seed: int, index: int, only: str = "") -> Series:
    """The series of this number."""
    rng = np.random.default_rng((seed, index))
    told_by = str(rng.choice([t for t in TELLS if only in t]))
    n_volumes = int(rng.integers(2, 5)) if rng.random() < 0.85 else 1
    n_places = int(rng.integers(3, 9))
    step = float(rng.choice([0.6, 1.0, 2.5, 3.0, 5.0]))
    modality = "CT" if told_by in PASSES else str(rng.choice(["MR", "MR", "CT", "PET"]))
    grid = (
        "one"
        if n_volumes == 1 or told_by not in PASSES
        else str(rng.choice(["one", "off", "part", "part off", "after"]))
    )
    starts = _starts(rng, grid, n_volumes, n_places, step)
    decoys = [d for d in DECOYS if rng.random() < 0.3 and d not in _keywords(told_by)]
    scheme = {"numbers, volume by volume": "by volume", "numbers, place by place": "by place"}.get(
        told_by, str(rng.choice(["by volume", "by place", "again", "none", "any"]))
    )
    if told_by == "nothing":
        scheme = str(rng.choice(["again", "none"]))
    any_order = rng.permutation(n_volumes * n_places)
    downwards = rng.random() < 0.3
    slices = []
    for v in range(n_volumes):
        for k in range(n_places):
            told = TELLS[told_by](v, k) if n_volumes > 1 else {}
            fields = {d: DECOYS[d](v, k, rng) for d in decoys} | told
            j = n_places - 1 - k if downwards else k
            number = {
                "by volume": v * n_places + j + 1,
                "by place": j * n_volumes + v + 1,
                "again": j + 1,
                "none": 0,
                "any": int(any_order[v * n_places + k]) + 1,
            }[scheme]
            height = starts[v] + k * step
            slices.append(Made(v, height, number, tuple(fields.items()), f"1.2.{index}.{v}.{k}"))
    whole = told_by != "nothing"
    slices, is_changed = _damaged(rng, slices, step)
    return Series(
        told_by if n_volumes > 1 else "one volume",
        modality,
        grid,
        step * float(rng.choice([0.8, 1.0, 2.0])),
        _directions(rng),
        tuple(slices),
        (whole or n_volumes == 1) and not is_changed,
        _follow(slices),
    )


def _follow(slices: Sequence[Made]) -> bool:
    """Whether no volume has a slice between those of another one."""
    heights: defaultdict[int, list[float]] = defaultdict(list)
    for one in slices:
        heights[one.volume].append(one.height)
    ends = sorted((min(own), max(own)) for own in heights.values())
    return all(high < low for (_, high), (low, _) in itertools.pairwise(ends))


def _keywords(told_by: str) -> set[str]:
    return set(TELLS[told_by](0, 0)) | (
        {"AcquisitionNumber", "TriggerTime"} if "number" in told_by else set()
    )


def _starts(
    rng: np.random.Generator, grid: str, n_volumes: int, n_places: int, step: float
) -> list[float]:
    """The lowest height of each volume."""
    off = {
        "one": 0.0,
        "off": float(rng.choice([0.02, 0.05, 0.26 * step, 0.3 * step, step / n_volumes])),
        "part": step * int(rng.integers(1, n_places)),
        "part off": step * (int(rng.integers(1, n_places)) + 0.34),
        "after": step * n_places,
    }[grid]
    return [v * off for v in range(n_volumes)]


def _directions(rng: np.random.Generator) -> NDArray[np.float64]:
    """Row, column and normal: axial, or oblique."""
    if rng.random() < 0.6:
        return np.eye(3)
    turned, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    turned[:, 2] = np.cross(turned[:, 0], turned[:, 1])
    return np.asarray(turned)


def _damaged(rng: np.random.Generator, slices: list[Made], step: float) -> tuple[list[Made], bool]:
    """Slices lost, copied, rounded; fields blanked. Whether it is no longer whole."""
    changed = False
    digits = int(rng.choice([3, 5, 2])) if rng.random() < 0.4 and step >= 1.0 else 8
    slices = [dataclasses.replace(s, height=round(s.height, digits)) for s in slices]
    if rng.random() < 0.25:
        lost = set(rng.integers(len(slices), size=int(rng.integers(1, 3))).tolist())
        slices, changed = [s for n, s in enumerate(slices) if n not in lost], True
    if rng.random() < 0.12:
        n = int(rng.integers(len(slices)))
        fields = dict(slices[n].fields)
        if fields:
            del fields[str(rng.choice(list(fields)))]
            slices[n] = dataclasses.replace(slices[n], fields=tuple(fields.items()))
            changed = True
    if rng.random() < 0.2:
        copied = slices if rng.random() < 0.5 else [slices[int(rng.integers(len(slices)))]]
        slices = slices + [dataclasses.replace(s, copy=1) for s in copied]
    if rng.random() < 0.05:
        slices = [dataclasses.replace(s, uid="") for s in slices]
    return slices, changed


def headers_of(series: Series, rng: np.random.Generator) -> list[SliceHeader]:
    """Headers in any order, under any names; the folder's name is the image's."""
    row, column, normal = series.directions.T
    headers = []
    for n in rng.permutation(len(series.slices)):
        one = series.slices[n]
        fields = dict(one.fields)
        image_type = fields.get("ImageType", ["ORIGINAL", "PRIMARY"])
        more: dict[str, Any] = {}
        if HAS_DISTINCTIONS:
            more["distinctions"] = distinctions_of(fields.get)
        folder = f"{one.volume}_{one.height!r}"
        headers.append(
            SliceHeader(
                path=Path("/made", folder, f"{rng.integers(10**9)}.dcm"),
                series_uid="1.2.3",
                description="made",
                modality=series.modality,
                rows=8,
                columns=8,
                frames=1,
                components=1,
                position=np.array([-10.0, 20.0, 5.0]) + one.height * normal,
                row=row.copy(),
                column=column.copy(),
                pixel_spacing=(0.8, 0.8),
                thickness=series.thickness,
                window=None,
                body_part="",
                photometric="MONOCHROME2",
                image_type=tuple(image_type),
                sop_class="1.2.840.10008.5.1.4.1.1.2",
                instance_uid=one.uid,
                instance_number=one.number,
                transfer_syntax=b"1.2.840.10008.1.2.1",
                **more,
            )
        )
    return headers


def same_image(one: Any, other: Any, shallow: bool = True) -> bool:
    """Instead of `filecmp.cmp`: made files have the content that their folder names."""
    return Path(one).parent.name == Path(other).parent.name


Signature = list[tuple[Any, ...]]


def signature(stacks: Sequence[Any]) -> Signature:
    """All that a user meets, without the names of files."""
    return [
        (
            stack.uid,
            tuple(
                _names(frame, is_refused=bool(getattr(stack, "problem", "")))
                for frame in stack.slices
            ),
            tuple(stack.notes),
            getattr(stack, "words", ""),
            getattr(stack, "frame_words", ()),
            getattr(stack, "problem", ""),
            np.round(stack.geometry.affine, 6).tolist(),
        )
        for stack in stacks
    ]


def _names(frame: Sequence[Any], *, is_refused: bool) -> tuple[str, ...]:
    names = ["" if header is None else header.path.parent.name for header in frame]
    return tuple(sorted(names) if is_refused else names)


def faults_of(series: Series, rng: np.random.Generator) -> tuple[list[str], str]:
    """What is wrong, and "right", "refused" or "said"."""
    try:
        stacks = stacks_of(headers_of(series, rng))
        again = stacks_of(headers_of(series, rng))
    except Exception:  # noqa: BLE001 - finding any fault is the purpose
        return [f"crash: {traceback.format_exc(limit=-3)}"], "crash"
    faults = []
    if signature(stacks) != signature(again):
        faults.append("another answer for another order of files or other names")
    wanted: defaultdict[int, set[str]] = defaultdict(set)
    for one in series.slices:
        wanted[one.volume].add(f"{one.volume}_{one.height!r}")
    seen: Counter[str] = Counter()
    outcome, frames_found = "right", []
    for stack in stacks:
        said = any(word in note for note in stack.notes for word in SAID)
        refused = bool(getattr(stack, "problem", ""))
        outcome = "refused" if refused else "said" if said and outcome == "right" else outcome
        for frame in stack.slices:
            names = [h.path.parent.name for h in frame if h is not None]
            seen.update(set(names) if refused else names)
            volumes = {name.split("_")[0] for name in names}
            if len(volumes) > 1 and not (refused or series.joinable):
                faults.append(f"mixture of volumes {sorted(volumes)}")
            frames_found.append(frozenset(names))
            if not refused and stack.placed:
                faults += _moved(stack, frame)
    everything = set().union(*wanted.values())
    lost = everything - set(seen)
    notes = " ".join(note for stack in stacks for note in stack.notes)
    if lost and outcome == "right" and not any(word in notes for word in SAID):
        faults.append(f"lost in silence: {sorted(lost)[:4]}")
    if any(count > 1 for count in seen.values()) and outcome != "refused":
        faults.append(f"shown twice: {[n for n, c in seen.items() if c > 1][:3]}")
    if series.whole and not series.joinable and not faults:
        if outcome == "refused":
            faults.append("refused, though it can be told apart")
        elif sorted(map(sorted, frames_found)) != sorted(map(sorted, wanted.values())):
            faults.append(f"split into {len(frames_found)} volumes instead of {len(wanted)}")
    return list(dict.fromkeys(faults)), outcome


def _moved(stack: Any, frame: Sequence[Any]) -> list[str]:
    """Slices that do not lie where the geometry says, to a tenth of a slice or of a mm."""
    geometry = stack.geometry
    step = geometry.spacing_xyz[2] * np.asarray(geometry.direction)[:, 2]
    slack = max(0.1 * geometry.spacing_xyz[2], 0.1) + 1e-6
    for k, header in enumerate(frame):
        if header is None:
            continue
        off = float(np.linalg.norm(np.asarray(geometry.origin_xyz) + k * step - header.position))
        if off > slack:
            return [f"a slice shown {off:.3g} mm from its place"]
    return []


def in_words(series: Series) -> str:
    """One line a volume: what all its slices say, and what each says."""
    text = (
        f"    told by {series.told_by}, {series.modality}, grid {series.grid}, "
        f"thickness {series.thickness:g}, {'whole' if series.whole else 'not whole'}\n"
    )
    for volume in sorted({s.volume for s in series.slices}):
        slices = sorted(
            (s for s in series.slices if s.volume == volume), key=lambda s: (s.height, s.copy)
        )
        text += f"    volume {volume}: heights {' '.join(f'{s.height:g}' for s in slices)}; "
        text += f"numbers {' '.join(str(s.number) for s in slices)}"
        for name in dict.fromkeys(name for s in slices for name, _ in s.fields):
            values = [str(dict(s.fields).get(name)) for s in slices]
            text += f"; {name} {values[0] if len(set(values)) == 1 else ' '.join(values)}"
        text += "; no UIDs" if not slices[0].uid else ""
        text += f"; {sum(s.copy for s in slices)} copies" if any(s.copy for s in slices) else ""
        text += "\n"
    return text


def try_some(job: tuple[int, int, int, str]) -> tuple[dict[str, Counter[str]], list[str]]:
    """Series `first` to `last` of a seed."""
    seed, first, last, only = job
    filecmp.cmp = same_image  # type: ignore[assignment]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    examples: dict[str, str] = {}
    for index in range(first, last):
        series = made_series(seed, index, only)
        rng = np.random.default_rng((seed, index, 1))
        faults, outcome = faults_of(series, rng)
        row = table[series.told_by]
        row["series"] += 1
        row["faults" if faults else outcome] += 1
        for fault in faults:
            kind = fault.split()[0].strip(":")
            row[f"fault: {kind}"] += 1
            key = f"{kind}, {series.told_by}"
            if key not in examples and len(examples) < 40:
                examples[key] = f"- seed {seed}, series {index}: {fault}\n{in_words(series)}"
    return table, list(examples.values())


def main() -> int:
    options = _options()
    began = time.monotonic()
    size = max(50, min(2000, options.series // (4 * options.processes)))
    jobs = [
        (options.seed, first, min(first + size, options.first + options.series), options.only)
        for first in range(options.first, options.first + options.series, size)
    ]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    examples: list[str] = []
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        for some, found in pool.imap_unordered(try_some, jobs):
            for name, row in some.items():
                table[name].update(row)
            examples += found
    _print(table, began, options.seed)
    kinds: Counter[str] = Counter()
    for example in examples:
        kind = example.split(": ", 1)[1].split()[0]
        kinds[kind] += 1
        if kinds[kind] <= options.examples:
            print(example, file=sys.stderr)
    return int(any(row["faults"] for row in table.values()))


def _print(table: dict[str, Counter[str]], began: float, seed: int) -> None:
    print("| told apart by | series | right | said | refused | faults | which |")
    print("|---|---|---|---|---|---|---|")
    total: Counter[str] = Counter()
    for name, row in [*sorted(table.items()), ("all", total)]:
        which = ", ".join(f"{k.removeprefix('fault: ')} {n}" for k, n in row.items() if ":" in k)
        cells = [row[key] for key in ("series", "right", "said", "refused")]
        faults = row["faults"] + row["crash"]
        print("|", name, "|", " | ".join(map(str, cells)), "|", faults, "|", which, "|")
        if row is not total:
            total.update(row)
    seconds = time.monotonic() - began
    print(f"\nseed {seed}: {total['series']} series in {seconds:.0f} s")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0, help="the number of the first series")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--only", default="", help="a part of what tells apart")
    parser.add_argument("--examples", type=int, default=MAX_PRINTED, help="of each kind of fault")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
