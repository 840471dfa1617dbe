"""Conversion of a case of the cohort table to a request: reads the image and places the boxes."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medsam.batch.cohort.case_table import CohortCase, CohortRow
from napari_medsam.engine.data.intensity_window import AUTO
from napari_medsam.formats.images.read import read_image
from napari_medsam.headless.build_request import RequestOptions, build_request
from napari_medsam.headless.request import Mode, Propagation, Request


def case_request(case: CohortCase, *, compat: bool = False, window: str = AUTO) -> Request:
    """Read a case's image and make the request to segment its boxes.

    Raises
    ------
    ReadError
        The image cannot be read.
    ValueError
        A box is outside the image, or the window is unknown.
    """
    image = read_image(case.path)
    propagation = None if image.volume.is_flat else _propagation(case.rows)
    options = RequestOptions(window, propagation, compat=compat)
    return build_request(image, [row.requested_box for row in case.rows], options)


def _propagation(rows: Sequence[CohortRow]) -> Propagation:
    """Each row's box over the row's own range."""
    ranges = {n: row.reach for n, row in enumerate(rows, 1) if row.reach is not None}
    if len(ranges) < len(rows):
        raise ValueError("This image has several slices, so every box needs first and last.")
    firsts, lasts = zip(*ranges.values(), strict=True)
    mode: Mode = "box3d" if rows[0].on_slice is None else "keyframes"
    return Propagation(min(firsts), max(lasts), mode, ranges=ranges)
