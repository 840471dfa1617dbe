"""The case of the hour: its location, its reference on the window's grid, and the final check."""

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
    """The case is missing; the message names what was searched for."""


@dataclass(frozen=True)
class HourCase:
    """A case to be worked on.

    Parameters
    ----------
    path
        What is dropped on the window.
    image
        (Z, Y, X) the voxels as the reference's file has them.
    reference
        (Z, Y, X) its labels.
    organs
        Name to number in `reference`, in the order of work.
    """

    path: Path
    image: np.ndarray
    reference: np.ndarray
    organs: dict[str, int]

    def reference_in(self, voxels: np.ndarray) -> np.ndarray:
        """The reference on the grid of `voxels`, which may be flipped against it.

        Raises
        ------
        NoCase
            If `voxels` are not this image.
        """
        for flips in np.ndindex(2, 2, 2):
            turned = tuple(slice(None, None, -1 if flip else 1) for flip in flips)
            if self.image.shape == voxels.shape and np.array_equal(self.image[turned], voxels):
                return np.ascontiguousarray(self.reference[turned])
        raise NoCase("The window's image is not the image of the reference.")


def open_case(folder: Path, name: str) -> HourCase:
    """Open a case of the reference data, by name.

    Raises
    ------
    NoCase
        If it is missing or has not enough labels.
    """
    arrays, native = folder / "cases" / f"{name}.npz", folder / "native" / name
    if not arrays.exists() or not native.exists():
        raise NoCase(f"Skipped: the case {name} is not beside the project ({arrays.name}).")
    found = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    every = found if isinstance(found, list) else found.get("cases", found)
    rows = every.values() if isinstance(every, dict) else every
    [about] = [row for row in rows if row["file"] == arrays.name]
    with np.load(arrays) as data:
        image, reference = data["image"], data["label"]
    return HourCase(_dropped(native), image, reference, _organs(about, reference))


def _organs(about: dict[str, Any], reference: np.ndarray) -> dict[str, int]:
    """Five organs: those of `ORGANS` that are there, then the largest others."""
    numbers = {name: int(number) for number, name in about["label_names"].items()}
    sizes = {name: np.count_nonzero(reference == number) for name, number in numbers.items()}
    first = [name for name in ORGANS if sizes.get(name)]
    others = sorted(set(numbers) - set(first), key=lambda name: -sizes[name])
    chosen = [*first, *others][:N_LABELS]
    if len(chosen) < N_LABELS:
        raise NoCase(f"Skipped: the case has {len(chosen)} labels, {N_LABELS} are needed.")
    return {name: numbers[name] for name in chosen}


def _dropped(native: Path) -> Path:
    """The image's file, or the folder itself if it holds a DICOM series."""
    images = [p for p in sorted(native.iterdir()) if p.name.endswith((".nii.gz", ".nrrd", ".nii"))]
    images = [p for p in images if not any(word in p.name for word in ("seg", "label"))]
    return images[0] if len(images) == 1 else native


def read_as_itk(path: Path) -> sitk.Image:
    """An image's file or series as SimpleITK alone reads it."""
    if path.is_dir():
        reader = sitk.ImageSeriesReader()
        [series] = reader.GetGDCMSeriesIDs(str(path))
        reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(path), series))
        return reader.Execute()
    return sitk.ReadImage(str(path))


def check_saved(saved: Path, case: HourCase, labels: np.ndarray, affine: np.ndarray) -> list[str]:
    """What is wrong with a saved file; nothing where it is right.

    SimpleITK compares its geometry with that of the image's own file; nibabel looks every
    labelled voxel of the window up in it by its place in the patient.

    Parameters
    ----------
    saved
        A NIfTI file.
    case
        The image it belongs to.
    labels
        (Z, Y, X) as the window has them.
    affine
        4x4, voxel (x, y, z) of the window to LPS millimetres.
    """
    return [*_wrong_geometry(saved, case.path), *_wrong_voxels(saved, labels, affine)]


def _wrong_geometry(saved: Path, source: Path) -> list[str]:
    written, image = sitk.ReadImage(str(saved)), read_as_itk(source)
    wrong = []
    for name, tolerance in (("Size", 0), ("Spacing", 1e-4), ("Origin", 1e-3), ("Direction", 1e-5)):
        ours, theirs = (getattr(one, f"Get{name}")() for one in (written, image))
        if not np.allclose(ours, theirs, rtol=0, atol=tolerance):
            wrong.append(f"{name} {ours} of the labels is not {theirs} of the image.")
    return wrong


def _wrong_voxels(saved: Path, labels: np.ndarray, affine: np.ndarray) -> list[str]:
    file = nib.load(saved)
    values = np.asarray(file.dataobj)
    where = np.argwhere(labels)
    lps = np.c_[where[:, ::-1], np.ones(len(where))] @ affine.T
    ras = lps * [-1, -1, 1, 1]
    index = np.rint(ras @ np.linalg.inv(file.affine).T)[:, :3].astype(int)
    wrong = []
    if np.count_nonzero(values) != len(where):
        wrong.append(f"The file has {np.count_nonzero(values)} voxels, the window {len(where)}.")
    if not np.array_equal(values[tuple(index.T)], labels[tuple(where.T)]):
        wrong.append("A voxel of the file has another label than the same place in the window.")
    return wrong
