"""Which slices to embed while the user looks: nearest first, more of them ahead than behind.

A user who scrolls faster than slices are encoded would always be one slice ahead of the encoder.
`Pace` says where they will be when the next slice is ready.
"""

from __future__ import annotations

BEHIND = 2
"""A slice behind counts as this many times farther than one ahead."""


def nearest_first(current: int, direction: int, n_slices: int, reach: int) -> list[int]:
    """Slices to embed, the slice on screen first.

    Parameters
    ----------
    current
        The slice on screen.
    direction
        The way the user scrolled last: 1 towards higher slices, -1 towards lower, 0 not at all.
    n_slices
        Of the volume, along the axis on screen.
    reach
        How far to go from `current`, in slices ahead.

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
"""Slices; somebody who scrolls that fast is looking for something, and will stop anywhere."""


class Pace:
    """How fast the user scrolls, in slices a second, along one axis.

    Times are in seconds, by any clock that only goes forward.
    """

    def __init__(self) -> None:
        self._index: int | None = None
        self._at = 0.0
        self._between = 0.0  # seconds from one slice to the next, at the last step
        self.direction = 0  # 1 towards higher slices, -1 towards lower, 0 not moved yet

    def restart(self) -> None:
        """Forget the past: another axis, or another image."""
        self._index, self._between, self.direction = None, 0.0, 0

    def moved(self, index: int, at: float) -> None:
        """Tell which slice is on screen, and since when."""
        before, self._index = self._index, index
        if before is None or before == index:
            return
        self.direction = 1 if index > before else -1
        self._between = (at - self._at) / abs(index - before)
        self._at = at

    def lead(self, at: float, seconds: float) -> int:
        """How many slices the user will have gone on in `seconds`, with a sign.

        Somebody who has rested on a slice for twice as long as on those before has stopped.
        """
        if self._between <= 0 or at - self._at > 2 * self._between:
            return 0
        return self.direction * min(round(seconds / self._between), MOST_LEAD)
