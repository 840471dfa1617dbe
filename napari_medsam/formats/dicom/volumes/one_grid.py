"""Volumes that share their grid are the frames of one stack; those on other grids are stacks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_medsam.formats.dicom.header.slice_header import SliceHeader
from napari_medsam.formats.dicom.volumes.slice_group import SAME_MM
from napari_medsam.formats.dicom.volumes.slice_spacing import even_places, even_runs
from napari_medsam.formats.dicom.volumes.stack import Slices, Stack, even_stack, position_of


def bundles_of(volumes: Sequence[Slices]) -> list[list[Slices]]:
    """Volumes that share their grid, together; one of them may lack slices."""
    bundles: list[list[int]] = []
    places: list[NDArray[np.float64]] = []
    for n in sorted(range(len(volumes)), key=lambda n: -len(volumes[n])):
        own = np.array([position_of(header) for header in volumes[n]])
        for bundle, known in zip(bundles, places, strict=True):
            if _lies_on(own, known):
                bundle.append(n)
                break
        else:
            bundles.append([n])
            places.append(own)
    return [[volumes[n] for n in sorted(bundle)] for bundle in sorted(bundles, key=min)]


def _lies_on(own: NDArray[np.float64], places: NDArray[np.float64]) -> bool:
    """Whether a volume has at least half of these places, and lies between their ends.

    A place that it alone has is one that the other lacks: both must then be on one even grid.
    """
    if len(own) == len(places) and np.allclose(own, places, rtol=0, atol=SAME_MM):
        return True
    apart = np.linalg.norm(places[:, None] - own[None], axis=2)
    shared = (apart <= SAME_MM).any(axis=0)
    if 2 * shared.sum() < len(places):
        return False
    if shared.all():
        return True
    way = (places[-1] - places[0]) / max(float(np.linalg.norm(places[-1] - places[0])), SAME_MM)
    ends = np.sort(places @ way)[[0, -1]] + [-SAME_MM, SAME_MM]
    along = np.sort(np.concatenate([places, own[~shared]]) @ way)
    return bool(ends[0] <= along[0] and along[-1] <= ends[1]) and even_places(along) is not None


def stacks_of_bundle(bundle: Sequence[Slices]) -> list[Stack]:
    normal = bundle[0][0].normal
    assert normal is not None
    at: dict[float, list[SliceHeader | None]] = {}
    for t, volume in enumerate(bundle):
        for header in volume:
            height = float(position_of(header) @ normal)
            known = next((h for h in (height, *_near(at, height)) if h in at), height)
            at.setdefault(known, [None] * len(bundle))[t] = header
    heights = sorted(at)
    runs = even_runs(np.array(heights))
    return [even_stack([at[heights[n]] for n in run], normal, whole=len(runs) == 1) for run in runs]


def _near(heights: Iterable[float], height: float) -> list[float]:
    return [known for known in heights if abs(known - height) <= 2 * SAME_MM]
