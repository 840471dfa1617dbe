"""Every reader and every writer, under folders and file names of any kind.

SimpleITK aborts the process where a name's bytes are no UTF-8, so a failure here may be the end of
the whole run.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.images.write import IMAGE_FORMATS, write_image
from napari_medsam.formats.labels.label_formats import LABEL_FORMATS
from napari_medsam.formats.labels.per_label import write_label_files
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.write import write_labels
from tests.any_names import every_name, under
from tests.formats.dicom_files import REFERABLE, write_series

VOLUME = np.arange(4 * 8 * 8, dtype=np.int16).reshape(4, 8, 8)
LABELS = (VOLUME > 100).astype(np.uint8) + (VOLUME > 200)
TABLE = (Label(1, "Tumör", (1.0, 0.0, 0.0)), Label(2, "liver", (0.0, 1.0, 0.0)))
MAIN = {
    "series": "series",
    "zip": "series.zip",
    "single slice": "single.dcm",
    "nii": "volume.nii",
    "nii.gz": "volume.nii.gz",
    "hdr and img": "pair.hdr",
    "img and hdr": "pair.img",
    "mgz": "volume.mgz",
    "nrrd": "volume.nrrd",
    "nhdr and raw": "detached.nhdr",
    "mha": "volume.mha",
    "mhd and raw": "plain.mhd",
    "mhd and zraw": "packed.mhd",
    "png": "page.png",
    "png of 16-bit colours": "deep.png",
    "tif": "page.tif",
    "tif with LZW": "packed.tif",
    "jpg": "page.jpg",
    "bmp": "page.bmp",
    "npz": "case.npz",
}
"""The file or folder that is opened, of every kind."""


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small file of every kind, in a folder with a plain name."""
    folder = tmp_path_factory.mktemp("sources")
    write_series(folder / "series", VOLUME, tags=REFERABLE)
    slices = sorted((folder / "series").iterdir())
    shutil.copy(slices[0], folder / "single.dcm")
    with zipfile.ZipFile(folder / "series.zip", "w") as archive:
        for path in slices:
            archive.write(path, path.name)
    for name in ("volume.nii", "volume.nii.gz"):
        nib.save(nib.Nifti1Image(VOLUME.T, np.diag([1.0, 2, 3, 1])), folder / name)
    nib.save(nib.Nifti1Pair(VOLUME.T, np.diag([1.0, 2, 3, 1])), folder / "pair.img")
    nib.save(nib.MGHImage(VOLUME.T, np.diag([1.0, 2, 3, 1])), folder / "volume.mgz")
    image = sitk.GetImageFromArray(VOLUME)
    for name in ("volume.nrrd", "detached.nhdr", "volume.mha", "plain.mhd"):
        sitk.WriteImage(image, str(folder / name))
    sitk.WriteImage(image, str(folder / "packed.mhd"), useCompression=True)
    page = VOLUME[0].astype(np.uint8)
    for name in ("page.png", "page.jpg", "page.bmp"):
        Image.fromarray(page).save(folder / name)
    Image.fromarray(page).save(folder / "packed.tif", compression="tiff_lzw")
    tifffile.imwrite(folder / "page.tif", page)
    deep = np.stack([VOLUME[0].astype(np.uint16) * 300] * 3, axis=-1)
    sitk.WriteImage(sitk.GetImageFromArray(deep, isVector=True), str(folder / "deep.png"))
    np.savez(folder / "case.npz", imgs=VOLUME, spacing=np.array([1.0, 2.0, 3.0]))
    return folder


def assert_same_image(path: Path, plain: Path) -> None:
    found, expected = read_image(path), read_image(plain)
    np.testing.assert_array_equal(found.volume.voxels, expected.volume.voxels)
    assert not expected.grid.geometry.difference(found.grid.geometry)


