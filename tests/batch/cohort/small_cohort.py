"""A small cohort: NIfTI files and their table."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np

HEADER = "case,label,axis,first,last,x0,y0,x1,y1"


def voxels() -> np.ndarray:
    """(Z, Y, X): a bright block at rows 10..19, columns 8..15, slices 2..5."""
    block = np.zeros((8, 32, 32), np.uint8)
    block[2:6, 10:20, 8:16] = 200
    return block


def make_cohort(folder: Path, names: str = "abcde") -> Path:
    folder.mkdir(exist_ok=True)
    lines = [HEADER]
    for name in names:
        image = nib.Nifti1Image(voxels().T, np.diag([-2.0, -2.0, 3.0, 1.0]))
        nib.save(image, folder / f"{name}.nii.gz")
        lines.append(f"{name}.nii.gz,liver,z,2,5,6,8,18,22")
    (folder / "cases.csv").write_text("\n".join(lines) + "\n")
    return folder / "cases.csv"
