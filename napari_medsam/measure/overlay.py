"""Pictures (PNG) of labels and boxes drawn over the slices of their image.

Slices have the radiological orientation: axial with the patient's left on the right, coronal and
sagittal with the head up. Pixels are scaled to their true proportions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import binary_erosion

from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import AXES, VIEW_NAMES, Axis, Volume
from napari_medsam.formats.common.label_table import rgb_255
from napari_medsam.storage.atomic_write import replacing

MOST_PANELS = 12
FEWEST_FOR_CORONAL = 4
PANEL_WIDTH = 400
MARGIN = 10
TITLE_HEIGHT = 44
FILL = 0.35
"""Opacity of a label's fill; its outline is opaque."""

Rgb = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Scene:
    """The image, labels and boxes to draw; `labels` is (Z, Y, X) on the volume's grid."""

    volume: Volume
    window: Window
    labels: NDArray[Any]
    table: Sequence[Label]
    boxes: Sequence[PlacedBox]
    caption: str = ""


def save_overlay(path: Path, scene: Scene) -> None:
    """Draw the boxes' slices, and one coronal slice of a volume, into one PNG.

    Raises
    ------
    OSError
        The file cannot be written.
    """
    panels = [slice_panel(scene, where) for where in slices_to_show(scene)]
    with replacing(path) as temporary:
        _sheet(panels, scene.caption).save(temporary, format="PNG")


def slices_to_show(scene: Scene) -> list[SliceRef]:
    """The boxes' slices in order, then a coronal one if labels are on several axial slices."""
    slices = sorted(
        {placed.box.slice for placed in scene.boxes}, key=lambda s: (AXES.index(s.axis), s.index)
    )[: MOST_PANELS - 1]
    if np.count_nonzero(np.any(scene.labels, axis=(1, 2))) >= FEWEST_FOR_CORONAL:
        per_row = np.count_nonzero(scene.labels, axis=(0, 2))
        coronal = SliceRef("y", int(np.argmax(per_row)))
        slices += [coronal] if coronal not in slices else []
    return slices


def slice_panel(scene: Scene, where: SliceRef) -> Image.Image:
    """One slice with labels and boxes, below a title `TITLE_HEIGHT` pixels high."""
    pixels = scene.window.to_uint8(
        scene.volume.slice_pixels(where.axis, where.index),
        low_is_bright=scene.volume.low_is_bright,
    )
    plane = np.take(scene.labels, where.index, axis=AXES.index(where.axis))
    width, height = _size_on_screen(scene.volume, where.axis)
    head_up = where.axis != "z"
    picture = Image.fromarray(pixels[::-1] if head_up else pixels)
    picture = picture.resize((width, height), Image.Resampling.BILINEAR).convert("RGB")
    labels = _enlarged(plane[::-1] if head_up else plane, (height, width))
    shown = Image.fromarray(_painted(np.asarray(picture), labels, scene.table))
    _draw_boxes(shown, scene, where, plane.shape)
    return _titled(shown, scene, where, plane)


def _size_on_screen(volume: Volume, axis: Axis) -> tuple[int, int]:
    """Width and height in pixels of a slice's picture, in true proportions."""
    rows, columns = volume.slice_shape(axis)
    spacing = dict(zip(("x", "y", "z"), volume.spacing_xyz, strict=True))
    row_mm, column_mm = (spacing[a] for a in AXES if a != axis)
    height = round(PANEL_WIDTH * rows * row_mm / (columns * column_mm))
    return PANEL_WIDTH, min(max(height, 40), 4 * PANEL_WIDTH)


def _enlarged(plane: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    """Resize labels to `shape` (rows, columns) by nearest neighbour."""
    rows = np.arange(shape[0]) * plane.shape[0] // shape[0]
    columns = np.arange(shape[1]) * plane.shape[1] // shape[1]
    return plane[np.ix_(rows, columns)]


def _painted(picture: Rgb, labels: NDArray[Any], table: Sequence[Label]) -> Rgb:
    shown = picture.astype(np.float32)
    for label in table:
        inside = labels == label.number
        color = np.asarray(label.color, dtype=np.float32) * 255
        shown[inside] += FILL * (color - shown[inside])
        shown[inside & ~binary_erosion(inside, np.ones((3, 3)))] = color
    return np.clip(np.rint(shown), 0, 255).astype(np.uint8)


def _draw_boxes(shown: Image.Image, scene: Scene, where: SliceRef, shape: tuple[int, ...]) -> None:
    rows, columns = shape
    scale_x, scale_y = shown.width / columns, shown.height / rows
    colors = {label.number: label.color for label in scene.table}
    draw = ImageDraw.Draw(shown)
    for placed in scene.boxes:
        box = placed.box
        if box.slice != where:
            continue
        y_min, y_max = box.y_min, box.y_max
        if where.axis != "z":
            y_min, y_max = rows - 1 - y_max, rows - 1 - y_min
        # Pixel i covers i - 0.5 to i + 0.5.
        corners = (
            (box.x_min + 0.5) * scale_x,
            (y_min + 0.5) * scale_y,
            (box.x_max + 0.5) * scale_x,
            (y_max + 0.5) * scale_y,
        )
        draw.rectangle(corners, outline=rgb_255(colors[placed.label]), width=2)


def _titled(shown: Image.Image, scene: Scene, where: SliceRef, plane: NDArray[Any]) -> Image.Image:
    """The picture with the slice and label names above, each name in its label's colour."""
    panel = Image.new("RGB", (shown.width, shown.height + TITLE_HEIGHT), "black")
    panel.paste(shown, (0, TITLE_HEIGHT))
    draw = ImageDraw.Draw(panel)
    rows, columns = plane.shape
    title = f"{VIEW_NAMES[where.axis]}, {where.axis} = {where.index}"
    if scene.volume.is_flat:
        title = f"{columns} x {rows} pixels"
    draw.text((2, 2), title, fill="white", font=font(15))
    present, x = set(np.unique(plane).tolist()), 2.0
    for label in scene.table:
        if label.number in present and x < shown.width:
            draw.text((x, 22), label.name, fill=rgb_255(label.color), font=font(14))
            x += draw.textlength(label.name, font=font(14)) + 12
    return panel


def _sheet(panels: Sequence[Image.Image], caption: str) -> Image.Image:
    """All panels in rows of up to three, with the caption below."""
    rows = [panels[i : i + 3] for i in range(0, len(panels), 3)]
    width = max(len(row) for row in rows) * (PANEL_WIDTH + MARGIN) + MARGIN
    heights = [max(panel.height for panel in row) + MARGIN for row in rows]
    lines = wrapped(caption, width - 2 * MARGIN, 14)
    sheet = Image.new("RGB", (width, sum(heights) + MARGIN + 20 * len(lines)), (24, 24, 24))
    y = MARGIN
    for row, height in zip(rows, heights, strict=True):
        for n, panel in enumerate(row):
            sheet.paste(panel, (MARGIN + n * (PANEL_WIDTH + MARGIN), y))
        y += height
    draw = ImageDraw.Draw(sheet)
    for line in lines:
        draw.text((MARGIN, y), line, fill=(200, 200, 200), font=font(14))
        y += 20
    return sheet


def wrapped(text: str, width: int, size: int) -> list[str]:
    """The text in lines no wider than some pixels, in the font of that size."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and font(size).getlength(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def font(size: int) -> Any:
    return ImageFont.load_default(size)
