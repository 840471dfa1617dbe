"""A virtual screen for each worker of pytest-xdist: tests move the mouse and take the focus."""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial

START_SECONDS = 60
PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2): the child gets a signal when its parent dies, in a crash too."""


def start_own_screen() -> Callable[[], None]:
    """Start a virtual screen and let Qt use it; where there is no Xvfb, do nothing.

    It has the size that script/test gives to a run in one process. Qt must not be loaded yet.

    Returns
    -------
    What stops it. A process of pytest-xdist ends without Python's own clean-up, `atexit` included.
    """
    if not sys.platform.startswith("linux") or shutil.which("Xvfb") is None:
        return lambda: None
    end_with_parent = partial(ctypes.CDLL(None).prctl, PR_SET_PDEATHSIG, signal.SIGTERM)
    reading, writing = os.pipe()
    # With no stream of the worker's: what waits for the end of one would wait for the screen.
    screen = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
        pass_fds=(writing,),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=end_with_parent,
    )
    os.close(writing)
    with os.fdopen(reading) as answer:
        has_answered = bool(select.select([answer], [], [], START_SECONDS)[0])
        number = answer.readline().strip() if has_answered else ""
    if not number:
        screen.kill()
        raise RuntimeError("Xvfb has not started a screen.")
    os.environ["DISPLAY"] = f":{number}"

    def stop() -> None:
        screen.terminate()
        screen.wait()

    return stop
