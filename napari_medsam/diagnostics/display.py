"""Checks of Qt, the display and OpenGL, in separate processes: each could end the process."""

from __future__ import annotations

import subprocess
import sys

from napari_medsam.diagnostics import display_probe
from napari_medsam.diagnostics.check_result import Check
from napari_medsam.storage.processes import no_window

_TIMEOUT_SECONDS = 60
LOAD_QT = "import qtpy.QtWidgets as w, qtpy; print(qtpy.API_NAME, qtpy.QT_VERSION)"
OPEN_GL = """
from qtpy.QtGui import QGuiApplication, QOpenGLContext
app = QGuiApplication([])
context = QOpenGLContext()
made = context.create()
version = context.format()
print(f"{version.majorVersion()}.{version.minorVersion()}" if made else "none")
"""


def qt() -> Check:
    install = 'The window needs a Qt binding: pip install "napari-medsam[pyqt6]"'
    code, out = in_a_process(LOAD_QT)
    if code:
        return Check("Qt", "note", f"does not load: {out}", install)
    return Check("Qt", "ok", out)


def a_screen() -> Check:
    problem = display_probe.problem()
    if problem:
        advice = 'The command line works without one: "segment", "demo --headless DIR".'
        return Check("screen", "note", problem, advice)
    return Check("screen", "ok", "there is one")


def opengl() -> Check:
    code, out = in_a_process(OPEN_GL)
    if code or out == "none":
        advice = "napari draws with OpenGL: install libgl1 and libegl1, or a graphics driver."
        return Check("OpenGL", "note", f"no context could be made {out}", advice)
    return Check("OpenGL", "ok", out)


def in_a_process(program: str) -> tuple[int, str]:
    """Exit code and last line of a small Python program."""
    try:
        done = subprocess.run(
            # utf8: both ends agree, whatever the console's code page is.
            [sys.executable, "-X", "utf8", "-W", "ignore", "-c", program],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            creationflags=no_window(),
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"no answer within {_TIMEOUT_SECONDS} seconds"
    text = done.stdout if done.returncode == 0 else done.stderr
    lines = [line for line in text.splitlines() if line.strip()]
    return done.returncode, lines[-1].strip() if lines else ""
