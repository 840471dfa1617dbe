"""Conversion of a case of the cohort table to a request: places the boxes on the image."""

from __future__ import annotations

from collections.abc import Sequence

from napari_medsam.batch.cohort.case_table import CohortCase, CohortRow
from napari_medsam.engine.data.intensity_window import AUTO
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.headless.build_request import RequestOptions, build_request
from napari_medsam.headless.request import Mode, Propagation, Request
from napari_medsam.input_contract import InputContract


def case_request(
    case: CohortCase,
    image: ImageFile,
    contract: InputContract | None = None,
    *,
    compat: bool = False,
    window: str = AUTO,
) -> Request:
    """Make the request to segment a case's boxes on its image; options are as in `RequestOptions`.

    Raises
    ------
    ValueError
        A box is outside the image, or the window is unknown.
    """
    propagation = None if image.volume.is_flat else _propagation(case.rows)
    options = RequestOptions(window, propagation, compat=compat, contract=contract)
    return build_request(image, [row.requested_box for row in case.rows], options)


def _propagation(rows: Sequence[CohortRow]) -> Propagation:
    """Each row's box over the row's own range."""
    ranges = {n: row.reach for n, row in enumerate(rows, 1) if row.reach is not None}
    if len(ranges) < len(rows):
        raise ValueError("This image has several slices, so every box needs first and last.")
    firsts, lasts = zip(*ranges.values(), strict=True)
    mode: Mode = "box3d" if rows[0].on_slice is None else "keyframes"
    return Propagation(min(firsts), max(lasts), mode, ranges=ranges)
