"""Conversion of a case of the cohort table to a request: reads the image and places the boxes."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medsam.batch.cohort.case_table import CohortCase, CohortRow
from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.intensity_window import parse_window
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.engine.propagation.slice_ranges import seeds_over
from napari_medsam.formats.common.default_window import requested_window
from napari_medsam.formats.images.read import read_image
from napari_medsam.headless.run import Request, place_boxes


def case_request(case: CohortCase, *, compat: bool = False, window: str = "auto") -> Request:
    """Read a case's image and make the request to segment its boxes.

    Raises
    ------
    ReadError
        The image cannot be read.
    ValueError
        A box is outside the image, or the window is unknown.
    """
    image = read_image(case.path)
    placed, table = place_boxes([row.requested_box for row in case.rows], image.volume)
    shown = parse_window(image.volume, window) if compat else requested_window(image, window)
    seeds = _seeds(case.rows, placed, image.volume)
    is_extent = seeds is not None and case.rows[0].on_slice is None
    return Request(image, placed, table, shown, seeds, compat, is_extent=is_extent)


def _seeds(
    rows: Sequence[CohortRow], placed: Sequence[PlacedBox], volume: Volume
) -> tuple[Seed, ...] | None:
    """One seed per row. Rows of a label that have a slice divide the label's range among them."""
    if volume.is_flat:
        return None
    found: dict[int, Seed] = {}
    for n, (row, box) in enumerate(zip(rows, placed, strict=True)):
        if row.reach is None:
            raise ValueError("This image has several slices, so every box needs first and last.")
        if row.on_slice is None:
            found[n] = Seed(box.box, *row.reach, box.label)
    for label in {box.label for box in placed} if not found else ():
        own = [n for n, box in enumerate(placed) if box.label == label]
        reaches = [row.reach for n, row in enumerate(rows) if n in own and row.reach]
        first, last = min(r[0] for r in reaches), max(r[1] for r in reaches)
        shared = seeds_over([placed[n] for n in own], first, last, volume)
        found |= dict(zip(own, shared, strict=True))
    return tuple(found[n] for n in range(len(rows)))
