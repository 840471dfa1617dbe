"""Sets this plugin as napari's reader of medical images and DICOM folders, if the user agrees.

napari asks which reader to use if there are several. The answer can be stored in napari's settings
(`plugins.extension2reader`, pattern to plugin). Pictures are left to napari: they are not medical
files. For a folder without DICOM, which our reader refuses, napari still asks.
"""

from __future__ import annotations

from napari.settings import get_settings

from napari_medsam.storage import settings

PLUGIN = "napari-medsam"
PATTERNS = tuple(
    "*" + suffix
    for suffix in (
        *(".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd", ".mgz", ".dcm"),
        *(".seg.nrrd", ".seg.dcm", ".rtstruct.dcm"),
        "/",  # napari matches a folder's path with a slash at its end
    )
)
QUESTION = "Always open NIfTI, NRRD, MHA and DICOM (files and folders) here, without asking?"


def answer_preferred_reader(yes: bool) -> None:
    """Apply and store the user's answer."""
    (become_preferred_reader if yes else leave_alone)()


def become_preferred_reader() -> None:
    """Let napari open our kinds of files with this plugin; other patterns stay."""
    plugins = get_settings().plugins
    plugins.extension2reader = {**plugins.extension2reader, **dict.fromkeys(PATTERNS, PLUGIN)}
    settings.set_settings(opens_files="yes")


def leave_alone() -> None:
    """Remove our patterns from napari's settings, so that napari asks again."""
    plugins = get_settings().plugins
    ours = {p for p in PATTERNS if plugins.extension2reader.get(p) == PLUGIN}
    others = {p: name for p, name in plugins.extension2reader.items() if p not in ours}
    plugins.extension2reader = others
    settings.set_settings(opens_files="no")
