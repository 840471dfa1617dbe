"""The two geometries of a NIfTI header, and how labels get exactly the same ones.

NIfTI gives sform (an affine) and qform (a rotation with spacings). The sform is used if it is
coded, then the qform, then nibabel's guess; this is nibabel's own rule
(`Nifti1Header.get_best_affine`). Other programs prefer the qform, so labels get both as the image
has them, number for number. The world of NIfTI is RAS; it is converted to LPS here.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.grid import (
    NO_SPACING,
    Geometry,
    NiftiForms,
    SourceGrid,
    geometry_from_affine,
)

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
MILLIMETRES = {1: 1000.0, 2: 1.0, 3: 0.001}
"""NIfTI spatial unit codes: metre, millimetre, micrometre (nifti1.h, NIFTI_UNITS_*)."""
NIFTI_1_LIMIT = 32767
"""NIfTI-1 counts the voxels of an axis in 16 bits with sign."""
NEGATIVE_PIXDIM = "pixdim[1,2,3] should be positive"
"""Begins nibabel's warning."""
MIRRORED = (
    "The file states a negative voxel size (pixdim), which NIfTI does not allow. It is read by its "
    "amount, as nibabel does; ITK programs (3D Slicer, ITK-SNAP) show this image mirrored. Check "
    "left and right. Saved labels lie on the image in both."
)
SCANNER = 1
"""Form code "scanner anatomical" (nifti1.h, NIFTI_XFORM_SCANNER_ANAT)."""


def geometry_of(image: Any) -> tuple[Geometry, NiftiForms | None, list[str]]:
    """The position that an opened image states.

    Returns
    -------
    geometry
        Of the file's axes i, j, k, in LPS millimetres.
    forms
        The header's fields as stored, None where the file is not NIfTI.
    notes
        Warnings for the user.
    """
    header = image.header
    if not isinstance(header, nib.Nifti1Header):
        notes = []
        if isinstance(header, nib.AnalyzeHeader):
            notes.append("Analyze files do not state left and right: check the side.")
        affine = np.asarray(image.affine, dtype=np.float64)
        if not _is_regular(affine):
            raise ReadError("its affine is not a usable matrix")
        geometry = _placed(image, affine)
        return geometry, None, [*notes, *geometry.notes]
    forms, sform, qform, notes = _forms(header, stored_pixdim(image))
    if sform is not None:
        affine = sform
        notes += _disagreement(sform, qform, header) or _two_sizes(sform, forms)
    elif qform is not None:
        affine = qform
    else:
        affine = header.get_base_affine()
        notes.append(
            "The file states neither sform nor qform: which side is left is a guess "
            "(nibabel's), and its position in the patient is unknown."
        )
    affine = np.asarray(affine, dtype=np.float64).copy()
    if not _is_regular(affine):
        notes.append(NO_SPACING)
        affine = np.diag([-1.0, 1.0, 1.0, 1.0])
    affine[:3] *= MILLIMETRES.get(forms.units, 1.0)
    geometry = _placed(image, affine)
    return geometry, forms, [*notes, *geometry.notes]


def _placed(image: Any, affine_ras: NDArray[Any]) -> Geometry:
    i, j, k = (*(int(n) for n in image.shape), 1, 1)[:3]
    return geometry_from_affine((k, j, i), RAS_TO_LPS @ affine_ras)


def stored_pixdim(image: Any) -> NDArray[np.float64]:
    """The field pixdim as it is in the file: nibabel corrects negative lengths as it reads."""
    holder = image.file_map.get("header", image.file_map["image"])
    if holder.filename is None:
        return np.asarray(image.header["pixdim"], dtype=np.float64)
    with holder.get_prepare_fileobj("rb") as stream:
        header = type(image.header).from_fileobj(stream, check=False)
    return np.asarray(header["pixdim"], dtype=np.float64)


