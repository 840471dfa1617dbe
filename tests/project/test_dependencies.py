"""The table of licences lists every pinned version, and no other."""

from __future__ import annotations

import re

from napari_medsam.offline_kit.platforms import Target
from napari_medsam.offline_kit.tested_versions import pins
from tests.conftest import PROJECT

ROW = re.compile(r"^\| ([a-z0-9-]+) \| (\S+) \| ([^|]+) \| ([0-9.]+) \|$", re.MULTILINE)
NOT_ON_LINUX = {"appnope", "colorama", "pywin32", "pywin32-ctypes"}
OTHER_BINDING = {"pyside6-essentials", "shiboken6"}
OUTDATED = "run docs/make_dependencies.py"


def rows() -> list[tuple[str, str, str, str]]:
    return ROW.findall((PROJECT / "docs" / "dependencies.md").read_text(encoding="utf-8"))


def test_every_pinned_version_is_listed_once():
    text = (PROJECT / "constraints.txt").read_text(encoding="utf-8")
    pinned = sorted(pins(text, Target("linux_x86_64", "3.11").markers).items())
    listed = sorted((name, version) for name, version, _, _ in rows())
    elsewhere = set(pinned) - set(listed)
    assert set(listed) <= set(pinned), OUTDATED
    assert len(set(listed)) == len(listed), OUTDATED
    assert {name for name, _ in elsewhere} == NOT_ON_LINUX | OTHER_BINDING, OUTDATED


def test_every_package_has_a_licence():
    assert [name for name, _, licence, _ in rows() if licence.strip() == "see its files"] == []


def test_no_package_forbids_commercial_use():
    """Licences of weights are a separate matter; `models info` shows them."""
    text = " ".join(licence for *_, licence, _ in rows())
    assert not re.search(r"(?i)non-?commercial|CC-BY-NC|proprietary", text)


def test_packages_to_run_and_only_for_tests_are_listed_separately():
    text = (PROJECT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    to_run, _, for_tests = text.partition("## Only for the tests")
    for name in ("napari", "openvino", "numpy", "pydicom", "packaging"):
        assert f"\n| {name} |" in to_run
    for name in ("pytest", "mypy", "ruff"):
        assert f"\n| {name} |" in for_tests
