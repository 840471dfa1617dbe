"""Lets napari open medical images and DICOM folders with us unasked, where the user agreed.

napari asks which reader to take when it has several; the answer can be set ahead in its own
settings (`plugins.extension2reader`, pattern to plugin). Pictures are left to napari: they are no
medical kind of file. A folder without DICOM, which we refuse, still makes napari ask.
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
        "/",  # napari compares a folder's path with a slash at its end
    )
)
QUESTION = "Always open NIfTI, NRRD, MHA and DICOM (files and folders) here, without asking?"


def answer_preferred_reader(yes: bool) -> None:
    """What the user said, kept."""
    (become_preferred_reader if yes else leave_alone)()


def become_preferred_reader() -> None:
    """The user agreed: napari opens our kinds of files with us; other patterns stay."""
    plugins = get_settings().plugins
    plugins.extension2reader = {**plugins.extension2reader, **dict.fromkeys(PATTERNS, PLUGIN)}
    settings.set_settings(opens_files="yes")


def leave_alone() -> None:
    """The user said no, now or later: napari asks as it did before."""
    plugins = get_settings().plugins
    ours = {p for p in PATTERNS if plugins.extension2reader.get(p) == PLUGIN}
    kept = {p: name for p, name in plugins.extension2reader.items() if p not in ours}
    plugins.extension2reader = kept
    settings.set_settings(opens_files="no")
