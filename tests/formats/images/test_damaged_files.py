"""Damaged files: each gives an image or one sentence, quickly and without much memory."""

from __future__ import annotations

import resource
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_files import REFERABLE, write_series, write_slice
from tests.formats.dicom_objects import enhanced, image_object, save

N_EACH = 30
VOXELS = np.random.default_rng(1).integers(0, 900, (6, 7, 8)).astype(np.int16)


def good_nifti(path: Path) -> None:
    nib.save(nib.Nifti1Image(VOXELS.T, np.diag([-1.0, -1, 2, 1])), path)


def good_itk(path: Path) -> None:
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(path), useCompression=True)


def good_picture(path: Path) -> None:
    Image.fromarray(VOXELS[0].astype(np.uint8)).save(path)


def good_dicom(path: Path) -> None:
    write_slice(path, VOXELS[0], np.zeros(3))


def good_npz(path: Path) -> None:
    np.savez_compressed(path, imgs=VOXELS.astype(np.uint8), spacing=(1.0, 1.0, 2.0))


def good_mgz(path: Path) -> None:
    nib.save(nib.MGHImage(VOXELS.T.astype(np.float32), np.eye(4)), path)


def good_stack(path: Path) -> None:
    tifffile.imwrite(path, VOXELS, photometric="minisblack", compression="zlib")


def good_deflated(path: Path) -> None:
    save(image_object(VOXELS[0], syntax="1.2.840.10008.1.2.1.99"), path)


def good_run_lengths(path: Path) -> None:
    made = image_object(VOXELS[0])
    made.compress("1.2.840.10008.1.2.5")
    save(made, path)


def good_frames(path: Path) -> None:
    save(enhanced(VOXELS, (1, 0, 2, 3, 5, 4), (1.0,) * 6), path)


GOOD: dict[str, Callable[[Path], None]] = {
    "a.nii": good_nifti,
    "a.nii.gz": good_nifti,
    "a.nrrd": good_itk,
    "a.mha": good_itk,
    "a.png": good_picture,
    "a.tif": good_picture,
    "a.jpg": good_picture,
    "a.dcm": good_dicom,
    "a.npz": good_npz,
    "a.bmp": good_picture,
    "a.mgz": good_mgz,
    "stack.tif": good_stack,
    "deflated.dcm": good_deflated,
    "rle.dcm": good_run_lengths,
    "frames.dcm": good_frames,
}


def damaged(data: bytes, seed: int) -> bytes:
    """Cut, or change a few bytes, mostly of the header; some numbers made very large."""
    rng = np.random.default_rng(seed)
    if seed % 3 == 0:
        return data[: int(rng.integers(1, len(data)))]
    raw = bytearray(data)
    reach = min(len(raw), 400) if seed % 3 == 1 else len(raw)
    for place in rng.integers(0, reach, int(rng.integers(1, 12))):
        raw[place] = 0xFF if rng.random() < 0.3 else int(rng.integers(0, 256))
    return bytes(raw)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.mark.skipif(sys.platform == "win32", reason="measures memory the POSIX way")
@pytest.mark.parametrize("name", GOOD)
def test_damaged_file_gives_an_image_or_a_sentence(name: str, tmp_path: Path) -> None:
    GOOD[name](tmp_path / name)
    assert read_image(tmp_path / name).volume.voxels.size > 0
    data = (tmp_path / name).read_bytes()
    before, sentences = peak_mb(), []
    for seed in range(N_EACH):
        folder = tmp_path / str(seed)
        folder.mkdir()
        (folder / name).write_bytes(damaged(data, seed))
        started = time.monotonic()
        try:
            image = read_image(folder / name, frame=0)
        except ReadError as error:
            sentences.append(str(error))
        else:
            assert np.all(np.isfinite(image.volume.origin_xyz))
        assert time.monotonic() - started < 5
        shutil.rmtree(folder)
    assert sentences
    assert all("\n" not in sentence and len(sentence) < 500 for sentence in sentences)
    assert peak_mb() - before < 500


N_LABELS = 16
LABELS = ("l.seg.dcm", "l.rtstruct.dcm", "l.seg.nrrd", "l.json")


def good_labels(folder: Path, name: str) -> Path:
    """Labels of a small series (or of one slice of it, for a picture's objects)."""
    write_series(folder / "ct", VOXELS[:1] if name == "l.json" else VOXELS, tags=REFERABLE)
    image = read_image(folder / "ct")
    write_labels(folder / name, (image.volume.voxels > 500).astype(np.uint8), image.grid)
    return folder / "ct"


@pytest.mark.parametrize("name", LABELS)
def test_damaged_labels_give_labels_or_a_sentence(name: str, tmp_path: Path) -> None:
    pytest.importorskip("highdicom", reason="needs the extra [dicom]")
    grid = read_image(good_labels(tmp_path, name)).grid
    data = (tmp_path / name).read_bytes()
    (tmp_path / "bad").mkdir()
    path = tmp_path / "bad" / name
    sentences = []
    for seed in range(N_LABELS):
        path.write_bytes(damaged(data, seed))
        started = time.monotonic()
        try:
            labels = read_label_file(path, grid).labels
        except ReadError as error:
            sentences.append(str(error))
        else:
            assert labels.shape == grid.lps.shape_zyx
        assert time.monotonic() - started < 5
    assert sentences
    assert all("\n" not in sentence and len(sentence) < 500 for sentence in sentences)


def test_damaged_zip_gives_an_image_or_a_sentence(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", VOXELS)
    shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "ct")
    data = (tmp_path / "a.zip").read_bytes()
    sentences = []
    for seed in range(N_LABELS):
        (tmp_path / "bad.zip").write_bytes(damaged(data, seed))
        try:
            assert read_image(tmp_path / "bad.zip").volume.voxels.size > 0
        except ReadError as error:
            sentences.append(str(error))
    assert sentences
    assert all("\n" not in sentence for sentence in sentences)
