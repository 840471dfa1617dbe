"""Sets this plugin as napari's reader of medical images and DICOM folders, if the user agrees.

napari asks which reader to use if there are several. The answer can be stored in napari's settings
(`plugins.extension2reader`, pattern to plugin). Pictures are left to napari: they are not medical
files. For a folder of pictures without DICOM, which our reader refuses, napari still asks.
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
    """Let napari open our kinds of files with this plugin, or else ask again; store the answer.

    Other patterns stay, and "no" removes none that the user has given to another plugin.
    """
    plugins, ours = get_settings().plugins, dict.fromkeys(PATTERNS, PLUGIN)
    readers = plugins.extension2reader
    others = {pattern: name for pattern, name in readers.items() if ours.get(pattern) != name}
    plugins.extension2reader = readers | ours if yes else others
    settings.set_settings(opens_files="yes" if yes else "no")
