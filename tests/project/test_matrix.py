"""The matrix finds Pythons that run, reports every skipped cell, and names what failed."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from script.cells import __main__ as command
from script.cells import environments, indexes, plan, runs
from script.cells.environments import Environment, SetupError
from script.cells.plan import all_cells, select_cells
from script.cells.pythons import find_pythons
from script.cells.runs import Outcome
from script.cells.table import table

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
CELLS = {cell.name: cell for cell in all_cells()}
posix = pytest.mark.skipif(os.name != "posix", reason="the fake Pythons are shell scripts")


def fake_python(path: Path, version: str, exit_code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho {version}\nexit {exit_code}\n")
    path.chmod(0o755)
    return path


# --- cells -------------------------------------------------------------------------------


def test_every_python_binding_and_napari_are_combined_once():
    assert len(CELLS) == len(all_cells()) == 3 * 2 * 3 + 2
    assert CELLS["3.13-pyside6-0.10.0rc1"].napari == "0.10.0rc1"


def test_patterns_choose_cells_in_the_order_of_the_matrix():
    names = [cell.name for cell in select_cells(["newest", "3.12-pyqt6-*"])]
    assert names == ["3.12-pyqt6-0.6.6", "3.12-pyqt6-0.9.2", "3.12-pyqt6-0.10.0rc1", "newest"]
    assert len(select_cells([])) == len(CELLS)


def test_pattern_that_matches_nothing_is_an_error_not_an_empty_run(
    capsys: pytest.CaptureFixture[str],
):
    assert command.main(["3.9-*"]) == 2
    assert "No cell is called '3.9-*'" in capsys.readouterr().err


# --- Pythons -----------------------------------------------------------------------------


def test_python_named_by_a_variable_is_used():
    variable = f"PYTHON_{HERE.replace('.', '')}"
    assert find_pythons({variable: sys.executable, "PATH": ""}) == {HERE: Path(sys.executable)}


def test_named_python_of_another_version_is_refused():
    other = next(version for version in plan.PYTHONS if version != HERE).replace(".", "")
    with pytest.raises(ValueError, match=f"PYTHON_{other} is .* not a Python 3"):
        find_pythons({f"PYTHON_{other}": sys.executable, "PATH": ""})


@posix
def test_interpreter_behind_a_shim_that_does_not_run_is_used(tmp_path: Path):
    fake_python(tmp_path / "shims" / "python3.12", "", exit_code=127)
    fake_python(tmp_path / "shims" / "python3.13", "", exit_code=127)
    interpreter = fake_python(tmp_path / "versions" / "3.12.1" / "bin" / "python3.12", "3.12")
    assert find_pythons({"PATH": str(tmp_path / "shims")}) == {"3.12": interpreter}


@posix
def test_python_on_path_of_another_version_is_ignored(tmp_path: Path):
    fake_python(tmp_path / "python3.12", "3.11")
    assert find_pythons({"PATH": str(tmp_path)}) == {}


def test_cells_of_a_missing_python_are_reported_and_skipped(capsys: pytest.CaptureFixture[str]):
    runnable, missing = command.assign_pythons(select_cells([]), {"3.11": Path("python3.11")}, [])
    assert missing == []
    assert {cell.python for cell, _ in runnable} == {"3.11", ""}
    printed = capsys.readouterr().out
    assert "Python 3.12 was not found: 6 cells are skipped." in printed
    assert "Python 3.13 was not found: 6 cells are skipped." in printed


@pytest.mark.parametrize("pattern", ["3.13-*", "3.13-pyqt6-0.9.2"])
def test_requested_cell_without_a_python_fails(pattern: str):
    cells = select_cells([pattern])
    runnable, missing = command.assign_pythons(cells, {"3.11": Path("python3.11")}, [pattern])
    assert runnable == []
    assert len(missing) == len(cells)
    assert "Python 3.13 was not found" in missing[0][1]


def test_oldest_and_newest_use_the_oldest_and_newest_python_found():
    pythons = {"3.11": Path("a"), "3.13": Path("b")}
    runnable, _ = command.assign_pythons(select_cells(["oldest", "newest"]), pythons, [])
    assert [(cell.name, path.name) for cell, path in runnable] == [("oldest", "a"), ("newest", "b")]


# --- environments ------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would run; a resolution always gives two packages."""
    commands: list[list[str]] = []

    def call(words: list[str]) -> None:
        commands.append(words)
        if "compile" in words:
            output = Path(words[words.index("--output-file") + 1])
            output.write_text("napari==0.9.2\nnumpy==2.0\n")
        if words[1] == "venv":
            (Path(words[-1]) / "bin").mkdir(parents=True, exist_ok=True)
            python = Path(words[-1]) / ("Scripts" if os.name == "nt" else "bin")
            python.mkdir(exist_ok=True)
            (python / ("python.exe" if os.name == "nt" else "python")).touch()

    monkeypatch.setattr(environments, "_call", call)
    return commands


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in environments.INPUTS:
        (folder / name).write_text("first")
    return folder


