"""Files around a release: versions, citation, forms, workflows, conda recipe, icon."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from PIL import Image

from napari_medsam import __version__
from tests.conftest import PROJECT

FORMS = sorted((PROJECT / ".github" / "ISSUE_TEMPLATE").glob("[0-9]*.yml"))
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def recipe() -> dict[str, Any]:
    """The conda recipe with its `${{ }}` replaced by their values."""
    text = (PROJECT / "recipe" / "recipe.yaml").read_text(encoding="utf-8")
    for name, value in yaml.safe_load(text)["context"].items():
        text = text.replace(f"${{{{ {name} }}}}", value)
    assert "${{" not in text
    return yaml.safe_load(text)


# --- versions ----------------------------------------------------------------------------


def test_one_version_and_one_date_everywhere():
    changes = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    [(version, date)] = re.findall(r"^## (\S+) \((.*)\)$", changes, re.MULTILINE)[:1]
    citation = read_yaml(PROJECT / "CITATION.cff")
    assert version == citation["version"] == recipe()["package"]["version"] == __version__
    assert datetime.date.fromisoformat(date) == citation["date-released"]


def test_changes_are_listed_newest_first():
    changes = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\d+)\.(\d+)\.(\d+)", changes, re.MULTILINE)
    numbers = [tuple(map(int, version)) for version in versions]
    assert numbers == sorted(set(numbers), reverse=True)


# --- files that other programs read ------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("vendor.citation-file-format", [PROJECT / "CITATION.cff"]),
        ("vendor.github-issue-forms", FORMS),
        ("vendor.github-issue-config", [FORMS[0].with_name("config.yml")]),
        ("vendor.github-workflows", WORKFLOWS),
        ("custom.github-workflows-require-timeout", WORKFLOWS),
    ],
)
def test_file_follows_its_schema(schema: str, paths: list[Path]):
    pytest.importorskip("check_jsonschema", reason="needs check-jsonschema (the extra test)")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflow_runs_only_pinned_actions_and_has_no_secrets(path: Path):
    text = path.read_text(encoding="utf-8")
    used = re.findall(r"uses: *(.*)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w./-]+@[0-9a-f]{40} # v[\d.]+", action), action
    assert "secrets." not in text


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)
def test_form_warns_against_patient_data(path: Path):
    assert "No patient data, please" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["1-bug", "2-wrong-mask"])
def test_form_of_a_bug_requires_doctor_output_and_a_privacy_check(name: str):
    fields = read_yaml(PROJECT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")["body"]
    required = {
        field["id"]: field
        for field in fields
        if field.get("validations", {}).get("required") or field["type"] == "checkboxes"
    }
    assert "`napari-medsam doctor`" in required["doctor"]["attributes"]["label"]
    assert required["privacy"]["attributes"]["options"][0]["required"]


def test_links_of_contributing_exist():
    text = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        assert (PROJECT / link).is_file()
    assert "docs/developers.md" in text


# --- the conda recipe ----------------------------------------------------------------------


def conda(requirement: str) -> tuple[str, SpecifierSet]:
    name, _, bounds = requirement.partition(" ")
    return name, SpecifierSet(bounds)


def pip(requirement: str) -> tuple[str, SpecifierSet]:
    parsed = Requirement(requirement)
    assert parsed.marker is None, "conda's noarch packages cannot have markers"
    return canonicalize_name(parsed.name), parsed.specifier


def test_recipe_has_the_requirements_of_the_wheel():
    python = ("python", SpecifierSet(PYPROJECT["project"]["requires-python"]))
    expected = dict([python, *map(pip, PYPROJECT["project"]["dependencies"])])
    assert dict(map(conda, recipe()["requirements"]["run"])) == expected


def test_recipe_has_the_build_requirements_of_the_wheel():
    expected = dict(map(pip, PYPROJECT["build-system"]["requires"]))
    host = [line for line in recipe()["requirements"]["host"] if not line.startswith("python ")]
    assert {**expected, "pip": SpecifierSet()} == dict(map(conda, host))


def test_recipe_is_pure_python_with_our_entry_point_and_licence():
    conda_recipe, project = recipe(), PYPROJECT["project"]
    assert conda_recipe["build"]["noarch"] == "python"
    [script] = conda_recipe["build"]["python"]["entry_points"]
    assert dict([script.split(" = ")]) == project["scripts"]
    assert conda_recipe["about"]["license"] == project["license"]
    assert [conda_recipe["about"]["license_file"]] == project["license-files"]
    assert conda_recipe["about"]["summary"] == project["description"]
    assert (PROJECT / "recipe" / conda_recipe["source"]["path"]).resolve() == PROJECT


# --- napari's list of plugins ---------------------------------------------------------------


def test_classifiers_name_napari_and_every_python_allowed():
    project = PYPROJECT["project"]
    assert "Framework :: napari" in project["classifiers"]
    assert "Typing :: Typed" in project["classifiers"]
    allowed = SpecifierSet(project["requires-python"])
    versions = [f"3.{minor}" for minor in range(30) if f"3.{minor}.5" in allowed]
    listed = [line.rpartition(" ")[2] for line in project["classifiers"] if ":: 3." in line]
    assert listed == versions


def test_icon_is_square_and_large_enough():
    manifest = read_yaml(PROJECT / "napari_medsam" / "napari.yaml")
    package, _, name = manifest["icon"].partition(":")
    with Image.open(PROJECT / package / name) as icon:
        assert icon.format == "PNG"
        assert icon.width == icon.height >= 256
    assert "Segmentation" in manifest["categories"]


def test_no_qt_add_on_is_used():
    """The extra `pyside6` installs only Qt's essentials."""
    essentials = {"QtCore", "QtGui", "QtWidgets", "QtSvg", "QtTest", "QtOpenGL", "QtOpenGLWidgets"}
    used = set()
    for path in (PROJECT / "napari_medsam").rglob("*.py"):
        used |= set(re.findall(r"\bqtpy\.(Qt\w+)", path.read_text(encoding="utf-8")))
    assert {"QtCore", "QtWidgets"} <= used <= essentials
