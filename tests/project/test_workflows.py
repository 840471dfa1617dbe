"""The workflows of GitHub: without rights, and running cells that the matrix has.

`test_release_files` sees that every action is pinned.
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
    found = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_workflow_may_only_read_and_ends_by_itself(path: Path):
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    assert "pull_request_target" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_nothing_from_outside_is_pasted_into_a_shell(path: Path):
    """An expression in a command would be run as part of it; it goes through `env`."""
    for job in read(path)["jobs"].values():
        assert not any("${{" in step.get("run", "") for step in job["steps"])


def test_all_three_systems_are_tested_with_the_tested_and_the_newest_versions():
    for path, job in ((FILES[0], "cells"), (FILES[1], "newest")):
        systems = read(path)["jobs"][job]["strategy"]["matrix"]["system"]
        assert {one.split("-")[0] for one in systems} == SYSTEMS
    # PyYAML reads the bare key "on" as true.
    assert read(FILES[1])[True]["schedule"]


def test_cells_are_those_of_the_matrix():
    matrix = read(FILES[0])["jobs"]["cells"]["strategy"]["matrix"]
    named = {*matrix["cell"], *(one["cell"] for one in matrix["include"])}
    assert named <= {cell.name for cell in all_cells()}
    assert {name.split("-")[0] for name in named} >= {"3.11", "3.12", "3.13", "oldest"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_scripts_that_are_called_exist(path: Path):
    for job in read(path)["jobs"].values():
        for step in job["steps"]:
            for script in re.findall(r"\./(script/\w+)", step.get("run", "")):
                assert (PROJECT / script).is_file()


@pytest.mark.parametrize("path", WITH_RELEASE, ids=lambda path: path.name)
def test_tests_on_linux_have_what_qt_needs(path: Path):
    """Without these packages Qt ends the process, and script/setup only names them."""
    for job in read(path)["jobs"].values():
        commands = [step.get("run", "") for step in job["steps"]]
        if any(re.search(r"\./script/(test|matrix)", one) for one in commands):
            actions = [step.get("uses", "") for step in job["steps"]]
            by_apt = any("apt-get install" in one and "libxcb-cursor0" in one for one in commands)
            assert by_apt or any("setup-headless-display-action" in one for one in actions)
