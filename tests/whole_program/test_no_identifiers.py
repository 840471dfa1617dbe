"""A patient's name is in no text the program leaves: screen, traceback, cache, report, settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PROJECT
from tests.formats.dicom_files import REFERABLE, write_series

SECRET = "QZXVAULT"
"""In every header value that could tell who somebody is; nowhere else in these tests."""
IDENTIFIERS = {
    "0010|0010": f"{SECRET}^NAME",
    "0010|0020": f"{SECRET}-ID",
    "0010|1000": f"{SECRET}-OTHER",
    "0010|2160": f"{SECRET}-GROUP",
    "0010|4000": f"{SECRET} comments on the patient",
    "0008|0050": f"{SECRET}ACC",
    "0008|0080": f"{SECRET} hospital",
    "0008|0090": f"{SECRET}^REFERRING",
    "0008|1030": f"{SECRET} study",
    "0008|1048": f"{SECRET}^DOCTOR",
    "0008|1070": f"{SECRET}^OPERATOR",
    "0020|0010": f"{SECRET}STU",
    "0032|1060": f"{SECRET} procedure",
}
VOXELS = np.random.default_rng(1).integers(0, 900, (5, 24, 24)).astype(np.int16)
N_DAMAGED = 60
DRIVER = """\
import logging, sys, traceback
logging.basicConfig(level=logging.DEBUG)  # whatever any library would log
from napari_medsam.cli import main
for line in sys.stdin:
    try:
        print("exit", main([*line.split(), "--debug"]), flush=True)
    except Exception:
        traceback.print_exc()
        print("exit traceback", flush=True)
"""


def said(lines: list[str], folder: Path) -> str:
    """All that commands print with --debug and every library's log, to both streams."""
    places = {"NAPARI_MEDSAM_CACHE": str(folder / "cache"), "DISPLAY": ""}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input="\n".join(lines),
        env={**os.environ, "PYTHONPATH": str(PROJECT), **places},
        cwd=folder,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=True,
    )
    assert done.stdout.count("exit ") == len(lines)
    return done.stdout + done.stderr


@pytest.fixture
def series(tmp_path: Path) -> Path:
    write_series(tmp_path / "ct", VOXELS, tags={**REFERABLE, **IDENTIFIERS})
    assert all(SECRET.encode() in path.read_bytes() for path in (tmp_path / "ct").iterdir())
    return tmp_path / "ct"


def holding(folder: Path) -> list[str]:
    """Files below with the secret in their name or content."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return [
        str(path.relative_to(folder))
        for path in found
        if SECRET in str(path.relative_to(folder)) or SECRET.encode() in path.read_bytes()
    ]


@pytest.mark.slow
@pytest.mark.weights
def test_runs_leave_no_name_behind(series: Path, weights_path: Path, tmp_path: Path):
    box = "--box z:2:4,4,20,20 --propagate 1:3"
    text = said(
        [
            "info ct",
            "info ct --json",
            f"segment ct {box} -o a.nii.gz --report a.json --overlay a.png",
            f"segment ct {box} -o a.seg.nrrd",
            "convert ct image.nii.gz",
            "convert ct image.nrrd",
        ],
        tmp_path,
    )
    assert text.count("exit 0") == 6
    assert SECRET not in text
    # What it was read from holds it, and nothing that was written.
    assert {Path(name).parts[0] for name in holding(tmp_path)} == {"ct"}
    assert list((tmp_path / "cache").rglob("*.emb"))


@pytest.mark.slow
def test_failing_runs_say_no_name(series: Path, tmp_path: Path):
    (tmp_path / "taken").mkdir()
    text = said(
        [
            "segment ct --box z:99:4,4,20,20 -o a.nii.gz",
            "segment ct --box z:2:4,4,20,20 -o missing/deeper/a.nii.gz --model nonsense",
            "convert ct a.xyz",
            "convert ct ct/a.nii.gz",
            "convert ct taken",
            "info ct --series 1.2.3",
            "view ct",
        ],
        tmp_path,
    )
    assert "exit 0" not in text
    assert SECRET not in text


def damaged(data: bytes, seed: int) -> bytes:
    """A few bytes of the header changed, so that lengths and kinds of values are wrong."""
    rng = np.random.default_rng(seed)
    raw = bytearray(data)
    for place in rng.integers(132, 1400, int(rng.integers(1, 25))):
        raw[place] = int(rng.integers(0, 256))
    return bytes(raw) if seed % 3 else bytes(raw[: int(rng.integers(200, len(raw)))])


@pytest.mark.slow
def test_damaged_headers_are_not_quoted(series: Path, tmp_path: Path):
    one = min(series.iterdir())
    lines = []
    for seed in range(N_DAMAGED):
        folder = tmp_path / f"d{seed}"
        folder.mkdir()
        (folder / "a.dcm").write_bytes(damaged(one.read_bytes(), seed))
        lines.append(f"info d{seed}/a.dcm")
    text = said(lines, tmp_path)
    assert "exit traceback" in text, "some could not be read"
    assert SECRET not in text


@pytest.mark.parametrize("tag", ["0018|0050", "0020|0032", "0028|1050", "0010|1010"])
def test_value_of_the_wrong_kind_is_not_quoted(tag: str, tmp_path: Path):
    """Somebody typed a name where a number belongs."""
    number = "1234567.125"
    write_series(tmp_path / "ct", VOXELS, tags={**REFERABLE, tag: number})
    for path in (tmp_path / "ct").iterdir():
        wrong = f"{SECRET:<{len(number)}}".encode()
        path.write_bytes(path.read_bytes().replace(number.encode(), wrong))
    assert holding(tmp_path)
    text = said(["info ct", "convert ct a.nii.gz"], tmp_path)
    assert SECRET not in text