def prepared(name: str, root: Path, tmp_path: Path) -> Environment:
    return environments.prepare(
        CELLS[name], Path("python"), Path("uv"), root, tmp_path / "environments"
    )


def pop_kinds(calls: list[list[str]]) -> list[str]:
    """The kind of each recorded command, which are then forgotten."""
    words = [call[1] if call[1] == "venv" else call[2] for call in calls]
    calls.clear()
    return words


def test_environment_of_tested_versions_is_made_once(
    calls: list[list[str]], root: Path, tmp_path: Path
):
    found = prepared("3.11-pyqt6-0.9.2", root, tmp_path)
    assert found.version("numpy") == "2.0"
    assert pop_kinds(calls) == ["compile", "venv", "install", "install"]
    assert prepared("3.11-pyqt6-0.9.2", root, tmp_path) == found
    assert pop_kinds(calls) == []


@pytest.mark.parametrize("name", environments.INPUTS)
def test_changed_requirements_rebuild_the_environment(
    calls: list[list[str]], root: Path, tmp_path: Path, name: str
):
    prepared("3.11-pyqt6-0.9.2", root, tmp_path)
    pop_kinds(calls)
    (root / name).write_text("second")
    prepared("3.11-pyqt6-0.9.2", root, tmp_path)
    assert "install" in pop_kinds(calls)


def test_newest_is_always_resolved_and_installed_only_if_the_result_differs(
    calls: list[list[str]], root: Path, tmp_path: Path
):
    prepared("newest", root, tmp_path)
    pop_kinds(calls)
    prepared("newest", root, tmp_path)
    assert pop_kinds(calls) == ["compile"]
    (tmp_path / "environments" / "newest" / "installed").write_text("of other versions")
    prepared("newest", root, tmp_path)
    assert pop_kinds(calls) == ["compile", "venv", "install", "install"]


def test_half_made_environment_is_rebuilt(
    calls: list[list[str]], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    working_call = environments._call

    def no_disk(words: list[str]) -> None:
        if "install" in words:
            raise SetupError("No space left on device")
        working_call(words)

    monkeypatch.setattr(environments, "_call", no_disk)
    with pytest.raises(SetupError, match="No space"):
        prepared("oldest", root, tmp_path)
    monkeypatch.setattr(environments, "_call", working_call)
    pop_kinds(calls)
    prepared("oldest", root, tmp_path)
    assert "install" in pop_kinds(calls)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("oldest", ("--resolution", "lowest-direct")),
        ("newest", ("--prerelease-package", "napari=allow")),
        ("3.12-pyside6-0.9.2", ("--extra", "pyside6")),
    ],
)
def test_resolver_gets_the_cell_s_versions(
    calls: list[list[str]], root: Path, tmp_path: Path, name: str, words: tuple[str, str]
):
    prepared(name, root, tmp_path)
    [resolution] = [call for call in calls if "compile" in call]
    assert words in list(itertools.pairwise(resolution))
    pinned = str(root / "constraints.txt") in resolution
    assert pinned == (CELLS[name].versions == "tested")
    wanted = (tmp_path / "environments" / name / "wanted.txt").read_text()
    assert wanted == ("napari==0.9.2\n" if CELLS[name].napari else "")


def test_failed_program_s_output_is_the_error_message():
    program = "import sys; print('no numpy fits', file=sys.stderr); sys.exit(3)"
    with pytest.raises(SetupError, match="no numpy fits"):
        environments._call([sys.executable, "-c", program])


