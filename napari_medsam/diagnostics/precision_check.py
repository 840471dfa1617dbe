"""Whether a faster precision is safe on this machine: measured once, on synthetic images.

The check set is the synthetic abdomen: axial and coronal slices, clean and with strong noise,
with a box around each organ in them. A faster compute mode (bfloat16, another device) is used
only if it is clearly faster and its masks match those of exact arithmetic, see `is_safe`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, box_prompt
from napari_medsam.engine.data.volume import Axis, Volume
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.engine.session import Session
from napari_medsam.headless.synthetic_case import Phantom, synthetic_abdomen
from napari_medsam.measure.metrics import dice
from napari_medsam.models import loading
from napari_medsam.models.runtime import precision_choice
from napari_medsam.models.runtime.device import EXACT, ComputeMode, faster_modes

LEAST_MEAN_DICE = 0.98
LEAST_DICE = 0.9
"""Lowest accepted agreement of the masks with those of exact arithmetic."""

LEAST_SPEEDUP = 1.2
"""Below this speedup, it is not worth having masks that differ from machine to machine."""

SLICES: tuple[tuple[Axis, int], ...] = (("z", 10), ("z", 16), ("z", 22), ("z", 30), ("y", 130))
MARGIN = 2
"""Pixels between an organ's edge and its box."""

SMALLEST_AREA = 60
"""Pixels; at an organ's end, a sliver is too small for a sensible box."""

NOISE_HU = 50.0
"""Standard deviation of the noise of the second copy; a low-dose CT's is about 30 to 50."""


class Verdict(NamedTuple):
    """The result of a compute mode against exact arithmetic, on `n_masks` masks.

    ``speedup`` is how many times as fast it encodes; ``mean_dice`` and ``least_dice`` compare
    the masks.
    """

    mode: ComputeMode
    speedup: float
    mean_dice: float
    least_dice: float
    n_masks: int

    @property
    def is_safe(self) -> bool:
        """Whether it may be used in place of exact arithmetic."""
        return (
            self.speedup >= LEAST_SPEEDUP
            and self.mean_dice >= LEAST_MEAN_DICE
            and self.least_dice >= LEAST_DICE
        )

    @property
    def sentence(self) -> str:
        """The result, for the user."""
        taken = "it is taken" if self.is_safe else "it is not taken"
        return (
            f"{self.mode}: {self.speedup:.1f} times as fast as f32; {self.n_masks} masks agree "
            f"with a mean Dice of {self.mean_dice:.3f}, the worst {self.least_dice:.3f}; {taken}."
        )


def check_precision(
    exact: PromptableModel,
    faster: PromptableModel,
    mode: ComputeMode,
    volumes: Sequence[Volume] = (),
) -> Verdict:
    """Compare a model with itself in another compute mode; under ten seconds for LiteMedSAM.

    Parameters
    ----------
    exact, faster
        The same weights, compiled as `device.EXACT` and as `mode` specifies.
    volumes
        The volumes the slices come from; the clean and the noisy abdomen by default. Each
        must have the shape of the synthetic case.
    """
    scores: list[float] = []
    seconds = {id(exact): 0.0, id(faster): 0.0}
    for volume in volumes or check_volumes(synthetic_abdomen()):
        for boxes in boxes_by_slice(synthetic_abdomen()):
            pair = []
            for model in (exact, faster):  # in turns: a busy moment slows both
                masks, spent = _segment(model, volume, boxes)
                seconds[id(model)] += spent
                pair.append(masks)
            scores += [dice(a.mask, b.mask) for a, b in zip(*pair, strict=True)]
    speedup = seconds[id(exact)] / max(seconds[id(faster)], 1e-9)
    return Verdict(mode, speedup, float(np.mean(scores)), float(np.min(scores)), len(scores))


def _segment(
    model: PromptableModel, volume: Volume, boxes: Sequence[BoxPrompt]
) -> tuple[list[SliceMask], float]:
    """Masks of the boxes of one slice, and the seconds its encoding took."""
    session = Session(volume, model, views=False)
    started = time.perf_counter()
    for _ in session.embed([boxes[0].slice]):
        pass
    spent = time.perf_counter() - started
    return session.segment(boxes), spent


def check_volumes(case: Phantom) -> tuple[Volume, Volume]:
    """The synthetic case as it is, and with strong noise."""
    clean = case.image.volume
    noise = np.random.RandomState(7).normal(0, NOISE_HU, clean.voxels.shape)
    noisy = np.clip(np.rint(clean.voxels + noise), -1024, 3071).astype(np.int16)
    return clean, replace(clean, voxels=noisy)


def boxes_by_slice(case: Phantom) -> Iterator[list[BoxPrompt]]:
    """A box around each organ on each of `SLICES`, slice by slice."""
    for axis, index in SLICES:
        where = SliceRef(axis, index)
        plane = np.take(case.reference, index, axis="zyx".index(axis))
        boxes = []
        for label in case.table:
            rows, columns = np.nonzero(plane == label.number)
            if rows.size < SMALLEST_AREA:
                continue
            low, high = (columns.min(), rows.min()), (columns.max(), rows.max())
            corners = (low[0] - MARGIN, low[1] - MARGIN, high[0] + MARGIN, high[1] + MARGIN)
            boxes.append(box_prompt(where, corners, plane.shape))
        yield boxes


def remember_precision(
    name: str, report: Callable[[str], None] = lambda sentence: None
) -> ComputeMode:
    """Measure a model on this machine, store the compute mode to use, and return it.

    That is the fastest of the safe modes, or exact arithmetic if none is safe. From then on,
    "auto" means this result (`models.runtime.precision_choice`).

    Parameters
    ----------
    name
        As for `loading.open_model`, which also documents what may be raised.
    report
        Called with a sentence for each mode as it is judged.
    """
    prepared = loading.prepare(name)
    found = []
    for verdict in _verdicts(prepared):
        report(verdict.sentence)
        found.append(verdict)
    if not found:
        report("This machine has no faster way to compute than f32.")
    safe = [verdict for verdict in found if verdict.is_safe]
    best = max(safe, key=lambda verdict: verdict.speedup).mode if safe else EXACT
    precision_choice.remember(
        prepared.identity, best, " ".join(verdict.sentence for verdict in found)
    )
    return best


def _verdicts(prepared: loading.Prepared) -> Iterator[Verdict]:
    """A verdict on each compute mode this machine has besides exact arithmetic."""
    faster = faster_modes()
    if not faster:
        return
    exact = loading.compiled(prepared)
    for mode in faster:
        other = loading.compiled(prepared, precision=mode.precision, device=mode.device)
        yield check_precision(exact, other, mode)
