"""The program writes no patient's name into its output, tracebacks, cache, reports or settings."""

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
"""Text in every header value that could identify a person, and nowhere else in these tests."""
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
logging.basicConfig(level=logging.DEBUG)  # include the logs of all libraries
from napari_medsam.cli import main
for line in sys.stdin:
    try:
        print("exit", main([*line.split(), "--debug"]), flush=True)
    except Exception:
        traceback.print_exc()
        print("exit traceback", flush=True)
"""


def output_of(lines: list[str], folder: Path) -> str:
    """Run commands with --debug; return both output streams, with every library's log."""
    variables = {"NAPARI_MEDSAM_CACHE": str(folder / "cache"), "DISPLAY": ""}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER],
        input="\n".join(lines),
        env={**os.environ, "PYTHONPATH": str(PROJECT), **variables},
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


def files_with_secret(folder: Path) -> list[str]:
    """Files in a folder that have the secret in their name or content."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [
        str(path.relative_to(folder))
        for path in files
        if SECRET in str(path.relative_to(folder)) or SECRET.encode() in path.read_bytes()
    ]


@pytest.mark.slow
@pytest.mark.weights
def test_runs_leave_no_name_behind(series: Path, weights_path: Path, tmp_path: Path):
    box = "--box z:2:4,4,20,20 --propagate 1:3"
    text = output_of(
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
    # Only the files that were read contain it, and none that was written.
    assert {Path(name).parts[0] for name in files_with_secret(tmp_path)} == {"ct"}
    assert list((tmp_path / "cache").rglob("*.emb"))


@pytest.mark.slow
def test_failed_runs_print_no_name(series: Path, tmp_path: Path):
    (tmp_path / "taken").mkdir()
    text = output_of(
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
    """Change a few bytes of the header, so that lengths and types of values are wrong."""
    rng = np.random.default_rng(seed)
    raw = bytearray(data)
    for position in rng.integers(132, 1400, int(rng.integers(1, 25))):
        raw[position] = int(rng.integers(0, 256))
    return bytes(raw) if seed % 3 else bytes(raw[: int(rng.integers(200, len(raw)))])


@pytest.mark.slow
def test_damaged_headers_are_not_quoted(series: Path, tmp_path: Path):
    original = min(series.iterdir())
    lines = []
    for seed in range(N_DAMAGED):
        folder = tmp_path / f"d{seed}"
        folder.mkdir()
        (folder / "a.dcm").write_bytes(damaged(original.read_bytes(), seed))
        lines.append(f"info d{seed}/a.dcm")
    text = output_of(lines, tmp_path)
    assert "exit traceback" in text, "no damaged file failed to be read"
    assert SECRET not in text


@pytest.mark.parametrize("tag", ["0018|0050", "0020|0032", "0028|1050", "0010|1010"])
def test_value_of_the_wrong_type_is_not_quoted(tag: str, tmp_path: Path):
    """Somebody typed a name into the field of a number."""
    number = "1234567.125"
    write_series(tmp_path / "ct", VOXELS, tags={**REFERABLE, tag: number})
    for path in (tmp_path / "ct").iterdir():
        wrong = f"{SECRET:<{len(number)}}".encode()
        path.write_bytes(path.read_bytes().replace(number.encode(), wrong))
    assert files_with_secret(tmp_path)
    text = output_of(["info ct", "convert ct a.nii.gz"], tmp_path)
    assert SECRET not in text
