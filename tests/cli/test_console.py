"""No console, and no code page of one, ends a command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from tests.conftest import PROJECT

NAME = "Müller 肝臓 ü.nii.gz"
CODE_PAGES = {
    "a German Windows pipe": {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"},
    "an American Windows console": {"PYTHONIOENCODING": "cp437", "PYTHONUTF8": "0"},
    "a Western European Windows console": {"PYTHONIOENCODING": "cp850", "PYTHONUTF8": "0"},
    "the C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII": {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
}
RUN = """
import json, os, sys
from napari_medsam.cli import main
# As an argument comes from a shell: its bytes, whatever this locale makes of them.
asked = [[os.fsdecode(word.encode()) for word in one] for one in json.loads(sys.argv[1])]
print(json.dumps([main(one) for one in asked]))
"""
HELP = """
from typer.main import get_command
from napari_medsam.cli import app, main

def commands(group, words):
    yield words
    for name, one in getattr(group, "commands", {}).items():
        yield from commands(one, [*words, name])

codes = {" ".join(words): main([*words, "--help"]) for words in commands(get_command(app), [])}
assert len(codes) > 20 and not any(codes.values()), codes
"""


def run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    voxels = np.zeros((6, 5, 4), np.int16)
    voxels[2:4, 2:4, 1:3] = 1
    nib.save(nib.Nifti1Image(voxels, np.diag([1.0, 2, 3, 1])), tmp_path / NAME)
    return tmp_path


@pytest.mark.parametrize("page", CODE_PAGES)
def test_every_help_can_be_printed(page: str) -> None:
    done = run(HELP, **CODE_PAGES[page])
    assert done.returncode == 0, done.stderr
    assert b"UnicodeEncodeError" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("page", CODE_PAGES)
def test_results_about_any_file_name_can_be_printed(page: str, folder: Path) -> None:
    path = str(folder / NAME)
    asked = [
        ["info", path],
        ["info", path, "--json"],
        ["measure", path, "--image", path],
        ["convert", path, str(folder / f"neu {NAME}")],
        ["models", "list"],
        ["cache", "info"],
        ["info", str(folder / "キ.nii.gz")],
    ]
    done = run(RUN, json.dumps(asked), **CODE_PAGES[page])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [0, 0, 0, 0, 0, 0, 1]
    assert b"UnicodeEncodeError" not in done.stdout + done.stderr
    assert b"Something went wrong" not in done.stderr


def test_json_is_plain_ascii_and_says_the_whole_name(folder: Path) -> None:
    path = str(folder / NAME)
    done = run(RUN, json.dumps([["info", path, "--json"]]), PYTHONIOENCODING="cp437")
    text = done.stdout.decode("ascii").rpartition("[0]")[0]
    assert json.loads(text)["path"] == path


def test_program_without_a_console_runs(folder: Path) -> None:
    """As pythonw starts it: there are no streams."""
    program = (
        "import sys; sys.stdout = sys.stderr = sys.stdin = None\n"
        "from napari_medsam.cli import main\n"
        "import os; out = sys.argv[1:]\n"
        "codes = [main(['info', out[0]]), main(['measure', out[0]]), main(['models', 'list'])]\n"
        "codes += [main(['--help']), main(['info', 'none.nii'])]\n"
        "open(out[1], 'w').write(str(codes))\n"
    )
    done = run(program, str(folder / NAME), str(folder / "codes"))
    assert done.returncode == 0, done.stderr
    assert (folder / "codes").read_text(encoding="utf-8") == "[0, 0, 0, 0, 1]"
