"""From the mouse to the millimetre: what a user draws is saved where the structure lies.

Files of many geometries hold a bright block whose centre is at known millimetres. It is opened
through napari, boxed with a real mouse in each of the three views, saved from the dialog, and
looked for with nibabel and with SimpleITK, which know nothing of this program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from qtpy.QtWidgets import QFileDialog
from scipy.spatial.transform import Rotation

from tests.formats.dicom_files import write_series
from tests.formats.grids import axis_matrix
from tests.ui.desk import TinyModelSource
from tests.ui.hands import click, let_pass, wait_for
from tests.ui.window import Window

pytestmark = pytest.mark.gui

SHAPE_IJK, CENTRE_IJK, HALF_IJK = (40, 48, 36), (24, 16, 20), (6, 8, 5)
RAS = np.diag([-1.0, -1.0, 1.0])


def block() -> NDArray[np.int16]:
    """(I, J, K): 900 in a block that is symmetric about its centre, 0 elsewhere."""
    voxels = np.zeros(SHAPE_IJK, np.int16)
    voxels[tuple(slice(c - h, c + h + 1) for c, h in zip(CENTRE_IJK, HALF_IJK, strict=True))] = 900
    return voxels


def nifti(folder: Path, matrix: NDArray[np.float64]) -> tuple[Path, NDArray[np.float64]]:
    """A NIfTI file and the LPS mm of the block's centre."""
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = matrix, (13.5, -41.25, 7.75)
    nib.save(nib.Nifti1Image(block(), affine), folder / "scan.nii.gz")
    return folder / "scan.nii.gz", RAS @ (affine @ [*CENTRE_IJK, 1])[:3]


def oblique(folder: Path) -> tuple[Path, NDArray[np.float64]]:
    turn = Rotation.from_euler("xyz", (17, -12, 25), degrees=True).as_matrix()
    return nifti(folder, turn @ axis_matrix((2, 0, 1), (-1, 1, -1)) * (0.9, 1.3, 2.2))


def sheared(folder: Path) -> tuple[Path, NDArray[np.float64]]:
    return nifti(folder, np.array([[-1.0, 0, 0], [0, 1.0, 0.4], [0, 0, 1.5]]))


def float_noise(folder: Path) -> tuple[Path, NDArray[np.float64]]:
    return nifti(folder, np.diag(np.array([-0.7031249, 0.7031251, 1.2499999], np.float32)))


def tilted_series(folder: Path) -> tuple[Path, NDArray[np.float64]]:
    """A sagittal DICOM series whose slices are slanted against each other."""
    direction = axis_matrix((1, 2, 0), (1, -1, 1))
    step = direction[:, 2] * 2.5 + direction[:, 1] * 0.6
    write_series(folder / "series", block().T, direction=direction, step=step)
    i, j, k = CENTRE_IJK
    corner = np.array([-30.0, 12.0, 50.0])
    return folder / "series", corner + direction[:, 0] * 0.7 * i + direction[
        :, 1
    ] * 0.9 * j + step * k


SOURCES = {f.__name__: f for f in (oblique, sheared, float_noise, tilted_series)}
SHEARED = ("sheared", "tilted_series")


def centre_by_nibabel(path: Path) -> NDArray[np.float64]:
    """LPS mm of the middle of what is labelled."""
    image = nib.load(path)
    found = np.argwhere(np.asarray(image.dataobj) > 0).mean(axis=0)
    return RAS @ (image.affine @ [*found, 1])[:3]


def centre_by_simpleitk(path: Path) -> NDArray[np.float64]:
    image = sitk.ReadImage(str(path))
    found = np.argwhere(sitk.GetArrayFromImage(image) > 0).mean(axis=0)[::-1]
    return np.array(image.TransformContinuousIndexToPhysicalPoint(found.tolist()))


@pytest.fixture
def window(make_napari_viewer: Callable[..., Any]) -> Iterator[Window]:
    made = Window(make_napari_viewer(show=True), TinyModelSource())
    yield made
    made.controller.close()


@pytest.mark.parametrize("view", ["z", "y", "x"])
@pytest.mark.parametrize("source", SOURCES)
def test_box_drawn_with_the_mouse_is_saved_where_the_structure_lies(
    source: str, view: str, window: Window, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, centre_mm = SOURCES[source](tmp_path)
    window.viewer.open(str(path), plugin="napari-medsam")
    wait_for(lambda: window.controller.case is not None)
    wait_for(lambda: window.controller.desk.state.state == "ready")
    seen = np.argwhere(window.controller.case.image.volume.voxels == 900)
    low, high = seen.min(axis=0) - 2, seen.max(axis=0) + 2
    axis = "zyx".index(view)
    low[axis] = high[axis] = round(seen[:, axis].mean())
    window.look_at(view, int(low[axis]))
    window.draw(tuple(low), tuple(high))
    if view == "y":
        window.picture(f"place_{source}")
    target = tmp_path / "out" / "labels.nii.gz"
    target.parent.mkdir()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(target), ""))
    click(window.parts.buttons["save"])
    wait_for(lambda: "Saved and checked: labels.nii.gz" in window.parts.message.text())
    let_pass(50)
    spacing = np.array(window.controller.case.image.volume.spacing_xyz)
    # ITK reads no NIfTI whose axes are not at right angles, neither the image nor its labels.
    readers = (
        (centre_by_nibabel,) if source in SHEARED else (centre_by_nibabel, centre_by_simpleitk)
    )
    for found in (read(target) for read in readers):
        assert np.linalg.norm(found - centre_mm) < spacing.min() / 2
