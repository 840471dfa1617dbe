"""The modalities, and how files spell them: one list for `engine`, `models` and `formats`.

A modality is one of `MODALITIES`, those of the CVPR24 challenge, or "" if it is not known.
"""

from __future__ import annotations

MODALITIES = (
    "CT",
    "MR",
    "PET",
    "US",
    "X-Ray",
    "Mammography",
    "Dermoscopy",
    "Endoscopy",
    "Fundus",
    "Microscopy",
    "OCT",
)

SPELLINGS: dict[str, str] = {
    **{word.lower(): word for word in MODALITIES},
    "xray": "X-Ray",
    "microscope": "Microscopy",
    "mammo": "Mammography",
    "mri": "MR",
}
"""Spellings in file names, in lower case."""

CHALLENGE_SPELLINGS: dict[str, str] = {
    **SPELLINGS,
    "xr": "X-Ray",
    "cxr": "X-Ray",
    "dermoscope": "Dermoscopy",
    "endoscope": "Endoscopy",
    "mamm": "Mammography",
    "ultrasound": "US",
}
"""Spellings after ``2DBox_`` or ``3DBox_``, which differ between the challenge's training and
test sets."""

DICOM_MODALITIES: dict[str, str] = {
    "CT": "CT",
    "MR": "MR",
    "PT": "PET",
    "US": "US",
    "IVUS": "US",
    "CR": "X-Ray",
    "DX": "X-Ray",
    "RF": "X-Ray",
    "XA": "X-Ray",
    "RG": "X-Ray",
    "PX": "X-Ray",
    "IO": "X-Ray",
    "MG": "Mammography",
    "OP": "Fundus",
    "OPT": "OCT",
    "OCT": "OCT",
    "IVOCT": "OCT",
    "ES": "Endoscopy",
    "SM": "Microscopy",
    "GM": "Microscopy",
    "DMS": "Dermoscopy",
}
"""The modality of each value of DICOM's Modality (0008,0060); any other value is "" here."""
