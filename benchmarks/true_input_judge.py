"""What is right: the judgements of `true_input.py`, and its list of cases."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from true_input_program import Answer, Found, Program, Volume

EMPTY = float("nan")
"""A slice that is missing: what fills its place is left to the program."""
SHARED = Path(__file__).resolve().parents[2] / "shared" / "faults"


@dataclass(frozen=True)
class Result:
    """Whether what came out is right, and what it was."""

    right: bool
    came_out: str


Build = Callable[[Program, Path], Result]


@dataclass(frozen=True)
class Case:
    """One input: its kind (0: a plain one, which must open as ever), its name, its trial."""

    kind: int
    name: str
    trial: Build


CASES: list[Case] = []


def case(kind: int, name: str) -> Callable[[Build], Build]:
    """Add a trial to the list."""

    def added(trial: Build) -> Build:
        CASES.append(Case(kind, name, trial))
        return trial

    return added


def values_of(volume: Volume, of: Callable[..., Any] = np.median) -> str:
    """The values of the slices, in few words."""
    values = volume.by_slice(of)
    words = [f"{v:g}" for v in values]
    if len(values) > 6 and np.ptp(np.diff(values)) < 1e-6:
        return f"{words[0]} to {words[-1]} ({len(values)})"
    if len(values) > 6 and len(set(values)) == 1:
        return f"{len(values)} x {words[0]}"
    return " ".join(words[:14]) + (" ..." if len(words) > 14 else "")


def what_came(found: Found, of: Callable[..., Any] = np.median) -> str:
    if found.refusal is not None:
        return f"refused: {found.refusal.short}"
    texts = "; ".join(values_of(v, of) for v in found.volumes[:4])
    more = f" and {len(found.volumes) - 4} more" if len(found.volumes) > 4 else ""
    failed = f"; not converted: {found.failures[0].short}" if found.failures else ""
    return f"{len(found.volumes)} volume(s): {texts}{more}{failed}"


def judge(
    found: Found,
    expected: Sequence[Sequence[float]],
    *,
    said: str = "",
    step: float | None = None,
    lowest: Sequence[float] | None = None,
    or_refused: bool = False,
    quiet: bool = False,
    tolerance: float = 1e-3,
    of: Callable[..., Any] = np.median,
) -> Result:
    """Compare with the volumes that are right.

    `said` must be found in names, notes or messages. `step` is the distance of slices in mm, and
    `lowest` the height of the lowest slice of each volume. `quiet` forbids notes, `or_refused`
    allows one sentence in place of all. `of` gives a slice's value.
    """
    came = what_came(found, of)
    for answer in ([found.refusal] if found.refusal else []) + found.failures:
        if not answer.is_sentence:
            return Result(False, f"not a sentence: {answer.short}")
    if found.refusal is not None or (found.failures and not found.volumes):
        texts = (found.refusal or found.failures[0]).err
        is_said = not said or re.search(said, texts, re.IGNORECASE) is not None
        return Result(or_refused and is_said, came + ("" if is_said else f" [/{said}/ not said]"))
    wrong: list[str] = []
    left = [tuple(e) for e in expected]
    for volume in found.volumes:
        match = next(
            (
                n
                for n, e in enumerate(left)
                if len(e) == len(volume.by_slice(of))
                and _are_equal(volume.by_slice(of), e, tolerance)
                and (lowest is None or abs(volume.lowest_z - _of(expected, lowest, e)) < 0.05)
            ),
            None,
        )
        if match is None:
            wrong.append("a volume that is not right")
        else:
            left.pop(match)
            if step is not None and abs(volume.step - step) > 0.02:
                wrong.append(f"slices {volume.step:.4g} mm apart, not {step:g}")
    if left:
        wrong.append(f"{len(left)} right volume(s) absent")
    if found.failures:
        wrong.append("a volume listed, but not converted")
    if said and re.search(said, found.said, re.IGNORECASE) is None:
        wrong.append(f"/{said}/ not said")
    if quiet and found.notes:
        wrong.append(f"new noise: {found.notes[0]}")
    return Result(not wrong, came + (f" [{', '.join(dict.fromkeys(wrong))}]" if wrong else ""))


def _are_equal(values: Sequence[float], right: Sequence[float], tolerance: float) -> bool:
    """Whether the slices have these values; EMPTY stands for a slice that is missing."""
    return all(r is EMPTY or abs(v - r) <= tolerance for v, r in zip(values, right, strict=True))


def _of(
    expected: Sequence[Sequence[float]], lowest: Sequence[float], one: Sequence[float]
) -> float:
    index = next(n for n, e in enumerate(expected) if tuple(e) == tuple(one))
    return lowest[index]


def refused(answer: Answer, said: str = "") -> Result:
    """One sentence that says this."""
    right = answer.is_sentence and re.search(said, answer.err, re.IGNORECASE) is not None
    return Result(right, answer.short)