def test_index_configured_for_pip_is_passed_to_uv(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PIP_INDEX_URL", "of-our-own")
    monkeypatch.delenv("UV_DEFAULT_INDEX", raising=False)
    program = "import os, sys; sys.exit(os.environ['UV_DEFAULT_INDEX'])"
    with pytest.raises(SetupError, match="of-our-own"):
        environments._call([sys.executable, "-c", program])


# --- runs --------------------------------------------------------------------------------


def run_of(tmp_path: Path, source: str, *arguments: str) -> Outcome:
    """Run one file of tests in a cell whose environment is this one."""
    (tmp_path / "test_it.py").write_text(source)
    results = tmp_path / "results"
    results.mkdir()
    binding = "pyqt6" if find_spec("PyQt6") else "pyside6"
    resolved = f"napari==0.9.2\n{runs.QT_PACKAGES[binding]}==6.7\nnumpy==2.0 ; {HERE}\n"
    here = Environment(Path(sys.executable), resolved)
    words = ["-c", os.devnull, "--rootdir", str(tmp_path), str(tmp_path / "test_it.py")]
    return runs.run(
        CELLS[f"3.13-{binding}-0.9.2"],
        here,
        [*words, *arguments],
        Path(runs.__file__).parents[2],
        results,
    )


@pytest.mark.slow
def test_passed_failed_and_skipped_are_counted_apart(tmp_path: Path):
    outcome = run_of(
        tmp_path,
        "import pytest\n"
        "def test_a(): pass\n"
        "def test_b(): pass\n"
        "def test_c(): assert False\n"
        "def test_d(): pytest.skip('not here')\n"
        "def test_e(no_such_fixture): pass\n",
    )
    assert (outcome.passed, outcome.failed, outcome.skipped) == (2, 2, 1)
    assert not outcome.is_good
    assert outcome.versions["numpy"] == "2.0"
    assert "1 failed" in (tmp_path / "results" / f"{outcome.cell.name}.log").read_text()


@pytest.mark.slow
def test_run_without_a_test_is_not_good(tmp_path: Path):
    assert not run_of(tmp_path, "def test_a(): pass\n", "-k", "no_such_test").is_good


@pytest.mark.slow
def test_run_that_died_is_not_taken_for_one_that_passed(tmp_path: Path):
    outcome = run_of(tmp_path, "import os\ndef test_a(): os._exit(0)\n")
    assert not outcome.is_good
    assert "before it wrote its results" in outcome.reason


def test_program_that_does_not_load_fails_only_its_cell(tmp_path: Path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: of a library' >&2\nexit 1\n")
    broken.chmod(0o755)
    outcome = runs.run(CELLS["newest"], Environment(broken, ""), [], tmp_path, tmp_path)
    assert not outcome.is_good
    assert "ImportError: of a library" in outcome.reason


@pytest.mark.parametrize(
    ("cell", "resolved", "qt"),
    [
        ("3.13-pyside6-0.9.2", "pyside6-essentials==6.12.0\n", "pyside6 6.12.0"),
        ("3.13-pyqt6-0.9.2", "pyqt6==6.11.0\n", "pyqt6 6.11.0"),
    ],
)
def test_table_has_the_version_of_either_qt_binding(cell: str, resolved: str, qt: str):
    assert runs.versions_of(CELLS[cell], Environment(Path(sys.executable), resolved))["qt"] == qt


def test_run_has_separate_home_folders_and_the_installed_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    weights = tmp_path / "weights"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "mine"))
    homes = tmp_path / "homes"
    homes.mkdir()
    cell = CELLS["3.13-pyside6-0.9.2"]
    found = runs.run_variables(cell, str(weights), homes)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"):
        assert Path(found[name]).parent == homes
    assert found["NAPARI_MEDSAM_HOME"] == str(weights)
    assert found["QT_API"] == found["PYTEST_QT_API"] == "pyside6"
    assert "PYTHONPATH" not in found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Xvfb is Linux's")
def test_each_run_has_a_separate_screen(monkeypatch: pytest.MonkeyPatch):
    environment = Environment(Path("python"), "")
    words = (CELLS["newest"], environment, ["-x"], Path("a.xml"))
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert runs.command(*words)[:2] == ["xvfb-run", "-a"]
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert runs.command(*words)[0] == "python"


