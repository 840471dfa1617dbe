"""The wheel and the sdist have the right contents, and the wheel works outside the checkout."""

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

pytestmark = pytest.mark.slow  # both packages are built and installed

SCRIPTS = "Scripts" if os.name == "nt" else "bin"
TEXT = {".py", ".pyi", ".md", ".txt", ".toml", ".yaml", ".yml", ".cff", ".sh", ".bat", ".ps1", ""}


class Dist(NamedTuple):
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Dist:
    """Both files; the wheel is built from the sdist, as in a release. No network is needed."""
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
    """Files by their name inside the sdist's single folder; links are resolved."""
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if not member.isdir()]
        files = {member.name: archive.extractfile(member) for member in members}
        return {name.partition("/")[2]: file.read() for name, file in files.items() if file}


# --- contents ----------------------------------------------------------------------------


def test_wheel_holds_the_package_and_nothing_else(dist: Dist):
    names = wheel_members(dist.wheel)
    dist_info = f"napari_medsam-{__version__}.dist-info"
    assert {PurePosixPath(name).parts[0] for name in names} == {"napari_medsam", dist_info}
    inside = {name for name in names if not name.startswith(dist_info)}
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


def test_wheel_equals_the_one_in_a_kit(dist: Dist, tmp_path: Path):
    """`kit build` writes a wheel without a build tool; its files are those of the built wheel."""
    own = wheel_members(write_own_wheel(tmp_path))
    built = wheel_members(dist.wheel)
    code = [name for name in {*own, *built} if ".dist-info/" not in name]
    assert len(code) > 250
    assert [name for name in code if own.get(name) != built.get(name)] == []


def test_sdist_holds_package_tests_scripts_and_documents(dist: Dist):
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
    # Journals of version 0.1, made by the program itself: 64 kB.
    journals = {name for name in members if name.startswith("tests/journal/data/")}
    assert other - journals == {"napari_medsam/icon.png"}
    assert max(map(len, members.values())) < 200_000
    assert dist.sdist.stat().st_size < 2_000_000


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_no_file_contains_a_path_of_the_build_machine(dist: Dist, kind: str):
    members = wheel_members(dist.wheel) if kind == "wheel" else sdist_members(dist.sdist)
    paths = {str(PROJECT), str(PROJECT.parent / "shared"), sysconfig.get_path("purelib")}
    with_path = [
        name for name, data in members.items() if any(path.encode() in data for path in paths)
    ]
    assert with_path == []


# --- the package page ------------------------------------------------------------------------


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
    metadata = message_from_bytes(
        wheel_members(dist.wheel)[f"napari_medsam-{__version__}.dist-info/METADATA"]
    )
    page = metadata.get_payload(decode=True).decode()
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)\s]+)\)", page)
    assert links == [link for link in re.findall(r"\]\(([^)\s]+)\)", readme) if "://" in link]
    assert len(links) >= 2  # else the pattern finds no links
    assert "all tasks (`docs/index.md`)" in page
    assert page.startswith("# napari-medsam\n")
    assert metadata["Description-Content-Type"] == "text/markdown"


# --- outside the checkout --------------------------------------------------------------------


@pytest.fixture(scope="module")
def outside(dist: Dist, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An environment with only the wheel; it borrows dependencies from that of the tests."""
    root = tmp_path_factory.mktemp("outside the checkout")
    venv.create(root / "env", with_pip=False)
    python = root / "env" / SCRIPTS / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-index", "--no-deps", dist.wheel], check=True)
    [site] = (root / "env").rglob("site-packages")
    # A .pth adds a folder without reading the .pth files in it, so the checkout is not added.
    borrowed = dict.fromkeys((sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
    (site / "borrowed.pth").write_text("\n".join(borrowed) + "\n", encoding="utf-8")
    return root


def run_outside(root: Path, *arguments: str) -> str:
    """Run a program of the environment, which must succeed; return its output."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [root / "env" / SCRIPTS / arguments[0], *arguments[1:]],
        cwd=root,
        env={**variables, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_program_that_runs_is_the_installed_one(outside: Path):
    tested = "napari_medsam.offline_kit.tested_versions"
    imports = f"import napari_medsam as n; from {tested} import constraints_file as t"
    paths = run_outside(outside, "python", "-c", f"{imports}; print(n.__file__, t(), sep='\\n')")
    assert [Path(line).is_relative_to(outside) for line in paths.splitlines()] == [True, True]
    assert run_outside(outside, "napari-medsam", "--version") == f"napari-medsam {__version__}\n"


def test_napari_finds_and_validates_the_installed_manifest(outside: Path):
    validation = run_outside(outside, "python", "-m", "npe2", "validate", "napari-medsam")
    assert "Manifest for 'MedSAM box segmentation' valid!" in validation
    version = run_outside(
        outside,
        "python",
        "-W",
        "ignore",  # npe2 itself warns with new versions of pydantic
        "-c",
        "from npe2 import PluginManager; m = PluginManager(); m.discover();"
        "print(m.get_manifest('napari-medsam').package_metadata.version)",
    )
    assert version.strip() == __version__


def test_installed_program_converts_without_weights(outside: Path, tmp_path: Path):
    make_image = (
        "import numpy, nibabel; a = numpy.arange(60, dtype='int16').reshape(3, 4, 5);"
        "nibabel.save(nibabel.Nifti1Image(a, numpy.diag([1, 2, 3, 1.0])), 'scan.nii.gz')"
    )
    run_outside(outside, "python", "-c", make_image)
    run_outside(outside, "napari-medsam", "convert", "scan.nii.gz", "scan.nrrd")
    [image] = json.loads(run_outside(outside, "napari-medsam", "info", "scan.nrrd", "--json"))[
        "images"
    ]
    assert image["size_xyz"] == [3, 4, 5]
    assert image["spacing_xyz"] == [1, 2, 3]


@pytest.mark.weights
def test_installed_program_runs_the_demo(outside: Path, weights_path: Path):
    run_outside(outside, "napari-medsam", "demo", "--headless", "out")
    assert {path.name for path in (outside / "out").iterdir()} >= {
        *("labels.nii.gz", "overlay.png", "report.json")
    }
    assert json.loads((outside / "out" / "report.json").read_text(encoding="utf-8"))
