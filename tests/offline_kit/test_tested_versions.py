"""The tested versions are one list for all Pythons and systems, and what is not in it is said."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from napari_medsam.diagnostics import machine, versions
from napari_medsam.offline_kit import tested_versions
from napari_medsam.offline_kit.platforms import PLATFORMS, Target
from script.cells import plan
from tests.conftest import PROJECT

ABOUT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = tested_versions.constraints_file().read_text(encoding="utf-8")
TARGETS = [Target(platform, python) for platform in PLATFORMS for python in plan.PYTHONS]


def requirements() -> list[Requirement]:
    groups = [ABOUT["dependencies"], *ABOUT["optional-dependencies"].values()]
    wanted = [Requirement(one) for group in groups for one in group]
    return [one for one in wanted if one.name not in ("napari-medsam", "pip")]


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_what_the_program_needs_is_pinned_on_every_target(target: Target):
    pins = tested_versions.pins(PINS, target.markers)
    manual = {one.split(">")[0].split("[")[0] for one in ABOUT["optional-dependencies"]["docs"]}
    for one in requirements():
        if one.name in manual:
            continue
        assert one.specifier.contains(pins[canonicalize_name(one.name)], prereleases=True), one


@pytest.mark.parametrize(
    ("platform", "package"), [("win_amd64", "colorama"), ("macosx_arm64", "appnope")]
)
def test_packages_of_another_system_alone_are_pinned(platform: str, package: str):
    assert package in tested_versions.pins(PINS, Target(platform, "3.13").markers)


def test_pip_itself_is_not_pinned():
    """On Windows pip cannot replace itself, and the whole installation would stop."""
    assert "pip" not in tested_versions.pins(PINS)


def test_line_of_another_python_does_not_count():
    text = "# words\na==1 ; python_version < '3.12'\na==2 ; python_version >= '3.12'\n"
    assert tested_versions.pins(text, Target("win_amd64", "3.11").markers) == {"a": "1"}
    assert tested_versions.pins(text, Target("win_amd64", "3.13").markers) == {"a": "2"}


def test_the_matrix_is_what_doctor_calls_tested():
    assert tested_versions.PYTHONS == plan.PYTHONS
    assert (plan.NAPARIS[0], plan.NAPARIS[-1]) == tested_versions.NAPARIS
    assert f"\nnapari=={plan.TESTED}\n" in PINS
    assert f">={plan.PYTHONS[0]}" in ABOUT["requires-python"]
    assert {f"Programming Language :: Python :: {one}" for one in plan.PYTHONS} <= set(
        ABOUT["classifiers"]
    )


def test_watched_packages_are_pinned():
    """A name that is spelt wrong would be watched in vain."""
    pins = tested_versions.pins(PINS)
    assert all(canonicalize_name(name) in pins for name in tested_versions.WATCHED)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is installed, beside the tested versions of all else."""
    others: dict[str, str] = {}
    pins = tested_versions.pins(PINS)

    def version(name: str) -> str:
        return others.get(name, pins[canonicalize_name(name)])

    monkeypatch.setattr(tested_versions, "version", version)
    return others


def test_tested_versions_are_ok(installed: dict[str, str]):
    assert versions.versions().state == "ok"


def test_another_version_is_a_note_with_both_versions(installed: dict[str, str]):
    installed["numpy"] = "99.1"
    check = versions.versions()
    assert check.state == "note"
    assert re.fullmatch(r"numpy 99\.1 \(tested: \d+\.\d+\.\d+\)", check.found)
    assert "docs/install.md" in check.advice


def test_many_other_versions_are_one_short_line(installed: dict[str, str]):
    installed.update(dict.fromkeys(tested_versions.WATCHED, "0.1"))
    check = versions.versions()
    assert check.found.startswith("napari 0.1 (tested: 0.6.6 to 0.10.0rc1), numpy 0.1")
    assert check.found.endswith(f"and {len(tested_versions.WATCHED) - 5} more")
    assert "\n" not in check.found


@pytest.mark.parametrize(
    ("napari", "beyond"),
    [("0.6.5", True), ("0.6.6", False), ("0.10.0rc1", False), ("0.10.4", False), ("0.11.0", True)],
)
def test_napari_that_nobody_tested_is_told_from_those_tested(napari: str, beyond: bool):
    assert tested_versions.napari_beyond(napari) is beyond


def test_missing_list_ends_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(tested_versions, "__file__", str(tmp_path / "deep" / "kit" / "a.py"))
    check = versions.versions()
    assert check.state == "note"
    assert "constraints.txt" in check.found


def test_python_that_nobody_tested_is_a_problem(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(machine.sys, "version_info", (3, 14, 0))
    check = machine.python()
    assert check.state == "problem"
    assert "Use Python 3.11, 3.12 or 3.13" in check.advice
