"""Conversion of a case of the cohort table to a request: reads the image and places the boxes."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medsam.batch.cohort.case_table import CohortCase, CohortRow
from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.intensity_window import parse_window
from napari_medsam.formats.common.default_window import requested_window
from napari_medsam.formats.images.read import read_image
from napari_medsam.headless.request import Mode, Prompts, Propagation, Request
from napari_medsam.headless.run import place_boxes


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
    propagation = None if image.volume.is_flat else _propagation(case.rows, placed)
    return Request(image, Prompts(placed), table, shown, propagation, compat=compat)


def _propagation(rows: Sequence[CohortRow], placed: Sequence[PlacedBox]) -> Propagation:
    """Each row's box over the row's own range."""
    ranges = {box.box_id: row.reach for row, box in zip(rows, placed, strict=True) if row.reach}
    if len(ranges) < len(rows):
        raise ValueError("This image has several slices, so every box needs first and last.")
    firsts, lasts = zip(*ranges.values(), strict=True)
    mode: Mode = "box3d" if rows[0].on_slice is None else "keyframes"
    return Propagation(min(firsts), max(lasts), mode, ranges=ranges)
