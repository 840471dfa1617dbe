"""What the candidates of a propagation cost beside one box a slice, once all is encoded."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.propagation.seeds import Seed
from napari_medsam.engine.session import Session


class Costs:
    """Sums over objects; `means` has the figures."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = defaultdict(float)

    def add_chain(self, session: Session, seed: Seed) -> None:
        """Time a propagation from one box against one box a slice, all embeddings there.

        The single boxes are those whose masks the chain kept, on the same views.
        """
        kept: dict[int, SliceMask] = {}

        def chain() -> None:
            kept.update({mask.slice.index: mask for _, mask in session.propagate([seed])})

        def single() -> None:
            for _ in session.segment_tracks([[mask.prompt for mask in kept.values()]]):
                pass

        chain()
        single()  # a crop of its own here and there; from now on nothing is encoded
        self._sums["candidates_s"] += seconds(chain)
        self._sums["single_s"] += seconds(single)
        self._sums["slices"] += len(kept)

    def means(self) -> dict[str, float]:
        """`candidates_ratio` over the single-box chain, and milliseconds a slice of both."""
        n, single = self._sums["slices"], self._sums["single_s"]
        if not n:
            return {}
        return {
            "candidates_ratio": self._sums["candidates_s"] / single,
            "candidates_ms_per_slice": 1000 * self._sums["candidates_s"] / n,
            "single_ms_per_slice": 1000 * single / n,
        }


def seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
