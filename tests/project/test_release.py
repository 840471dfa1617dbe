"""The wheel and the sdist: what is in them, and that the wheel works away from the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pytest

from napari_medsam import __version__
from napari_medsam.offline_kit.own_wheel import write_own_wheel
from tests.conftest import PROJECT

SCRIPTS = "Scripts" if os.name == "nt" else "bin"
TEXT = {".py", ".pyi", ".md", ".txt", ".toml", ".yaml", ".yml", ".cff", ".sh", ".bat", ".ps1", ""}


class Dist(NamedTuple):
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    """Both files, the wheel made of the sdist, as a release makes them; no network is needed."""
    for tool in ("build", "hatchling", "hatch_fancy_pypi_readme"):
        pytest.importorskip(tool, reason=f"needs {tool} (the extra test)")
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, PROJECT],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [wheel], [sdist] = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return Dist(wheel, sdist)


def wheel_members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sdist_members(path: Path) -> dict[str, bytes]:
    """Files by their name inside the sdist's one folder; links are what they lead to."""
    with tarfile.open(path) as archive:
        files = [one for one in archive.getmembers() if not one.isdir()]
        read = {one.name: archive.extractfile(one) for one in files}
        return {name.partition("/")[2]: file.read() for name, file in read.items() if file}


# --- contents ----------------------------------------------------------------------------


@pytest.mark.slow
def test_wheel_holds_the_package_and_nothing_else(dist: Dist):
    names = wheel_members(dist.wheel)
    about = f"napari_medsam-{__version__}.dist-info"
    assert {PurePosixPath(name).parts[0] for name in names} == {"napari_medsam", about}
    inside = {name for name in names if not name.startswith(about)}
    assert inside >= {
        "napari_medsam/py.typed",
        "napari_medsam/__init__.pyi",
        "napari_medsam/napari.yaml",
        "napari_medsam/icon.png",
        "napari_medsam/constraints.txt",
        "napari_medsam/offline_kit/files/install.bat",
        "napari_medsam/offline_kit/files/install.sh",
    }
    assert {PurePosixPath(name).suffix for name in inside} <= {
        *{".py", ".pyi", ".yaml", ".png", ".txt", ".typed", ".bat", ".sh", ""}
    }
    assert dist.wheel.stat().st_size < 1_500_000


def test_wheel_is_the_one_a_kit_carries(dist: Dist, tmp_path: Path):
    """`kit build` writes a wheel without any build tool; both hold the same files."""
    own = wheel_members(write_own_wheel(tmp_path))
    built = wheel_members(dist.wheel)
    code = [name for name in {*own, *built} if ".dist-info/" not in name]
    assert len(code) > 250
    assert [name for name in code if own.get(name) != built.get(name)] == []


