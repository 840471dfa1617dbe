"""Box plots of scores by modality, drawn with Pillow and saved as PNG.

A box goes from the first to the third quartile, with a line at the median. Whiskers end at the
outermost case within 1.5 box heights of the box (Tukey's rule). Every case is a dot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from napari_medsam.storage.atomic_write import replacing

HEIGHT, TOP, BOTTOM, LEFT = 300, 40, 40, 50
COLUMN, BOX = 96, 40
INK, GREY, FILL, DOT = "#202020", "#d8d8d8", "#bcd5ee", "#1f5c99"
Panels = Mapping[str, Mapping[str, Sequence[float]]]


def save_box_plot(path: Path, panels: Panels) -> None:
    """Write a PNG with one panel per figure, one below the other.

    Parameters
    ----------
    panels
        Title to {group: values from 0 to 1}; all panels have the same groups.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    n_groups = max(len(groups) for groups in panels.values())
    width = LEFT + COLUMN * max(n_groups, 3) + 10
    sheet = Image.new("RGB", (width, (HEIGHT + TOP + BOTTOM) * len(panels)), "white")
    draw = ImageDraw.Draw(sheet)
    for n, (title, groups) in enumerate(panels.items()):
        _panel(draw, n * (HEIGHT + TOP + BOTTOM) + TOP, width, title, groups)
    with replacing(path) as temporary:
        sheet.save(temporary, format="PNG")


def _panel(
    draw: ImageDraw.ImageDraw,
    top: int,
    width: int,
    title: str,
    groups: Mapping[str, Sequence[float]],
) -> None:
    font = ImageFont.load_default(13)
    draw.text((LEFT, top - 28), title, fill=INK, font=ImageFont.load_default(16))
    for tick in range(0, 11, 2):
        y = _y(top, tick / 10)
        draw.line((LEFT, y, width - 10, y), fill=GREY)
        draw.text((LEFT - 8, y), f"{tick / 10:.1f}", fill=INK, font=font, anchor="rm")
    for n, (name, values) in enumerate(groups.items()):
        middle = LEFT + COLUMN * n + COLUMN // 2
        _box(draw, top, middle, np.sort(np.asarray(values, dtype=float)))
        draw.text((middle, top + HEIGHT + 6), name, fill=INK, font=font, anchor="ma")
        text = f"n = {len(values)}"
        draw.text((middle, top + HEIGHT + 21), text, fill=INK, font=font, anchor="ma")


def _box(draw: ImageDraw.ImageDraw, top: int, middle: int, values: np.ndarray) -> None:
    if values.size == 0:
        return
    low, median, high = np.percentile(values, (25, 50, 75))
    whisker = 1.5 * (high - low)
    inside = values[(values >= low - whisker) & (values <= high + whisker)]
    left, right = middle - BOX // 2, middle + BOX // 2
    draw.line((middle, _y(top, inside[0]), middle, _y(top, inside[-1])), fill=INK)
    draw.rectangle((left, _y(top, high), right, _y(top, low)), fill=FILL, outline=INK)
    draw.line((left, _y(top, median), right, _y(top, median)), fill=INK, width=3)
    for n, value in enumerate(values):
        x, y = middle + (n * 7) % 15 - 7, _y(top, value)  # side by side, so that all are seen
        draw.ellipse((x - 3, y - 3, x + 3, y + 3), fill=DOT)


def _y(top: int, value: float) -> int:
    return top + round(HEIGHT * (1 - float(value)))
