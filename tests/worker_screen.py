"""A virtual screen for each worker of pytest-xdist: tests move the mouse and take the focus."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys


def own_screen() -> subprocess.Popen[bytes] | None:
    """Start a virtual screen and let Qt use it; None where there is no Xvfb.

    It has the size that script/test gives to a run in one process.
    """
    if not sys.platform.startswith("linux") or shutil.which("Xvfb") is None:
        return None
    reading, writing = os.pipe()
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
        pass_fds=(writing,),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        number = answer.readline().strip()
    if not number:
        raise RuntimeError("Xvfb ended before it had a screen.")
    os.environ["DISPLAY"] = f":{number}"
    return screen
