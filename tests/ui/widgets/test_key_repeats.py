"""A held key acts once per press; undo and redo repeat, at a rate the user can stop."""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from qtpy.QtCore import QEvent, QObject, Qt
from qtpy.QtGui import QGuiApplication, QKeyEvent
from qtpy.QtWidgets import QApplication, QWidget

from napari_medsam.ui.state import shortcuts
from napari_medsam.ui.widgets.key_repeats import PACE_S
from tests.ui.desk import TinyModelSource, image_layer, rectangle
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window

pytestmark = pytest.mark.gui

NONE = Qt.KeyboardModifier.NoModifier
SHIFT = Qt.KeyboardModifier.ShiftModifier
CONTROL = Qt.KeyboardModifier.ControlModifier
SIGNS = {",": "Comma", ".": "Period", "?": "Question"}
REPEAT_S = 1 / 30


class Timed(QKeyEvent):
    """A key event of a known time; PyQt6 has no `setTimestamp`."""

    when = 0

    def timestamp(self) -> int:
        return self.when


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    made.open(image_layer())
    yield made
    made.controller.close()


@pytest.fixture
def clock(window: Window) -> Clock:
    made = Clock()
    window.dock._repeats._now = made
    return made


def canvas(window: Window) -> QWidget:
    return window.viewer.window._qt_viewer.canvas.native


def qt_key(key: str) -> tuple[Qt.Key, Qt.KeyboardModifier]:
    """A key of the table, "Control-Shift-Z", as Qt has it."""
    *held, last = key.split("-")
    modifier = NONE
    for name in held:
        modifier |= {"Shift": SHIFT, "Control": CONTROL}[name]
    if last == "?":
        modifier |= SHIFT
    return getattr(Qt.Key, f"Key_{SIGNS.get(last, last)}"), modifier


def send(
    target: QWidget, kind: QEvent.Type, key: str, *, repeat: bool, text: str | None = None
) -> None:
    code, modifier = qt_key(key)
    text = key[-1].lower() if text is None and len(key.split("-")[-1]) == 1 else text or ""
    QApplication.sendEvent(target, QKeyEvent(kind, code, modifier, text, repeat, 1))


def repeat(
    target: QWidget, key: str, n: int, clock: Clock | None = None, x11: bool = False
) -> None:
    """Let the system repeat a key: on X11 each repeat is a release and a press."""
    for _ in range(n):
        if clock is not None:
            clock.now += REPEAT_S
        if x11:
            send(target, QEvent.Type.KeyRelease, key, repeat=True)
        send(target, QEvent.Type.KeyPress, key, repeat=True)


def hold(target: QWidget, key: str, n: int, clock: Clock | None = None, x11: bool = False) -> None:
    """Press a key, let the system repeat it `n` times, and let it go."""
    send(target, QEvent.Type.KeyPress, key, repeat=False)
    repeat(target, key, n, clock, x11)
    send(target, QEvent.Type.KeyRelease, key, repeat=False)


def count_actions(window: Window) -> Counter[str]:
    """From here on the keys count instead of acting."""
    done: Counter[str] = Counter()

    shortcuts.bind(window.viewer, lambda action: done.update([action]))
    # The boxes layer has Escape for itself, and napari's class of labels layers Ctrl+Z.
    window.viewer.layers.selection.active = window.image
    return done


@pytest.mark.parametrize("x11", [False, True], ids=["press alone", "release and press"])
def test_held_key_does_its_action_once_and_undo_and_redo_four_times_a_second(
    window: Window, clock: Clock, x11: bool
) -> None:
    done = count_actions(window)
    n = 40
    for key, action in shortcuts.bound():
        done.clear()
        hold(canvas(window), key, n, clock, x11)
        most = 1 + int(n * REPEAT_S / PACE_S)
        if action in ("undo", "redo"):
            assert 3 <= done[action] <= most, key
        else:
            assert done == {action: 1}, key
        assert set(done) == {action}


def come(window: Window, kind: QEvent.Type, when: int) -> None:
    """Shift-H at a time in milliseconds, in no way marked as a repeat."""
    code, modifier = qt_key("Shift-H")
    event = Timed(kind, code, modifier, "H", False, 1)
    event.when = when
    QApplication.sendEvent(canvas(window), event)


@pytest.fixture
def on_x11(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QGuiApplication, "platformName", staticmethod(lambda: "xcb"))


