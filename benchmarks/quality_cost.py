"""Time of a propagation's candidate boxes, compared with one box per slice; nothing is encoded."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.engine.session import Session


class Costs:
    """Sums the times over objects; `means` returns the figures."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)

    def add_propagation(self, session: Session, seed: Seed) -> None:
        """Time a propagation from one box, and one box per slice, with all embeddings ready.

        The single boxes are those whose masks the propagation chose, on the same views.
        """
        masks: dict[int, SliceMask] = {}

        def propagate() -> None:
            masks.update({mask.slice.index: mask for _, mask in session.propagate([seed])})

        def segment_single_boxes() -> None:
            for _ in session.segment_tracks([[mask.prompt for mask in masks.values()]]):
                pass

        propagate()
        segment_single_boxes()  # encodes the few crops that only it needs
        self._sums["candidates_s"] += seconds(propagate)
        self._sums["single_s"] += seconds(segment_single_boxes)
        self._sums["slices"] += len(masks)

    def means(self) -> dict[str, float]:
        """Ratio of the propagation to single boxes, and milliseconds per slice of both."""
        n, single = self._sums["slices"], self._sums["single_s"]
        if not n:
            return {}
        return {
            "candidates_ratio": self._sums["candidates_s"] / single,
            "candidates_ms_per_slice": 1000 * self._sums["candidates_s"] / n,
            "single_ms_per_slice": 1000 * single / n,
        }


def seconds(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began
