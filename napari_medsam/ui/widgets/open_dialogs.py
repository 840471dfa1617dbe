"""Dialogs for opening images: choose a series or a volume, or enter the spacing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QAbstractItemView,
    QApplication,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QHBoxLayout,
    QLabel,
    QMainWindow,
    QPushButton,
    QSlider,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.grid import Triple
from napari_medsam.formats.common.image_description import Description
from napari_medsam.formats.common.thumbnail import SIDE
from napari_medsam.ui.actions.open_images import (
    Chooser,
    NothingChosen,
    VolumeChoice,
    series_description,
)
from napari_medsam.ui.widgets.common_widgets import sentence
from napari_medsam.ui.widgets.picture_list import LINE, PictureList, scaled_pixmap

PREVIEW = 2 * SIDE


def current_chooser() -> Chooser | None:
    """The dialogs of the visible main window; None if there is none."""
    if not isinstance(QApplication.instance(), QApplication):
        return None
    for widget in QApplication.topLevelWidgets():
        if isinstance(widget, QMainWindow) and widget.isVisible():
            return OpenDialogs(widget)
    return None


class OpenDialogs:
    """A `Chooser` that asks in dialogs over `parent`."""

    def __init__(self, parent: QWidget) -> None:
        self._parent = parent

    def series(self, name: str, found: Sequence[Description]) -> list[str]:
        dialog = SeriesDialog(name, found, self._parent)
        return dialog.chosen() if is_accepted(dialog) else _nothing()

    def volume(self, volumes: VolumeChoice) -> int:
        dialog = VolumeDialog(volumes, self._parent)
        return dialog.number.value() if is_accepted(dialog) else _nothing()

    def spacing(self, name: str, n_pages: int) -> Triple | None:
        dialog = SpacingDialog(name, n_pages, self._parent)
        if not is_accepted(dialog):
            _nothing()
        return None if dialog.is_unknown else dialog.spacing()


def is_accepted(dialog: QDialog) -> bool:
    """Show a dialog and wait for its end; its widgets can be read until the next event."""
    accepted = dialog.exec() == QDialog.DialogCode.Accepted
    dialog.deleteLater()
    return bool(accepted)


def _nothing() -> NoReturn:
    raise NothingChosen("Nothing was chosen.")


class ChoiceDialog(QDialog):
    """Base of the dialogs: a sentence, widgets for the answer, Open and Cancel."""

    def __init__(self, title: str, question: str, parent: QWidget | None) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.column = QVBoxLayout(self)
        self.column.addWidget(words := sentence())
        words.setText(question)
        self.buttons = QDialogButtonBox()
        self.open_button = QPushButton("Open")
        self.open_button.setDefault(True)
        self.buttons.addButton(self.open_button, QDialogButtonBox.ButtonRole.AcceptRole)
        self.buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self.buttons.accepted.connect(self.accept)
        self.buttons.rejected.connect(self.reject)


class SeriesDialog(ChoiceDialog):
    """A list of series with pictures; one or several can be chosen."""

    def __init__(self, name: str, found: Sequence[Description], parent: QWidget | None) -> None:
        super().__init__(
            "Choose a series",
            f"{name} holds {len(found)} series. Choose the ones to open.",
            parent,
        )
        self.list = PictureList()
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        for description in found:
            warned = f"\n\u26a0 {description.notes[0]}" if description.notes else ""
            tip = "\n".join((description.series, *description.notes))
            self.list.add(
                series_description(description) + warned,
                description.thumbnail,
                description.series,
                tip,
            )
        self.list.setCurrentRow(0)
        self.list.itemSelectionChanged.connect(self._on_selected)
        self.list.itemDoubleClicked.connect(lambda _: self.accept())
        self.column.addWidget(self.list)
        self.column.addWidget(self.buttons)
        self.resize(520, min(640, 140 + LINE * len(found)))

    def chosen(self) -> list[str]:
        """The `Description.series` of the selected ones, in the order of the list."""
        return [str(series) for series in self.list.chosen()]

    def _on_selected(self) -> None:
        self.open_button.setEnabled(bool(self.list.selectedItems()))


class VolumeDialog(ChoiceDialog):
    """A slider over the volumes of a file, with a picture of the current one."""

    def __init__(self, volumes: VolumeChoice, parent: QWidget | None) -> None:
        last = volumes.n - 1
        super().__init__(
            "Choose a volume",
            f"{volumes.name} holds {volumes.n} volumes (time points, directions, channels or "
            f"frames), numbered 0 to {last}. Choose one to open.",
            parent,
        )
        self._volumes = volumes
        self.words = QLabel()
        self.words.setWordWrap(True)
        self.preview = QLabel()
        self.preview.setFixedSize(PREVIEW, PREVIEW)
        self.preview.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.preview.setWordWrap(True)
        self.slider, self.number = QSlider(Qt.Orientation.Horizontal), QSpinBox()
        for control in (self.slider, self.number):
            control.setRange(0, last)
        # A preview reads a whole volume, so it is made only when the slider is released.
        self.slider.setTracking(False)
        self.slider.sliderMoved.connect(self.number.setValue)
        self.slider.valueChanged.connect(self.number.setValue)
        self.number.setKeyboardTracking(False)
        self.number.valueChanged.connect(self._on_number)
        row = QHBoxLayout()
        row.addWidget(self.slider)
        row.addWidget(self.number)
        self.column.addWidget(self.preview, alignment=Qt.AlignmentFlag.AlignCenter)
        self.column.addLayout(row)
        if volumes.words:
            self.column.addWidget(self.words)
        self.column.addWidget(self.buttons)
        self._show_words(0)
        self._show_preview(0)

    def _show_words(self, number: int) -> None:
        self.words.setText(self._volumes.words[number] if self._volumes.words else "")

    def _on_number(self, number: int) -> None:
        self._show_words(number)
        if not self.slider.isSliderDown():
            self.slider.setValue(number)
            self._show_preview(number)

    def _show_preview(self, number: int) -> None:
        try:
            picture = self._volumes.preview(number)
        except ReadError as error:
            self.preview.setText(str(error))
            return
        self.preview.setPixmap(scaled_pixmap(picture, PREVIEW))


class SpacingDialog(ChoiceDialog):
    """Fields for the spacing of pixels and pages in mm, or "Not known"."""

    def __init__(self, name: str, n_pages: int, parent: QWidget | None) -> None:
        super().__init__(
            "Spacing of a stack",
            f"{name} has {n_pages} pages, read as slices. Enter their spacing: the file does not "
            f"state it, and volumes and diameters need it.",
            parent,
        )
        self.is_unknown = False
        form = QFormLayout()
        self.fields: list[QDoubleSpinBox] = []
        for title in ("Pixel width", "Pixel height", "Page distance"):
            field = QDoubleSpinBox()
            field.setDecimals(4)
            field.setRange(0.0001, 1000)
            field.setValue(1)
            field.setSuffix(" mm")
            form.addRow(title, field)
            self.fields.append(field)
        self.unknown = QPushButton("Not known")
        self.buttons.addButton(self.unknown, QDialogButtonBox.ButtonRole.AcceptRole)
        self.unknown.clicked.connect(self._on_unknown)
        self.column.addLayout(form)
        self.column.addWidget(self.buttons)

    def spacing(self) -> Triple:
        x, y, z = (field.value() for field in self.fields)
        return x, y, z

    def _on_unknown(self) -> None:
        self.is_unknown = True