def _forms(
    header: Any, stored: NDArray[np.float64]
) -> tuple[NiftiForms, NDArray[Any] | None, NDArray[Any] | None, list[str]]:
    """The header's forms; one that is coded but unusable counts as not coded."""
    notes = []
    usable: dict[str, NDArray[Any] | None] = {}
    for name, read in (("sform", header.get_sform), ("qform", header.get_qform)):
        usable[name] = None
        if int(header[f"{name}_code"]) > 0:
            try:
                affine = np.asarray(read(), dtype=np.float64)
            except HeaderDataError:
                affine = np.zeros((4, 4))
            if _is_regular(affine):
                usable[name] = affine
            else:
                notes.append(f"The file's {name} is not a usable matrix and is ignored.")
    sform, qform = usable["sform"], usable["qform"]
    pixdim = [float(v) if np.isfinite(v) and v != 0 else 1.0 for v in stored[:4]]
    if min(pixdim[1:4]) < 0:
        notes.append(MIRRORED)
    forms = NiftiForms(
        version=2 if isinstance(header, nib.Nifti2Header) else 1,
        units=int(header["xyzt_units"]) % 8,
        pixdim=(pixdim[0], pixdim[1], pixdim[2], pixdim[3]),
        qform_code=int(header["qform_code"]) if qform is not None else 0,
        quatern=_triple(header, "quatern_b", "quatern_c", "quatern_d"),
        qoffset=_triple(header, "qoffset_x", "qoffset_y", "qoffset_z"),
        sform_code=int(header["sform_code"]) if sform is not None else 0,
        srow=tuple(_row(header[f"srow_{axis}"]) for axis in "xyz"),
    )
    return forms, sform, qform, notes


def _triple(header: Any, first: str, second: str, third: str) -> tuple[float, float, float]:
    return float(header[first]), float(header[second]), float(header[third])


def _row(values: Any) -> tuple[float, float, float, float]:
    a, b, c, d = (float(v) for v in values)
    return a, b, c, d


def _is_regular(affine: NDArray[Any]) -> bool:
    """Whether an affine is finite, has no empty axis and does not fold space flat."""
    if not np.all(np.isfinite(affine)):
        return False
    lengths = np.linalg.norm(affine[:3, :3], axis=0)
    if np.any(lengths <= 0):
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / lengths)) > 1e-3)


def _disagreement(sform: NDArray[Any], qform: NDArray[Any] | None, header: Any) -> list[str]:
    """A warning if the two forms put a corner of the volume in different places."""
    if qform is None:
        return []
    last = [max(1, int(n)) - 1 for n in header["dim"][1:4]]
    corners = np.array([[*corner, 1] for corner in product(*((0, n) for n in last))])
    apart = float(np.linalg.norm((corners @ (sform - qform).T)[:, :3], axis=1).max())
    if apart < 0.1 * float(np.linalg.norm(sform[:3, :3], axis=0).min()):
        return []
    return [
        f"The file's sform and qform differ by up to {apart:.3g} (in its units); the sform is "
        f"used, and other programs may use the qform. Saved labels carry both."
    ]


def _two_sizes(sform: NDArray[Any], forms: NiftiForms) -> list[str]:
    """A warning if the sform's columns have other lengths than pixdim states."""
    lengths, stated = np.linalg.norm(sform[:3, :3], axis=0), np.abs(forms.pixdim[1:4])
    if np.allclose(lengths, stated, rtol=1e-3):
        return []
    sform_size, pixdim_size = (" x ".join(f"{n:.4g}" for n in size) for size in (lengths, stated))
    return [
        f"The file states two voxel sizes, {sform_size} (sform) and {pixdim_size} (pixdim, in its "
        f"units); the sform is used, and ITK programs may use pixdim."
    ]


def header_for_labels(grid: SourceGrid, shape_ijk: tuple[int, ...], dtype: Any) -> Any:
    """A NIfTI header with the grid's geometry and no other trace of the source.

    A NIfTI source gives its own forms, unchanged. Any other source gives sform and qform from
    its geometry, both "scanner anatomical", in millimetres. NIfTI-1 is written wherever the
    size allows it, also for a NIfTI-2 source: few programs read NIfTI-2.
    """
    forms = grid.forms
    header = nib.Nifti2Header() if max(shape_ijk) > NIFTI_1_LIMIT else nib.Nifti1Header()
    header.set_data_dtype(dtype)
    header.set_data_shape(shape_ijk)
    if forms is None:
        affine = RAS_TO_LPS @ grid.geometry.affine
        header.set_sform(affine, SCANNER)
        # A sheared affine has no quaternion: the qform is then the nearest rotation.
        header.set_qform(affine, SCANNER, strip_shears=True)
        header.set_xyzt_units(xyz="mm")
        return header
    header["pixdim"][:4] = forms.pixdim
    header["qform_code"], header["sform_code"] = forms.qform_code, forms.sform_code
    for name, value in zip("bcd", forms.quatern, strict=True):
        header[f"quatern_{name}"] = value
    for name, value in zip("xyz", forms.qoffset, strict=True):
        header[f"qoffset_{name}"] = value
    for name, row in zip("xyz", forms.srow, strict=True):
        header[f"srow_{name}"] = row
    header["xyzt_units"] = forms.units or 2
    return header
