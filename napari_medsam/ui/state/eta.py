"""`Eta`: estimates the remaining time of a run over slices.

The first slices are not representative: those already embedded are fast, and the first one waits
for the job before it. So only the latest few count.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

LATEST = 8
"""Slices that count; few enough to follow a change, enough to average over two directions."""

FEWEST = 2
"""Slices that must be done before there is an estimate."""


class Eta:
    """Estimates from the times at which slices were done.

    Parameters
    ----------
    n_all
        Number of slices.
    now
        The clock, in seconds.
    """

    def __init__(self, n_all: int, now: Callable[[], float] = time.monotonic) -> None:
        self._n_all = n_all
        self._now = now
        self._marks: deque[tuple[int, float]] = deque([(0, now())], maxlen=LATEST + 1)

    def after(self, n_done: int) -> float | None:
        """Seconds left once `n_done` slices are done; None if that is not known yet."""
        if n_done > self._marks[-1][0]:
            if self._marks[0][0] == 0 and n_done > 1:
                self._marks.popleft()  # the time before the first slice is not representative
            self._marks.append((n_done, self._now()))
        (before, began), (done, ended) = self._marks[0], self._marks[-1]
        if n_done < FEWEST or done == before:
            return None
        return (ended - began) / (done - before) * max(self._n_all - n_done, 0)
