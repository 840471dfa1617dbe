"""The command line on names of any bytes, also where file names and the terminal are ASCII."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.any_names import under
from tests.conftest import PROJECT

LOCALES = {
    "UTF-8": {"PYTHONUTF8": "1"},
    "ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
}
NAMES = (b"M\xfcller", "Müller 山".encode())
FAIL = ("_missing.", "_damaged.")
"""What the paths of commands that must fail have in their names."""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
@pytest.mark.parametrize("locale", LOCALES)
def test_every_command_works_on_any_name_in_any_locale(tmp_path: Path, locale: str) -> None:
    """One process runs all commands; an abort would leave no results."""
    results = tmp_path / "results.json"
    hidden = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "PYTHONPATH": str(PROJECT)}
    run = subprocess.run(
        [sys.executable, "-m", "tests.cli.any_path_run", tmp_path, results, *NAMES],
        env={**os.environ, **hidden, **LOCALES[locale]},
        cwd=PROJECT,
        capture_output=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode(errors="replace")
    for arguments, code in json.loads(results.read_text(encoding="ascii")):
        must_fail = any(word in argument for argument in arguments for word in FAIL)
        assert code == int(must_fail), (arguments, run.stderr)
    assert b"Traceback" not in run.stderr
    assert b"codec" not in run.stderr
    for name in NAMES:
        assert_all_is_written(tmp_path, name)


def assert_all_is_written(tmp_path: Path, name: bytes) -> None:
    folder = under(tmp_path, name)
    ending = [".nii.gz", ".seg.nrrd", ".mha", ".csv", ".pdf", ".json", ".png", "_labels.nii.gz"]
    assert all(under(folder, name + os.fsencode(one)).is_file() for one in ending)
    report = json.loads(under(folder, name + b".json").read_text(encoding="utf-8"))
    assert report["image"]["name"] == name.decode(errors="replace") + ".nii.gz"
    with (under(tmp_path, name + b"_out_batch") / "summary.csv").open(encoding="utf-8") as file:
        assert len(list(csv.reader(file))) == 3
