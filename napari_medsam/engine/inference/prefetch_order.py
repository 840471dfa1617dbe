"""The order in which slices are encoded in the background: nearest first, in scroll direction.

A user who scrolls faster than slices are encoded would always be one slice ahead of the encoder.
`Pace` therefore predicts which slice will be on screen when the next embedding is ready.
"""

from __future__ import annotations

BEHIND = 2
"""A slice against the scroll direction counts as this many times farther away."""


def nearest_first(current: int, direction: int, n_slices: int, reach: int) -> list[int]:
    """The slices to encode, the slice on screen first.

    Parameters
    ----------
    current
        The slice on screen.
    direction
        The last scroll direction: 1 towards higher slices, -1 towards lower ones, 0 for none.
    n_slices
        The number of slices of the volume along the axis on screen.
    reach
        How many slices to go ahead of `current`.

    Returns
    -------
    Slice indices inside the volume, each once.
    """

    def cost(index: int) -> tuple[int, int]:
        offset = index - current
        against = direction != 0 and offset * direction < 0
        return abs(offset) * (BEHIND if against else 1), -offset * (direction or 1)

    inside = range(max(0, current - reach), min(n_slices, current + reach + 1))
    return sorted((i for i in inside if cost(i)[0] <= reach), key=cost)


MOST_LEAD = 12
"""Slices; a user who scrolls faster is searching and may stop anywhere, so no more is predicted."""


class Pace:
    """The user's scroll speed along one axis.

    Times are seconds of a monotonic clock.
    """

    def __init__(self) -> None:
        self._index: int | None = None
        self._at = 0.0
        self._between = 0.0  # seconds from one slice to the next, at the last step
        self.direction = 0  # 1 towards higher slices, -1 towards lower, 0 not moved yet

    def restart(self) -> None:
        """Forget earlier moves, for another axis or image."""
        self._index, self._between, self.direction = None, 0.0, 0

    def moved(self, index: int, at: float) -> None:
        """Record which slice is on screen, and since when."""
        before, self._index = self._index, index
        if before is None or before == index:
            return
        self.direction = 1 if index > before else -1
        self._between = (at - self._at) / abs(index - before)
        self._at = at

    def lead(self, at: float, seconds: float) -> int:
        """How many slices the user will have moved in `seconds`, with the direction's sign.

        A user who stays on a slice for more than twice the last interval has stopped (0).
        """
        if self._between <= 0 or at - self._at > 2 * self._between:
            return 0
        return self.direction * min(round(seconds / self._between), MOST_LEAD)
