"""GitHub's workflows have no rights to write, and run cells of the matrix.

`test_release_files` checks that every action is pinned.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from script.cells.plan import all_cells
from tests.conftest import PROJECT

FOLDER = PROJECT / ".github" / "workflows"
FILES = [FOLDER / "test.yml", FOLDER / "newest.yml"]
WITH_RELEASE = [*FILES, FOLDER / "release.yml"]
SYSTEMS = {"ubuntu", "windows", "macos"}


def read(path: Path) -> dict[Any, Any]:
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(workflow, dict)
    return workflow


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_workflow_may_only_read_and_has_a_timeout(path: Path):
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    assert "pull_request_target" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_no_expression_is_inserted_into_a_shell_command(path: Path):
    """An expression in a command would be run as a part of it, so values are passed in `env`."""
    for job in read(path)["jobs"].values():
        assert not any("${{" in step.get("run", "") for step in job["steps"])


def test_all_three_systems_are_tested_with_the_tested_and_the_newest_versions():
    for path, job in ((FILES[0], "cells"), (FILES[1], "newest")):
        systems = read(path)["jobs"][job]["strategy"]["matrix"]["system"]
        assert {system.split("-")[0] for system in systems} == SYSTEMS
    # PyYAML reads the bare key "on" as true.
    assert read(FILES[1])[True]["schedule"]


def test_cells_are_those_of_the_matrix():
    matrix = read(FILES[0])["jobs"]["cells"]["strategy"]["matrix"]
    names = {*matrix["cell"], *(entry["cell"] for entry in matrix["include"])}
    assert names <= {cell.name for cell in all_cells()}
    assert {name.split("-")[0] for name in names} >= {"3.11", "3.12", "3.13", "oldest"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_scripts_that_are_called_exist(path: Path):
    for job in read(path)["jobs"].values():
        for step in job["steps"]:
            for script in re.findall(r"\./(script/\w+)", step.get("run", "")):
                assert (PROJECT / script).is_file()


@pytest.mark.parametrize("path", WITH_RELEASE, ids=lambda path: path.name)
def test_tests_on_linux_install_the_libraries_of_qt(path: Path):
    """Without these packages Qt ends the process, and script/setup only names them."""
    for job in read(path)["jobs"].values():
        commands = [step.get("run", "") for step in job["steps"]]
        if any(re.search(r"\./script/(test|matrix)", command) for command in commands):
            actions = [step.get("uses", "") for step in job["steps"]]
            by_apt = any("apt-get install" in c and "libxcb-cursor0" in c for c in commands)
            assert by_apt or any("setup-headless-display-action" in action for action in actions)
