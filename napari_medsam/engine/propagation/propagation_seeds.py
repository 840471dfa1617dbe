"""`Seed`: a box to propagate, its range of slices, and the order in which they are visited."""

from __future__ import annotations

from dataclasses import dataclass

from napari_medsam.engine.data.masks import SliceMask
from napari_medsam.engine.data.prompts import BoxPrompt


@dataclass(frozen=True)
class Seed:
    """A box to propagate, its slice range and its label.

    Parameters
    ----------
    box
        The box to start from, on its own slice.
    first, last
        The slices to propagate over, both inclusive.
    label
        The label's number. Only the original rules use it: there it changes the boxes.
    given
        The fixed mask on the box's slice, if there is one (accepted, or painted by hand). The
        model does not segment that slice, and by our rules propagation starts from this mask.
    until_empty
        Only an empty mask ends the object (`engine.propagation.end_detection`). Set if the user
        has said that the object continues.

    Examples
    --------
    >>> from napari_medsam import Seed, SliceRef, box_prompt
    >>> box = box_prompt(SliceRef("z", 12), (57, 140, 101, 179), shape=(256, 256))
    >>> seed = Seed(box, first=10, last=14)
    >>> seed.start  # the slice of its box
    12
    """

    box: BoxPrompt
    first: int
    last: int
    label: int = 1
    given: SliceMask | None = None
    until_empty: bool = False

    @property
    def start(self) -> int:
        """The index of the box's slice, from which propagation goes outward."""
        return self.box.slice.index


def slice_order(seeds: list[Seed]) -> tuple[list[int], list[int]]:
    """The slices to visit: ascending from the lowest start, then descending from the highest.

    Each slice is visited once per direction for all seeds, so that it is encoded only once.
    """
    if not seeds:
        return [], []
    up = range(min(s.start for s in seeds), max(s.last for s in seeds) + 1)
    down = range(max(s.start for s in seeds) - 1, min(s.first for s in seeds) - 1, -1)
    ascending = [i for i in up if any(s.start <= i <= s.last for s in seeds)]
    descending = [i for i in down if any(s.first <= i < s.start for s in seeds)]
    return ascending, descending


def seed_from_3d_box(box: BoxPrompt, first: int, last: int, label: int = 1) -> Seed:
    """A seed on the middle slice, `first + (last - first) // 2`, as in the original script."""
    return Seed(box.moved_to(first + (last - first) // 2), first, last, label)
