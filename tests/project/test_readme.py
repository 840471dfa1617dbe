"""The statements of the README and the manual are true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.main import get_command

from napari_medsam.cli import app
from napari_medsam.cli.models import markdown_table
from napari_medsam.formats.images.read import SUFFIXES
from napari_medsam.formats.labels.label_formats import BY_SUFFIX
from napari_medsam.headless.synthetic_case import RIGHT_KIDNEY, synthetic_abdomen
from napari_medsam.models.specs.catalogue import CATALOGUE, DEFAULT, spec
from tests.conftest import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.weights
def test_python_lines_run_and_find_the_kidney(tmp_path: Path, weights_path: Path):
    [lines] = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    case = synthetic_abdomen()
    affine = np.diag([-1.4, -1.4, 4.0, 1.0])
    nib.save(nib.Nifti1Image(case.image.volume.voxels.T, affine), tmp_path / "scan.nii.gz")
    done = subprocess.run(
        [sys.executable, "-c", lines],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = np.asarray(nib.load(tmp_path / "labels.nii.gz").dataobj).T == 1
    truth = case.reference[12] == RIGHT_KIDNEY
    overlap = 2 * np.count_nonzero(found[12] & truth) / (found[12].sum() + truth.sum())
    assert overlap > 0.9
    assert not found[:12].any()
    assert not found[13:].any()


def test_table_of_models_is_the_catalogue_s():
    text = (PROJECT / "docs" / "models.md").read_text(encoding="utf-8")
    assert markdown_table() in text, "insert the output of napari-medsam models list --markdown"


def test_models_of_the_readme_are_in_the_catalogue():
    [section] = re.findall(r"## Models\n(.*?)\n## ", README, flags=re.DOTALL)
    names = set(re.findall(r"`([a-z0-9-]+)`", section))
    assert names == {spec(name).name for name in names}
    assert DEFAULT in names
    assert f"All {len(CATALOGUE)}\nmodels" in section


def test_every_command_and_option_is_in_the_manual():
    manual = (PROJECT / "docs" / "command-line.md").read_text(encoding="utf-8")
    group = get_command(app)
    assert all(f"| `{name}" in manual for name in group.commands)
    options = {
        option
        for parameter in group.commands["segment"].params
        for option in parameter.opts
        if option.startswith("--") and option not in ("--help", "--output")
    }
    assert all(f"`{option}" in manual for option in options)


def test_research_use_is_stated_at_the_beginning():
    assert "For research use only. Not a medical device." in README[:1000]


def test_every_format_is_in_the_manual():
    manual = (PROJECT / "docs" / "formats.md").read_text(encoding="utf-8")
    missing = [suffix for suffix in (*SUFFIXES, *BY_SUFFIX) if suffix not in manual]
    assert not missing
