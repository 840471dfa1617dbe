"""The functions of `napari_medsam`, and the examples of docs/python.md as they are printed."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import napari_medsam
from napari_medsam.headless.synthetic_case import RIGHT_KIDNEY, synthetic_abdomen
from tests.conftest import PROJECT
from tests.project.test_import_layers import HEAVY, loaded_by

PAGE = (PROJECT / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
NAMES = re.findall(r"^\| `(\w+)\(", PAGE, flags=re.MULTILINE)


def test_every_short_name_exists_and_is_in_the_manual():
    assert sorted(NAMES) == sorted(napari_medsam._PLACES)
    assert all(callable(getattr(napari_medsam, name)) for name in NAMES)
    assert set(NAMES) <= set(dir(napari_medsam))


def test_no_short_name_is_that_of_a_module():
    """Importing a module of that name would replace the function."""
    modules = {path.stem for path in Path(napari_medsam.__file__).parent.iterdir()}
    assert modules.isdisjoint(napari_medsam._PLACES)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nonsense"):
        _ = napari_medsam.nonsense


@pytest.mark.parametrize("name", NAMES)
def test_short_names_load_no_gui_library(name: str):
    assert loaded_by(f"from napari_medsam import {name}").isdisjoint(HEAVY)


@pytest.fixture
def example_folder(tmp_path: Path, weights_path: Path) -> Path:
    """The files of the examples, made from the sample case: scan.nii.gz, cases.csv, imgs, gts."""
    case = synthetic_abdomen()
    voxels, kidney = case.image.volume.voxels, case.reference == RIGHT_KIDNEY
    nib.save(nib.Nifti1Image(voxels.T, np.diag([-1.4, -1.4, 4, 1])), tmp_path / "scan.nii.gz")
    rows = "case,label,axis,first,last,x0,y0,x1,y1\nscan.nii.gz,kidney,z,11,12,57,140,101,179\n"
    (tmp_path / "cases.csv").write_text(rows)
    for name in ("imgs", "gts"):
        (tmp_path / name).mkdir()
    grey = ((np.clip(voxels[12].astype(float), -160, 240) + 160) / 400 * 255).astype(np.uint8)
    name, boxes = "2DBox_CT_phantom.npz", np.array([[57, 140, 101, 179]])
    np.savez(tmp_path / "imgs" / name, imgs=grey, boxes=boxes)
    np.savez(tmp_path / "gts" / name, gts=kidney[12].astype(np.uint8))
    return tmp_path


def run(block: str, example_folder: Path) -> str:
    """Run a block of Python as a script in the folder; return what it prints."""
    (example_folder / "example.py").write_text(block)
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=example_folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.weights
def test_example_of_a_volume_follows_the_kidney(example_folder: Path):
    run(BLOCKS[0], example_folder)
    found = np.asarray(nib.load(example_folder / "labels.nii.gz").dataobj).T > 0
    truth = synthetic_abdomen().reference[10:15] == RIGHT_KIDNEY
    assert 2 * (found[10:15] & truth).sum() / (found.sum() + truth.sum()) > 0.85


@pytest.mark.slow
@pytest.mark.weights
def test_example_of_a_folder_prints_good_scores(example_folder: Path):
    done, scores = run(BLOCKS[1], example_folder).splitlines()
    assert done.startswith("2DBox_CT_phantom.npz done")
    assert float(scores.split()[1]) > 0.9


@pytest.mark.slow
@pytest.mark.weights
def test_example_of_a_cohort_prints_the_kidney(example_folder: Path):
    assert run(BLOCKS[2], example_folder).startswith("scan.nii.gz kidney ")
    assert (example_folder / "results" / "summary.csv").is_file()


def test_there_is_a_test_for_each_example():
    assert len(BLOCKS) == 3


@pytest.mark.weights
@pytest.mark.parametrize("name", sorted(napari_medsam._PLACES))
def test_example_in_the_docstring_prints_what_it_shows(name: str, example_folder: Path):
    """As a script in a separate process, because worker processes import the main module."""
    [test] = doctest.DocTestFinder(recurse=False).find(getattr(napari_medsam, name), name)
    assert test.examples
    program = (
        f"import doctest, napari_medsam as m\ndoctest.run_docstring_examples(m.{name}, {{}})\n"
    )
    program = f"if __name__ == '__main__':\n{textwrap.indent(program, '    ')}"
    assert run(program, example_folder) == ""
