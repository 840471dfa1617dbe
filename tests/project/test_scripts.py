"""The scripts are valid sh and executable, and install again exactly when they must."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import PROJECT

SCRIPTS = ("script/run", "script/test", "script/docs", "script/matrix", ".ci/run")

pytestmark = pytest.mark.skipif(shutil.which("sh") is None, reason="needs a POSIX shell")


def sh(program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["sh", "-c", program],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("script", [*SCRIPTS, "script/setup"])
def test_script_is_valid_sh(script: str):
    subprocess.run(["sh", "-n", str(PROJECT / script)], check=True)


@pytest.mark.parametrize("script", SCRIPTS)
def test_script_is_executable(script: str):
    assert os.access(PROJECT / script, os.X_OK)
    assert (PROJECT / script).read_text().startswith("#!/bin/sh\n")


@pytest.mark.parametrize(
    "name",
    [
        *("constraints.txt", "mkdocs.yml", "pyproject.toml", "script/setup", *SCRIPTS),
        *("script/constraints.py", "script/cells/environments.py"),
        *(".github/workflows/test.yml", ".github/workflows/newest.yml"),
    ],
)
def test_file_contains_no_address_of_a_package_index(name: str):
    text = (PROJECT / name).read_text()
    assert not re.search(r"https?://|--(extra-)?index-url|--find-links", text)


def test_every_constraint_is_one_exact_version():
    lines = (PROJECT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert len(pins) > 50
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._]+", pin) for pin in pins)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A project whose path has a space, with this environment and a fake pip that counts calls."""
    root = tmp_path / "my projects" / "napari-medsam"
    (root / "script").mkdir(parents=True)
    shutil.copy(PROJECT / "script" / "setup", root / "script" / "setup")
    (root / "pyproject.toml").write_text("[project]\n")
    (root / "constraints.txt").write_text("numpy==2.0\n")
    binaries = root / ".venv" / "bin"
    binaries.mkdir(parents=True)
    python = binaries / "python"
    python.write_text(
        "#!/bin/sh\n"
        'if [ "$1 $2" = "-m pip" ]; then\n'
        f'    printf "x" >>"{root}/calls"; exit "${{PIP_FAILS:-0}}"\n'
        "fi\n"
        f'exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    return root


def set_up(root: Path, extra: str = "test,pyqt6", **environment: str) -> int:
    """Run script/setup without its system packages; return the number of calls of pip so far."""
    program = f"""
        root='{root}' extra={extra}
        command() {{ case "$2" in dpkg-query) return 1 ;; esac; builtin_command "$@"; }}
        builtin_command() {{ type "$2" >/dev/null 2>&1; }}
        . "$root/script/setup"
    """
    done = sh(program, PYTHON=sys.executable, **environment)
    calls = root / "calls"
    assert done.returncode == int(environment.get("PIP_FAILS", "0")), done.stderr
    return len(calls.read_text()) if calls.exists() else 0


def test_second_set_up_installs_nothing(checkout: Path):
    assert set_up(checkout) == 1
    assert set_up(checkout) == 1


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt"])
def test_changed_requirements_are_installed_again(checkout: Path, name: str):
    set_up(checkout)
    with (checkout / name).open("a") as file:
        file.write("# changed\n")
    assert set_up(checkout) == 2


def test_environment_for_tests_suffices_to_run(checkout: Path):
    set_up(checkout, "test,pyqt6")
    assert set_up(checkout, "pyqt6") == 1


def test_environment_to_run_does_not_suffice_for_tests(checkout: Path):
    set_up(checkout, "pyqt6")
    assert set_up(checkout, "test,pyqt6") == 2


def test_environment_for_tests_does_not_suffice_for_the_manual(checkout: Path):
    set_up(checkout, "test,pyqt6")
    assert set_up(checkout, "docs") == 2
    assert set_up(checkout, "docs") == 2


def test_moved_checkout_is_installed_again(checkout: Path):
    set_up(checkout)
    moved = checkout.with_name("moved")
    checkout.rename(moved)
    (moved / ".venv" / "bin" / "python").write_text(
        (moved / ".venv" / "bin" / "python").read_text().replace(str(checkout), str(moved))
    )
    assert set_up(moved) == 2


def test_failed_installation_is_tried_again(checkout: Path):
    assert set_up(checkout, PIP_FAILS="1") == 1
    assert set_up(checkout) == 2


@pytest.mark.parametrize(
    ("test_status", "newest_status", "code"), [(0, 0, 0), (7, 0, 7), (0, 1, 1), (7, 1, 7)]
)
def test_continuous_integration_ends_with_pytest_s_closing_line(
    tmp_path: Path, test_status: int, newest_status: int, code: int
):
    root = tmp_path / "a b"
    (root / ".ci").mkdir(parents=True)
    (root / "script").mkdir()
    (root / ".venv-matrix" / "results").mkdir(parents=True)
    (root / ".venv-matrix" / "results" / "newest.log").write_text("== 9 failed in 1.0s ==\n")
    shutil.copy(PROJECT / ".ci" / "run", root / ".ci" / "run")
    line = "==== 1 failed, 12 passed, 3 skipped in 4.56s ===="
    for name, words, status in (("test", line, test_status), ("matrix", "a table", newest_status)):
        fake = root / "script" / name
        fake.write_text(f"#!/bin/sh\necho '{words}'\necho late\nexit {status}\n")
        fake.chmod(0o755)
    done = subprocess.run([root / ".ci" / "run"], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert done.stdout.splitlines()[-1] == line
    assert ("9 failed in 1.0s" in done.stdout) == bool(newest_status)
