"""The strip as a picture: what is drawn where, and which slice lies under the mouse."""

from __future__ import annotations

from typing import Any

import pytest
from qtpy.QtCore import QPoint, Qt
from qtpy.QtGui import QColor, QImage
from qtpy.QtTest import QTest

from napari_medsam.ui.state.dock_state import StripState
from napari_medsam.ui.widgets.slice_strip import DOUBT, GOOD, HEIGHT, READY, SETTLED, SliceStrip

WIDTH = 200


@pytest.fixture
def strip(qtbot: Any) -> SliceStrip:
    made = SliceStrip()
    qtbot.addWidget(made)
    made.resize(WIDTH, HEIGHT)
    return made


def colors_at(strip: SliceStrip, index: int, n: int) -> set[str]:
    """The colours in the column of a slice, top to bottom."""
    image = QImage(strip.size(), QImage.Format.Format_RGB32)
    strip.render(image)
    x = int((index + 0.5) * WIDTH / n)
    return {QColor(image.pixel(x, y)).name() for y in range(image.height())}


def test_ready_good_and_doubtful_slices_have_their_colours(strip: SliceStrip) -> None:
    strip.show_strip(
        StripState("z", 10, 0, frozenset({2}), confidences=((4, 0.9), (6, 0.1)), keyframes=(8,))
    )
    assert READY.name() in colors_at(strip, 2, 10)
    assert GOOD.name() in colors_at(strip, 4, 10)
    assert DOUBT.name() in colors_at(strip, 6, 10)
    assert not {READY.name(), GOOD.name(), DOUBT.name()} & colors_at(strip, 5, 10)


def test_one_doubtful_slice_of_a_thousand_is_still_seen(strip: SliceStrip) -> None:
    sure = tuple((i, 0.9) for i in range(1000) if i != 500)
    strip.show_strip(StripState("z", 1000, None, confidences=(*sure, (500, 0.1))))
    assert DOUBT.name() in colors_at(strip, 502, 1000)


def test_slice_under_the_mouse_stays_inside(strip: SliceStrip) -> None:
    strip.show_strip(StripState("z", 10, 0))
    assert [strip.slice_at(x) for x in (-5, 0, 19, 20, 199, 400)] == [0, 0, 0, 1, 9, 9]


def test_without_an_image_nothing_is_asked_for(strip: SliceStrip, qtbot: Any) -> None:
    strip.show_strip(None)
    with qtbot.assertNotEmitted(strip.jumped):
        strip.mousePressEvent(None)
        strip.mouseMoveEvent(None)
    strip.grab()


def test_settled_slice_is_no_longer_orange(strip: SliceStrip) -> None:
    strip.show_strip(
        StripState("z", 10, 0, confidences=((4, 0.1), (6, 0.1)), settled=frozenset({4}))
    )
    assert SETTLED.name() in colors_at(strip, 4, 10)
    assert DOUBT.name() not in colors_at(strip, 4, 10)
    assert DOUBT.name() in colors_at(strip, 6, 10)


def test_dashed_end_is_dragged_and_a_press_elsewhere_jumps(strip: SliceStrip, qtbot: Any) -> None:
    strip.show_strip(StripState("z", 10, 0, ends=(2, 6)))
    left = Qt.MouseButton.LeftButton
    with qtbot.waitSignal(strip.end_moved) as moved:
        QTest.mousePress(strip, left, pos=QPoint(140, 10))
        QTest.mouseMove(strip, QPoint(110, 10))
        QTest.mouseRelease(strip, left, pos=QPoint(110, 10))
    assert moved.args == [6, 5]
    with qtbot.assertNotEmitted(strip.end_moved):
        QTest.mouseClick(strip, left, pos=QPoint(90, 10))


def test_first_end_never_passes_the_last(strip: SliceStrip, qtbot: Any) -> None:
    strip.show_strip(StripState("z", 10, 0, ends=(2, 6)))
    left = Qt.MouseButton.LeftButton
    with qtbot.waitSignal(strip.end_moved) as moved:
        QTest.mousePress(strip, left, pos=QPoint(40, 10))
        QTest.mouseMove(strip, QPoint(199, 10))
        QTest.mouseRelease(strip, left, pos=QPoint(199, 10))
    assert moved.args == [2, 6]