@pytest.mark.parametrize(("napari", "n_ignored"), [("0.6.6", 7), ("0.9.2", 0), ("0.10.0rc1", 0)])
def test_only_warnings_of_the_oldest_napari_are_ignored(napari: str, n_ignored: int):
    environment = Environment(Path("python"), f"napari=={napari}\n")
    words = runs.command(CELLS["newest"], environment, [], Path("a.xml"))
    assert words.count("-W") == n_ignored


# --- the table ---------------------------------------------------------------------------


def outcome(**keywords: object) -> Outcome:
    versions = {"python": "3.13.0", "qt": "pyqt6 6.11", "napari": "0.9.2", "numpy": "2.5"}
    return Outcome(CELLS["newest"], versions, **keywords)  # type: ignore[arg-type]


def test_table_shows_versions_counts_and_reasons():
    text = table([outcome(passed=12, skipped=3, seconds=61.4), outcome(reason="no wheel of a")])
    lines = text.splitlines()
    assert lines[1].split()[:4] == ["newest", "3.13.0", "pyqt6", "6.11"]
    assert lines[1].split()[4:] == ["0.9.2", "2.5", "12", "0", "3", "61"]
    assert lines[-1] == "newest: no wheel of a"


@pytest.mark.parametrize("keywords", [{"failed": 1}, {"exit_code": 2}, {"reason": "x"}, {}])
def test_only_a_cell_whose_tests_passed_is_good(keywords: dict[str, object]):
    passed = 0 if not keywords else 5
    assert not outcome(passed=passed, **keywords).is_good


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (1, 1)])
def test_one_failure_fails_the_matrix(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    failed: int,
    code: int,
):
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "find_pythons", lambda: {"3.11": Path(sys.executable)})
    monkeypatch.setattr(command, "prepare_uv", lambda folder: Path("uv"))
    monkeypatch.setattr(command, "prepare", lambda *words: Environment(Path("python"), ""))
    received = []

    def run(cell: plan.Cell, environment: Environment, arguments: list[str], *_: Path) -> Outcome:
        received.append(arguments)
        return Outcome(cell, {}, passed=1, failed=failed if cell.name == "newest" else 0)

    monkeypatch.setattr(command, "run", run)
    assert command.main(["oldest", "newest", "--jobs", "2", "--", "-x", "tests"]) == code
    assert received == [["-x", "tests"]] * 2
    printed = capsys.readouterr().out
    assert "newest" in printed.splitlines()[-3]
    assert "Python 3.13: not found" in printed


def test_environment_that_cannot_be_made_is_reported_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    def prepare(*_: object) -> Environment:
        raise SetupError("no version of openvino fits")

    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "find_pythons", lambda: {"3.11": Path(sys.executable)})
    monkeypatch.setattr(command, "prepare_uv", lambda folder: Path("uv"))
    monkeypatch.setattr(command, "prepare", prepare)
    assert command.main(["oldest"]) == 1
    assert "oldest: could not be installed: no version of openvino fits" in capsys.readouterr().out


# --- package indexes ---------------------------------------------------------------------


def test_pip_settings_are_passed_to_uv_and_uv_s_own_take_precedence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """From pip's settings file and variables to the environment of a program that is started."""
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    settings = tmp_path / "pip.conf"
    settings.write_text(
        "[global]\nindex-url = https://one.invalid/\nfind-links = /a\n"
        "extra-index-url =\n    https://two.invalid/\n    https://three.invalid/\n"
        "[install]\nfind-links = /b\n    /c\n"
    )
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    monkeypatch.setenv("PIP_INDEX_URL", "https://four.invalid/")
    monkeypatch.setenv("UV_FIND_LINKS", "/of-uv")
    out = tmp_path / "environment.json"
    program = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    environments._call([sys.executable, "-c", program, str(out)])
    given = json.loads(out.read_text(encoding="utf-8"))
    assert {name: given[name] for name in given if name.startswith("UV_")} == {
        "UV_DEFAULT_INDEX": "https://four.invalid/",
        "UV_INDEX": "https://two.invalid/ https://three.invalid/",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/of-uv",
        "UV_PYTHON_DOWNLOADS": "never",
    }
    assert indexes.uv_variables("install.find-links='/b\\n/c'\nglobal.find-links='/a'") == {
        "UV_FIND_LINKS": "/b,/c"
    }


def test_without_pip_uv_has_only_its_own_settings(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(indexes.sys, "executable", shutil.which("false"))
    assert indexes.pip_settings_for_uv() == {}
