"""Bad files in a real window: one sentence, no crash, no layer, and the next file opens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tests.formats.dicom_files import write_slice
from tests.ui.desk import TinyModelSource, image_layer
from tests.ui.hands import let_pass, wait_for
from tests.ui.window import Window

pytestmark = pytest.mark.gui


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    made.open(image_layer())
    yield made
    made.controller.close()


def cut_gzip(path: Path) -> None:
    nib.save(nib.Nifti1Image(np.random.default_rng(0).random((9, 9, 9)), np.eye(4)), path)
    path.write_bytes(path.read_bytes()[:700])


def cut_dicom(path: Path) -> None:
    write_slice(path, np.zeros((20, 20), np.int16), np.zeros(3))
    path.write_bytes(path.read_bytes()[:-300])


def hundred_terabytes(path: Path) -> None:
    path.write_bytes(
        b"NRRD0004\ntype: short\ndimension: 3\nsizes: 50000 40000 25000\nspacings: 1 1 1\n"
        b"endian: little\nencoding: gzip\n\nabc"
    )


BAD: dict[str, Callable[[Path], None]] = {
    "cut.nii.gz": cut_gzip,
    "cut.dcm": cut_dicom,
    "huge.nrrd": hundred_terabytes,
    "empty.mha": Path.touch,
    "text.png": lambda path: path.write_text("not a picture") and None,
    "labels.seg.nrrd": lambda path: path.write_bytes(b"NRRD0004\n") and None,
}


def open_badly(window: Window, path: Path) -> str:
    """What the user is told; the viewer must be as it was."""
    before = list(window.viewer.layers)
    window.parts.message.setText("")
    window.controller.show_message("")
    started = time.monotonic()
    window.viewer.open(str(path), plugin="napari-medsam")
    assert time.monotonic() - started < 5
    let_pass(400)
    assert list(window.viewer.layers) == before
    return window.parts.message.text()


@pytest.mark.parametrize("name", BAD)
def test_bad_file_is_one_sentence_and_the_viewer_goes_on(
    name: str, window: Window, tmp_path: Path
) -> None:
    BAD[name](tmp_path / name)
    told = open_badly(window, tmp_path / name)
    assert name in told
    assert "\n" not in told
    window.look_at("z", 10)
    window.draw((10, 12, 10), (10, 48, 38))
    assert window.labels.any()


def test_header_of_100_terabytes_is_refused_with_numbers(window: Window, tmp_path: Path) -> None:
    hundred_terabytes(tmp_path / "huge.nrrd")
    told = open_badly(window, tmp_path / "huge.nrrd")
    assert "100 TB of voxels are announced and the whole file has 109 bytes" in told


@pytest.mark.shared
def test_malformed_files_of_others_leave_no_layer(window: Window, shared_dir: Path) -> None:
    folder = shared_dir / "data" / "readers" / "malformed_open"
    told = [
        open_badly(window, folder / name)
        for name in (
            "truncated_stream.nii.gz",
            "short_data.nii",
            "zero_bytes.nii.gz",
            "text.nii",
            "truncated.dcm",
            "missing_data_file.nhdr",
            "truncated.png",
            "npz_no_image_key.npz",
        )
    ]
    assert all(told)
    good = shared_dir / "data" / "readers" / "nifti_niivue" / "low_res.nii.gz"
    n = len(window.viewer.layers)
    window.viewer.open(str(good), plugin="napari-medsam")
    wait_for(lambda: len(window.viewer.layers) > n)
