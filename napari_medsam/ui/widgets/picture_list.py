"""`PictureList`: a list widget with a small picture in each line."""

from __future__ import annotations

import numpy as np
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem

from napari_medsam.formats.common.thumbnail import SIDE
from napari_medsam.ui.actions.open_images import Thumbnail

LINE = SIDE + 12
"""Height of a line in pixels."""


class PictureList(QListWidget):
    """Lines of text with a picture; each has an object of the caller."""

    def __init__(self) -> None:
        super().__init__()
        self.setIconSize(QSize(SIDE, SIDE))
        self.setSpacing(2)
        self.setWordWrap(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def add(self, text: str, picture: Thumbnail | None, value: object, tip: str = "") -> None:
        """Add a line for the object `value`."""
        item = QListWidgetItem(QIcon(_padded(picture)), text)
        item.setData(Qt.ItemDataRole.UserRole, value)
        item.setToolTip(tip)
        self.addItem(item)

    def chosen(self) -> list[object]:
        """The objects of the selected lines, in the order of the list."""
        items = sorted(self.selectedItems(), key=self.row)
        return [item.data(Qt.ItemDataRole.UserRole) for item in items]


def pixmap(picture: Thumbnail) -> QPixmap:
    """A grey (rows, columns) or RGB (rows, columns, 3) uint8 array as a Qt pixmap."""
    picture = np.ascontiguousarray(picture)
    rows, columns = picture.shape[:2]
    form = QImage.Format.Format_RGB888 if picture.ndim == 3 else QImage.Format.Format_Grayscale8
    image = QImage(picture.tobytes(), columns, rows, picture.strides[0], form)
    return QPixmap.fromImage(image.copy())


def scaled_pixmap(picture: Thumbnail, side: int) -> QPixmap:
    """An array as in `pixmap`, with its longer side scaled to so many screen pixels."""
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return pixmap(picture).scaled(side, side, keep, smooth)


def _padded(picture: Thumbnail | None) -> QPixmap:
    """A square with the picture at its centre, so that all texts are aligned."""
    square = np.zeros((SIDE, SIDE, 3), np.uint8)
    if picture is not None:
        rows, columns = picture.shape[:2]
        y, x = (SIDE - rows) // 2, (SIDE - columns) // 2
        colour = picture if picture.ndim == 3 else picture[..., None]
        square[y : y + rows, x : x + columns] = colour
    return pixmap(square)
