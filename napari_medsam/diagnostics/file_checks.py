"""Checks of the file formats that can be read and saved, and of the folder of the embeddings."""

from __future__ import annotations

from napari_medsam.diagnostics.check_result import Check, State, first_line
from napari_medsam.headless.disk_cache_settings import cache_folder, disk_cache
from napari_medsam.storage.paths import can_write


def files() -> list[Check]:
    """Which formats can be read and saved here; each is tried on a tiny volume."""
    try:
        from napari_medsam.diagnostics.format_check import try_formats
        from napari_medsam.formats.images.read import SUFFIXES
    except ImportError as error:
        advice = "Install again: pip install --force-reinstall SimpleITK nibabel"
        return [Check("files", "problem", f"cannot be read: {first_line(error)}", advice)]
    tried = try_formats()
    works = ", ".join(trial.title for trial in tried if not trial.problem)
    checks = [
        Check("reads", "ok", f"DICOM folders, DICOMDIR, {' '.join(SUFFIXES)}"),
        Check("saves", "ok", f"{works} (each tried: written, read back and compared)"),
    ]
    without = [trial for trial in tried if trial.problem]
    return checks + [Check(trial.title, _weight(trial.problem), trial.problem) for trial in without]


def _weight(problem: str) -> State:
    """A format that only lacks an optional library is not a fault of the machine."""
    return "note" if "pip install" in problem else "problem"


def cache() -> Check:
    """Whether embeddings can be stored for later runs; without this all works, but slower."""
    folder = cache_folder()
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not can_write(existing):
        advice = (
            "Set NAPARI_MEDSAM_CACHE to a folder you may write in; until then cases open slowly."
        )
        return Check("cache", "note", f"{folder} cannot be written", advice)
    disk = disk_cache()
    found = f"{folder}, {disk.n_bytes / 1e6:,.0f} MB of at most {disk.max_bytes / 1e6:,.0f} MB"
    return Check("cache", "ok", found)