@pytest.mark.usefixtures("on_x11")
def test_repeat_that_qt_takes_for_a_press_is_none(window: Window) -> None:
    done = count_actions(window)
    come(window, QEvent.Type.KeyPress, 5000)
    for when in (5500, 5533, 5566):
        come(window, QEvent.Type.KeyRelease, when)
        come(window, QEvent.Type.KeyPress, when)
    come(window, QEvent.Type.KeyRelease, 5600)
    assert done["accept"] == 1
    come(window, QEvent.Type.KeyPress, 5601)
    assert done["accept"] == 2


def two_taps(window: Window) -> None:
    """What a remote desktop or a coarse clock makes of two quick taps."""
    for kind, when in ((QEvent.Type.KeyPress, 5000), (QEvent.Type.KeyRelease, 5016)):
        come(window, kind, when)
    for kind, when in ((QEvent.Type.KeyPress, 5016), (QEvent.Type.KeyRelease, 5032)):
        come(window, kind, when)


@pytest.mark.usefixtures("on_x11")
def test_two_quick_taps_with_one_time_are_two(window: Window) -> None:
    done = count_actions(window)
    two_taps(window)
    assert done["accept"] == 2


def test_equal_times_mean_nothing_on_other_systems(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(QGuiApplication, "platformName", staticmethod(lambda: "windows"))
    done = count_actions(window)
    come(window, QEvent.Type.KeyPress, 5000)
    come(window, QEvent.Type.KeyRelease, 5500)
    come(window, QEvent.Type.KeyPress, 5500)
    assert done["accept"] == 2


def test_every_press_counts_however_fast(window: Window, clock: Clock) -> None:
    done = count_actions(window)
    for _ in range(7):
        hold(canvas(window), "U", 0, clock)
    assert done == {"undo": 7}


@pytest.mark.parametrize("place", ["dock", "main window"])
def test_held_key_is_the_same_wherever_the_keyboard_is(
    window: Window, clock: Clock, place: str
) -> None:
    done = count_actions(window)
    target = window.parts.buttons["undo"] if place == "dock" else window.dock.window()
    hold(target, "Shift-H", 20, clock)
    hold(target, "U", 20, clock)
    assert done["accept"] == 1
    assert 2 <= done["undo"] <= 3


def test_slow_step_is_not_followed_by_the_repeats_that_piled_up(
    window: Window, clock: Clock
) -> None:
    done = count_actions(window)

    def slow(_: str) -> None:
        done["undo"] += 1
        clock.now += 2

    shortcuts.bind(window.viewer, slow)
    send(canvas(window), QEvent.Type.KeyPress, "U", repeat=False)
    for _ in range(60):  # all at one time: the program was busy
        send(canvas(window), QEvent.Type.KeyPress, "U", repeat=True)
    assert done["undo"] == 1
    repeat(canvas(window), "U", 8, clock)
    assert done["undo"] == 2
    for _ in range(60):
        send(canvas(window), QEvent.Type.KeyPress, "U", repeat=True)
    assert done["undo"] == 2


def test_shift_let_go_first_does_not_turn_delete_into_redo(window: Window, clock: Clock) -> None:
    done = count_actions(window)
    send(canvas(window), QEvent.Type.KeyPress, "Shift-J", repeat=False)
    repeat(canvas(window), "Shift-J", 5, clock)
    repeat(canvas(window), "J", 40, clock)
    send(canvas(window), QEvent.Type.KeyRelease, "J", repeat=False)
    assert done == {"delete_box": 1}


def test_key_that_was_pressed_in_a_dialog_does_nothing_in_the_window(
    window: Window, clock: Clock
) -> None:
    done = count_actions(window)
    hold(canvas(window), "U", 0, clock)
    done.clear()
    send(QWidget(), QEvent.Type.KeyPress, "U", repeat=False)  # the dialog that it closed
    for key, _ in shortcuts.bound():
        repeat(canvas(window), key, 20, clock)
    assert not done


def test_text_field_of_the_dock_keeps_its_repeats(window: Window) -> None:
    done = count_actions(window)
    field = window.parts.own_window
    field.clear()
    hold(field, "8", 4)
    assert field.text() == "88888"
    assert not done


def test_naparis_own_keys_still_go_through_the_slices(window: Window) -> None:
    window.look_at("z", 3)
    before = window.viewer.dims.current_step[0]
    hold(canvas(window), "Right", 5)
    assert window.viewer.dims.current_step[0] == before + 6


def test_held_ctrl_z_takes_back_boxes_at_a_pace_on_every_layer_of_the_case(
    window: Window, clock: Clock
) -> None:
    case = window.controller.case
    for layer in (window.image, case.boxes.layer, case.labels.layer):
        window.look_at("z", 10)
        for low in range(10, 20):
            n_before = len(case.annotation.log)
            case.boxes.layer.add_rectangles(rectangle((10, low, 10), (10, low + 20, 38)))
            wait_for(lambda n=n_before: len(case.annotation.log) > n)
        n_before = len(case.annotation.log)
        window.viewer.layers.selection.active = layer
        hold(canvas(window), "Control-Z", 20, clock)
        let_pass(50)
        undone = n_before - len(case.annotation.log)
        assert 2 <= undone <= 3, layer.name


def test_held_escape_on_the_boxes_layer_cancels_once(window: Window) -> None:
    called: list[int] = []
    case = window.controller.case
    window.viewer.layers.selection.active = case.boxes.layer
    window.controller.hand._cancel = lambda: called.append(1)
    hold(canvas(window), "Escape", 20)
    assert called == [1]


def test_what_is_left_without_our_filter_is_never_worse_than_once_a_press(
    window: Window,
) -> None:
    done = count_actions(window)
    application = QApplication.instance()
    assert application is not None
    application.removeEventFilter(window.dock._repeats)
    for key, action in shortcuts.bound():
        done.clear()
        hold(canvas(window), key, 20)
        assert done == {action: 1}, key


class Keyboard:
    """Keys pressed in the X server, which repeats them by itself while they are down."""

    def __init__(self) -> None:
        if QGuiApplication.platformName() != "xcb":
            pytest.skip("needs an X server")
        try:
            self._x, self._test = ctypes.CDLL("libX11.so.6"), ctypes.CDLL("libXtst.so.6")
        except OSError as error:
            pytest.skip(f"needs the libraries of X and of its XTEST extension: {error}")
        self._x.XOpenDisplay.restype = ctypes.c_void_p
        self._display = ctypes.c_void_p(self._x.XOpenDisplay(None))

    def focus(self, window: QWidget) -> None:
        """Give a window the keyboard, as a window manager would; Xvfb has none."""
        self._x.XSetInputFocus(
            self._display, ctypes.c_ulong(int(window.winId())), 1, ctypes.c_ulong(0)
        )
        self._x.XSync(self._display, 0)

    @contextmanager
    def holding(self, key: str) -> Iterator[None]:
        symbol = ctypes.c_ulong(self._x.XStringToKeysym(key.encode()))
        code = self._x.XKeysymToKeycode(self._display, symbol) & 0xFF
        self._send(code, True)
        try:
            yield
        finally:
            self._send(code, False)

    def _send(self, code: int, down: bool) -> None:
        self._test.XTestFakeKeyEvent(self._display, code, int(down), ctypes.c_ulong(0))
        self._x.XSync(self._display, 0)

    def close(self) -> None:
        self._x.XCloseDisplay(self._display)


class Heard(QObject):
    """Counts the repeats that the system sends."""

    def __init__(self) -> None:
        super().__init__()
        self.n = 0

    def eventFilter(self, watched: QObject | None, event: QEvent | None) -> bool:
        if isinstance(event, QKeyEvent) and isinstance(watched, QWidget):
            self.n += event.type() == QEvent.Type.KeyPress and event.isAutoRepeat()
        return False


def test_real_key_held_down_in_the_x_server(window: Window) -> None:
    done, keyboard, heard = count_actions(window), Keyboard(), Heard()
    main = window.dock.window()
    main.activateWindow()
    keyboard.focus(main)
    canvas(window).setFocus()
    wait_for(lambda: QApplication.focusWidget() is canvas(window))
    QApplication.instance().installEventFilter(heard)
    try:
        for key, action in (("h", "next_doubtful"), ("g", "propagate"), ("u", "undo")):
            with keyboard.holding(key):
                wait_for(lambda: heard.n > 0, 20)
                let_pass(1500)
            let_pass(300)
            assert heard.n > 5, "the server did not repeat the key"
            heard.n = 0
            n = done[action]
            assert n == 1 if action != "undo" else 3 <= n <= 8, (key, n)
    finally:
        QApplication.instance().removeEventFilter(heard)
        keyboard.close()
