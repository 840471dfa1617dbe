"""The case of hour.py: its files, its reference on the window's grid, the check of the result."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk

ORGANS = ("liver", "spleen", "stomach", "aorta", "vertebrae_T12")
N_LABELS = 5


class NoCase(Exception):
    """The case is missing or unsuitable; the message gives the reason."""


@dataclass(frozen=True)
class HourCase:
    """A case to segment.

    Parameters
    ----------
    path
        The file or folder that is dropped on the window.
    image
        (Z, Y, X) voxels as in the reference's file.
    reference
        (Z, Y, X) reference labels.
    organs
        Name to number in `reference`, in the order of work.
    """

    path: Path
    image: np.ndarray
    reference: np.ndarray
    organs: dict[str, int]

    def reference_in(self, voxels: np.ndarray) -> np.ndarray:
        """Return the reference on the grid of `voxels`, which may be flipped against it.

        Raises
        ------
        NoCase
            If `voxels` are not this image.
        """
        for flips in np.ndindex(2, 2, 2):
            flipped = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
            if self.image.shape == voxels.shape and np.array_equal(self.image[flipped], voxels):
                return np.ascontiguousarray(self.reference[flipped])
        raise NoCase("The window's image is not the image of the reference.")


def open_case(folder: Path, name: str) -> HourCase:
    """Open a case of the reference data, by name.

    Raises
    ------
    NoCase
        If it is missing or has too few labels.
    """
    arrays, native = folder / "cases" / f"{name}.npz", folder / "native" / name
    if not arrays.exists() or not native.exists():
        raise NoCase(f"Skipped: the case {name} is not beside the project ({arrays.name}).")
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    records = meta if isinstance(meta, list) else meta.get("cases", meta)
    rows = records.values() if isinstance(records, dict) else records
    [record] = [row for row in rows if row["file"] == arrays.name]
    with np.load(arrays) as data:
        image, reference = data["image"], data["label"]
    return HourCase(_file_or_series(native), image, reference, _organs(record, reference))


def _organs(record: dict[str, Any], reference: np.ndarray) -> dict[str, int]:
    """Five organs: those of `ORGANS` in the reference, then the largest others."""
    numbers = {name: int(number) for number, name in record["label_names"].items()}
    sizes = {name: np.count_nonzero(reference == number) for name, number in numbers.items()}
    usual = [name for name in ORGANS if sizes.get(name)]
    others = sorted(set(numbers) - set(usual), key=lambda name: -sizes[name])
    chosen = [*usual, *others][:N_LABELS]
    if len(chosen) < N_LABELS:
        raise NoCase(f"Skipped: the case has {len(chosen)} labels, {N_LABELS} are needed.")
    return {name: numbers[name] for name in chosen}


def _file_or_series(native: Path) -> Path:
    """The image's file, or the folder itself if it holds a DICOM series."""
    images = [p for p in sorted(native.iterdir()) if p.name.endswith((".nii.gz", ".nrrd", ".nii"))]
    images = [p for p in images if not any(word in p.name for word in ("seg", "label"))]
    return images[0] if len(images) == 1 else native


def read_as_itk(path: Path) -> sitk.Image:
    """Read an image's file or series with SimpleITK only."""
    if path.is_dir():
        reader = sitk.ImageSeriesReader()
        [series] = reader.GetGDCMSeriesIDs(str(path))
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path), series))
        return reader.Execute()
    return sitk.ReadImage(str(path))


def check_saved(saved: Path, case: HourCase, labels: np.ndarray, affine: np.ndarray) -> list[str]:
    """Return what is wrong with a saved file, a sentence each; empty if it is right.

    SimpleITK compares its geometry with that of the image's own file; nibabel looks up every
    labelled voxel of the window by its position in the patient.

    Parameters
    ----------
    saved
        A NIfTI file.
    case
        The case whose labels it holds.
    labels
        (Z, Y, X) labels in the window.
    affine
        4x4, voxel (x, y, z) of the window to LPS millimetres.
    """
    return [*_wrong_geometry(saved, case.path), *_wrong_voxels(saved, labels, affine)]


def _wrong_geometry(saved: Path, source: Path) -> list[str]:
    written, image = sitk.ReadImage(str(saved)), read_as_itk(source)
    wrong = []
    for name, tolerance in (("Size", 0), ("Spacing", 1e-4), ("Origin", 1e-3), ("Direction", 1e-5)):
        of_labels, of_image = (getattr(each, f"Get{name}")() for each in (written, image))
        if not np.allclose(of_labels, of_image, rtol=0, atol=tolerance):
            wrong.append(f"{name} {of_labels} of the labels is not {of_image} of the image.")
    return wrong


def _wrong_voxels(saved: Path, labels: np.ndarray, affine: np.ndarray) -> list[str]:
    file = nib.load(saved)
    values = np.asarray(file.dataobj)
    zyx = np.argwhere(labels)
    lps = np.c_[zyx[:, ::-1], np.ones(len(zyx))] @ affine.T
    ras = lps * [-1, -1, 1, 1]
    index = np.rint(ras @ np.linalg.inv(file.affine).T)[:, :3].astype(int)
    wrong = []
    if np.count_nonzero(values) != len(zyx):
        n_in_file = np.count_nonzero(values)
        wrong.append(f"The file has {n_in_file} labelled voxels, the window {len(zyx)}.")
    if not np.array_equal(values[tuple(index.T)], labels[tuple(zyx.T)]):
        wrong.append("A voxel of the file has another label than the same position in the window.")
    return wrong