def test_sdist_builds_tests_and_explains(dist: Dist):
    names = set(sdist_members(dist.sdist))
    tracked = {
        path.relative_to(PROJECT).as_posix()
        for folder in ("napari_medsam", "tests", "script")
        for path in (PROJECT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }
    assert tracked <= names
    assert names >= {
        *("README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md"),
        *("pyproject.toml", "constraints.txt", "mkdocs.yml", "napari.yaml", "docs/developers.md"),
    }


def test_sdist_holds_no_pictures_weights_or_data(dist: Dist):
    members = sdist_members(dist.sdist)
    other = {name for name in members if PurePosixPath(name).suffix not in {*TEXT, ".typed"}}
    # Journals of version 0.1, drawn by the program itself: 64 kB.
    journals = {name for name in members if name.startswith("tests/journal/data/")}
    assert other - journals == {"napari_medsam/icon.png"}
    assert max(map(len, members.values())) < 200_000
    assert dist.sdist.stat().st_size < 2_000_000


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_nothing_tells_of_the_machine_it_was_built_on(dist: Dist, kind: str):
    members = wheel_members(dist.wheel) if kind == "wheel" else sdist_members(dist.sdist)
    places = {str(PROJECT), str(PROJECT.parent / "shared"), sysconfig.get_path("purelib")}
    telling = [
        name for name, data in members.items() if any(place.encode() in data for place in places)
    ]
    assert telling == []


# --- what a package page shows --------------------------------------------------------------


def test_both_pass_the_check_before_an_upload(dist: Dist):
    pytest.importorskip("twine", reason="needs twine (the extra test)")
    done = subprocess.run(
        [sys.executable, "-m", "twine", "--no-color", "check", "--strict", *dist],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("PASSED") == 2


def test_page_has_no_link_into_a_checkout(dist: Dist):
    about = message_from_bytes(
        wheel_members(dist.wheel)[f"napari_medsam-{__version__}.dist-info/METADATA"]
    )
    page = about.get_payload(decode=True).decode()
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    there = re.findall(r"\]\(([^)\s]+)\)", page)
    assert there == [link for link in re.findall(r"\]\(([^)\s]+)\)", readme) if "://" in link]
    assert len(there) >= 2  # or the pattern finds no links
    assert "all tasks (`docs/index.md`)" in page
    assert page.startswith("# napari-medsam\n")
    assert about["Description-Content-Type"] == "text/markdown"


# --- away from the checkout ------------------------------------------------------------------


@pytest.fixture(scope="module")
def away(dist: Dist, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An environment with the wheel alone; what it needs is lent by the one that runs the tests."""
    root = tmp_path_factory.mktemp("away from it")
    venv.create(root / "env", with_pip=False)
    python = root / "env" / SCRIPTS / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", dist.wheel], check=True)
    [site] = (root / "env").rglob("site-packages")
    # A .pth adds a folder without reading the .pth files in it, so no checkout comes along.
    lent = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (site / "lent.pth").write_text("\n".join(lent) + "\n", encoding="utf-8")
    return root


def run_away(root: Path, *arguments: str) -> str:
    """What a program of the environment prints; it must succeed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [root / "env" / SCRIPTS / arguments[0], *arguments[1:]],
        cwd=root,
        env={**kept, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_program_that_runs_is_the_installed_one(away: Path):
    tested = "napari_medsam.offline_kit.tested_versions"
    where = f"import napari_medsam as n; from {tested} import constraints_file as t"
    found = run_away(away, "python", "-c", f"{where}; print(n.__file__, t(), sep='\\n')")
    assert [Path(line).is_relative_to(away) for line in found.splitlines()] == [True, True]
    assert run_away(away, "napari-medsam", "--version") == f"napari-medsam {__version__}\n"


def test_napari_finds_and_validates_the_installed_manifest(away: Path):
    found = run_away(away, "python", "-m", "npe2", "validate", "napari-medsam")
    assert "Manifest for 'MedSAM box segmentation' valid!" in found
    listed = run_away(
        away,
        "python",
        "-W",
        "ignore",  # npe2's own, under new pydantic
        "-c",
        "from npe2 import PluginManager; m = PluginManager(); m.discover();"
        "print(m.get_manifest('napari-medsam').package_metadata.version)",
    )
    assert listed.strip() == __version__


@pytest.mark.slow
def test_installed_program_converts_without_weights(away: Path, tmp_path: Path):
    draw = (
        "import numpy, nibabel; a = numpy.arange(60, dtype='int16').reshape(3, 4, 5);"
        "nibabel.save(nibabel.Nifti1Image(a, numpy.diag([1, 2, 3, 1.0])), 'scan.nii.gz')"
    )
    run_away(away, "python", "-c", draw)
    run_away(away, "napari-medsam", "convert", "scan.nii.gz", "scan.nrrd")
    [image] = json.loads(run_away(away, "napari-medsam", "info", "scan.nrrd", "--json"))["images"]
    assert image["size_xyz"] == [3, 4, 5]
    assert image["spacing_xyz"] == [1, 2, 3]


@pytest.mark.slow
@pytest.mark.weights
def test_installed_program_runs_the_demo(away: Path, weights_path: Path):
    run_away(away, "napari-medsam", "demo", "--headless", "out")
    assert {path.name for path in (away / "out").iterdir()} >= {
        *("labels.nii.gz", "overlay.png", "report.json")
    }
    assert json.loads((away / "out" / "report.json").read_text(encoding="utf-8"))
