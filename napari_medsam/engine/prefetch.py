"""Which slices to embed while the user looks: nearest first, more of them ahead than behind."""

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
