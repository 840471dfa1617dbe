"""How long a run of slices will still take.

The first slices are no measure for the others: those that are embedded already go fast, the first
one waits for whatever ran before. So only the latest few count.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

LATEST = 8
"""Slices whose pace counts; few enough to follow a change, enough to even out two directions."""

FEWEST = 2
"""Slices before anything is said."""


class Eta:
    """Counts slices of a run against a clock.

    Parameters
    ----------
    n_all
        Slices in all.
    now
        The clock, in seconds.
    """

    def __init__(self, n_all: int, now: Callable[[], float] = time.monotonic) -> None:
        self._n_all = n_all
        self._now = now
        self._marks: deque[tuple[int, float]] = deque([(0, now())], maxlen=LATEST + 1)

    def after(self, n_done: int) -> float | None:
        """Seconds left once `n_done` slices are done; None while that is only a guess."""
        if n_done > self._marks[-1][0]:
            if self._marks[0][0] == 0 and n_done > 1:
                self._marks.popleft()  # what came before the first slice was no pace
            self._marks.append((n_done, self._now()))
        (before, began), (done, ended) = self._marks[0], self._marks[-1]
        if n_done < FEWEST or done == before:
            return None
        return (ended - began) / (done - before) * max(self._n_all - n_done, 0)