@pytest.mark.parametrize("kind", MAIN)
@every_name
def test_a_file_under_any_folder_is_read(
    sources: Path, tmp_path: Path, name: bytes, kind: str
) -> None:
    folder = under(tmp_path, name)
    folder.mkdir()
    main = sources / MAIN[kind]
    for path in [main] if main.is_dir() else sources.glob(f"{main.stem.split('.')[0]}.*"):
        (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
    assert_same_image(folder / main.name, main)


@pytest.mark.parametrize("kind", [kind for kind in MAIN if kind != "series"])
@every_name
def test_a_file_of_any_name_is_read(sources: Path, tmp_path: Path, name: bytes, kind: str) -> None:
    main = sources / MAIN[kind]
    ending = main.name.removeprefix(main.name.split(".")[0])
    shutil.copy(main, under(tmp_path, name + os.fsencode(ending)))
    if "hdr" in kind and "img" in kind:  # a pair shares its name
        other = ".img" if ending == ".hdr" else ".hdr"
        shutil.copy(main.with_suffix(other), under(tmp_path, name + os.fsencode(other)))
    elif ending in (".mhd", ".nhdr"):  # the header names the other file
        for path in sources.glob(f"{main.stem}.*raw"):
            shutil.copy(path, tmp_path / path.name)
    assert_same_image(under(tmp_path, name + os.fsencode(ending)), main)


@every_name
def test_slices_of_any_name_are_read(sources: Path, tmp_path: Path, name: bytes) -> None:
    folder = under(tmp_path, name)
    folder.mkdir()
    for path in (sources / "series").iterdir():
        shutil.copy(path, under(folder, name + os.fsencode(path.name)))
    assert_same_image(folder, sources / "series")


@every_name
def test_a_header_names_its_voxels_by_any_bytes(sources: Path, tmp_path: Path, name: bytes) -> None:
    if set(name) & set(b"%\n\\") or name != name.strip():
        pytest.skip("a MetaImage header cannot name such a file")
    header = (sources / "plain.mhd").read_bytes()
    line = b"ElementDataFile = plain.raw"
    assert line in header
    named = b"ElementDataFile = " + name + b".raw"
    under(tmp_path, name + b".mhd").write_bytes(header.replace(line, named))
    shutil.copy(sources / "plain.raw", under(tmp_path, name + b".raw"))
    assert_same_image(under(tmp_path, name + b".mhd"), sources / "plain.mhd")


SOURCES = {"volume": "volume.nii.gz", "picture": "page.png", "series": "series"}


@pytest.mark.parametrize("label_format", LABEL_FORMATS, ids=lambda found: found.title)
@every_name
def test_labels_are_saved_under_any_name(
    sources: Path, tmp_path: Path, name: bytes, label_format: object
) -> None:
    folder = under(tmp_path, name)
    folder.mkdir()
    source = folder / SOURCES[label_format.made_for]  # type: ignore[attr-defined]
    plain = sources / source.name
    (shutil.copytree if plain.is_dir() else shutil.copy)(plain, source)
    image = read_image(source)
    labels = LABELS[: len(image.volume.voxels)].copy()
    labels[0, :3, :3] = 2
    for suffix in label_format.suffixes:  # type: ignore[attr-defined]
        target = under(tmp_path, name + os.fsencode(suffix))
        saved = write_labels(target, labels, image.grid, TABLE)
        assert saved.path == target
        assert target.is_file()
        found = read_label_file(target, image.grid)
        np.testing.assert_array_equal(found.labels > 0, labels > 0)


@pytest.mark.parametrize("suffix", IMAGE_FORMATS)
@every_name
def test_an_image_is_converted_under_any_name(
    sources: Path, tmp_path: Path, name: bytes, suffix: str
) -> None:
    source = "page.png" if suffix in (".png", ".tif", ".tiff") else "volume.nii"
    folder = under(tmp_path, name)
    folder.mkdir()
    shutil.copy(sources / source, folder / source)
    target = under(folder, name + os.fsencode(suffix))
    write_image(target, read_image(folder / source))
    assert_same_image(target, sources / source)


@every_name
def test_one_file_a_label_is_saved_under_any_name(
    sources: Path, tmp_path: Path, name: bytes
) -> None:
    image = read_image(sources / "volume.nii.gz")
    saved = write_label_files(under(tmp_path, name + b".nii.gz"), LABELS, image.grid, TABLE)
    assert [one.path.is_file() for one in saved] == [True, True]


def long_folder(parent: Path, n_bytes: int) -> Path:
    """A folder whose path has so many bytes."""
    while (missing := n_bytes - len(os.fsencode(parent))) > 1:
        parent = parent / ("d" * min(100, missing - 1))
    parent.mkdir(parents=True)
    return parent


@pytest.mark.parametrize("make", [lambda text: text, lambda text: text[:-1] + b"\xfc"])
@pytest.mark.parametrize("n_bytes", [255, 256, 257, 260, 300, 1023, 1024, 1025, 3900])
def test_long_paths_are_read_and_written(
    sources: Path, tmp_path: Path, n_bytes: int, make: Callable[[bytes], bytes]
) -> None:
    """C code has fields of 255, 1024 or 4096 letters for paths."""
    folder = long_folder(tmp_path, n_bytes - len("/volume.nii.gz"))
    folder = folder.rename(Path(os.fsdecode(make(os.fsencode(folder)))))
    for kind in ("nii.gz", "nrrd", "mha", "mgz", "png", "npz", "tif", "single slice"):
        shutil.copy(sources / MAIN[kind], folder / MAIN[kind])
        assert_same_image(folder / MAIN[kind], sources / MAIN[kind])
    image = read_image(folder / "volume.nii.gz")
    for suffix in (".nii.gz", ".nrrd", ".mha", ".seg.nrrd"):
        write_labels(folder / f"a{suffix}", LABELS, image.grid)


@pytest.mark.parametrize("letter", ["n", "ü", "\udcfc"])
def test_a_name_of_255_bytes_is_read_and_written(
    sources: Path, tmp_path: Path, letter: str
) -> None:
    size = len(os.fsencode(letter))
    for kind in ("nii.gz", "nrrd", "mha", "mgz", "png", "npz", "tif", "single slice"):
        main = sources / MAIN[kind]
        ending = main.name.removeprefix(main.name.split(".")[0])
        path = tmp_path / (letter * ((255 - len(ending)) // size) + ending)
        shutil.copy(main, path)
        assert_same_image(path, main)
    image = read_image(sources / "volume.nii.gz")
    for suffix in (".nii.gz", ".nrrd", ".mha", ".seg.nrrd"):
        target = tmp_path / (letter * ((255 - len(suffix)) // size) + suffix)
        write_labels(target, LABELS, image.grid)
        assert target.is_file()
