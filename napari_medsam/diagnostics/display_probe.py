"""A test, without opening a window, of whether one can be opened on this machine.

Qt ends the whole process if it cannot connect to the configured X server, so the test runs before
Qt is loaded. ``python -m napari_medsam.diagnostics.display_probe`` prints the problem and exits
with 1 if there is one.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sys
from collections.abc import Mapping

NO_SCREEN = "There is no screen here (neither DISPLAY nor WAYLAND_DISPLAY is set)."
X11_PORT = 6000
_TIMEOUT_SECONDS = 3.0


def problem(environment: Mapping[str, str] = os.environ, platform: str = sys.platform) -> str:
    """Why no window can be opened, as one sentence; "" if no obstacle is known."""
    if platform in ("win32", "darwin") or environment.get("QT_QPA_PLATFORM") == "offscreen":
        return ""
    if environment.get("WAYLAND_DISPLAY"):
        return ""
    display = environment.get("DISPLAY", "")
    if not display:
        return NO_SCREEN
    if not _answers(display):
        return f"The screen that DISPLAY names ({display}) does not answer."
    return ""


def _answers(display: str) -> bool:
    """Whether an X server listens at the address "host:number.screen" (X(7), DISPLAY NAMES)."""
    match = re.fullmatch(r"(?:unix/?)?([^:]*):(\d+)(?:\.\d+)?", display)
    if match is None:  # a path, as on macOS; let Qt find out
        return True
    host, number = match.group(1), int(match.group(2))
    try:
        if host:
            socket.create_connection((host, X11_PORT + number), _TIMEOUT_SECONDS).close()
            return True
        return _local_answers(number)
    except OSError:
        return False


def _local_answers(number: int) -> bool:
    path = f"/tmp/.X11-unix/X{number}"
    # Linux servers listen on a socket without a file, too; some containers have only that one.
    for address in (path, f"\0{path}"):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(_TIMEOUT_SECONDS)
            connection.connect(address)
            return True
    return False


if __name__ == "__main__":
    found = problem()
    if found:
        print(found)
    sys.exit(bool(found))
