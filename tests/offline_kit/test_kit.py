"""A kit is made whole, any change of it is found, and it installs with no index at all."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from napari_medsam import offline_kit
from napari_medsam.cli import main
from napari_medsam.models.specs.errors import StoreError
from napari_medsam.models.store import store
from napari_medsam.offline_kit.build import build_kit
from napari_medsam.offline_kit.checksums import write_sums
from napari_medsam.storage.hashing import file_sha256
from tests import offline
from tests.offline_kit.wheelhouse import LINUX, WINDOWS, MakeKit, Wheelhouse

FILES = Path(offline_kit.__file__).parent / "files"
REAL_KIT = "NAPARI_MEDSAM_TEST_KIT"


# --- making ------------------------------------------------------------------------------


def test_whole_kit_is_found_whole(make_kit: MakeKit) -> None:
    folder = make_kit(LINUX, WINDOWS)
    whole = offline_kit.verify_kit(folder)
    assert whole.targets == (LINUX, WINDOWS)
    assert whole.n_wheels == len(list((folder / "wheels").iterdir())) > 20
    names = {path.name for path in folder.iterdir()}
    assert {"install.sh", "install.bat", "README.txt", "SHA256SUMS", "kit.json"} <= names
    assert os.access(folder / "install.sh", os.X_OK)
    licences = {one["licence"] for one in json.loads((folder / "kit.json").read_text())["packages"]}
    assert "MIT" in licences


def test_each_wheel_is_pinned_with_its_hash(make_kit: MakeKit) -> None:
    folder = make_kit()
    lines = (folder / f"requirements-{LINUX}.txt").read_text().splitlines()
    assert len(lines) == len(list((folder / "wheels").iterdir()))
    assert all(re.fullmatch(r"[a-z0-9-]+==\S+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    assert any(line.startswith("napari-medsam==") for line in lines)


def test_windows_files_end_their_lines_as_windows_wants(make_kit: MakeKit) -> None:
    folder = make_kit()
    for name in ("install.bat", "README.txt"):
        data = (folder / name).read_bytes()
        assert data.count(b"\n") == data.count(b"\r\n") > 10
    assert b"\r" not in (folder / "install.sh").read_bytes()


def test_full_folder_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="is not empty"):
        build_kit(tmp_path, (LINUX,), models=(), fetcher=Wheelhouse().fetcher)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.weights
def test_weights_come_along_under_their_published_hash(tmp_path: Path, weights_path: Path) -> None:
    build_kit(tmp_path / "kit", (LINUX,), fetcher=Wheelhouse().fetcher)
    carried = tmp_path / "kit" / "weights" / "litemedsam" / "lite_medsam.pth"
    assert file_sha256(carried) == store.model_spec("litemedsam").file.sha256
    assert offline_kit.verify_kit(tmp_path / "kit").models == ("litemedsam",)


def test_weights_nobody_published_a_hash_of_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no published SHA-256"):
        build_kit(
            tmp_path / "kit", (LINUX,), models=("medsam-vit-b",), fetcher=Wheelhouse().fetcher
        )


# --- checking ----------------------------------------------------------------------------


def test_altered_missing_and_added_files_are_named(make_kit: MakeKit) -> None:
    folder = make_kit()
    (folder / "install.sh").write_text("#!/bin/sh\n")
    (folder / "README.txt").unlink()
    (folder / "wheels" / "stowaway-1-py3-none-any.whl").write_bytes(b"x")
    with pytest.raises(ValueError, match="was changed after it was built") as told:
        offline_kit.verify_kit(folder)
    for words in ("install.sh is altered", "README.txt is missing", "stowaway"):
        assert words in str(told.value)


def test_wheel_taken_away_with_its_hash_is_missed(make_kit: MakeKit) -> None:
    """The hashes were computed again after the theft: what is needed is still needed."""
    folder = make_kit()
    (wheel,) = (folder / "wheels").glob("superqt-*")
    wheel.unlink()
    listed = folder / f"requirements-{LINUX}.txt"
    kept = [line for line in listed.read_text().splitlines(True) if not line.startswith("superqt=")]
    listed.write_text("".join(kept))
    write_sums(folder)
    with pytest.raises(ValueError, match=r"lacks for linux_x86_64-cp311: superqt\."):
        offline_kit.verify_kit(folder)


def test_part_of_a_kit_is_none(make_kit: MakeKit) -> None:
    folder = make_kit()
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(ValueError, match="is unfinished"):
        offline_kit.verify_kit(folder)


def test_command_verifies_in_one_line(
    make_kit: MakeKit, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_kit()
    assert main(["kit", "verify", str(folder)]) == 0
    assert "is complete: " in capsys.readouterr().out
    (folder / "kit.json").write_text("{}")
    assert main(["kit", "verify", str(folder)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "kit.json is altered" in line


@pytest.mark.parametrize("option", [["--platform", "amiga"], ["--python", "2.7"]])
def test_unknown_target_is_wrong_usage(
    option: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["kit", "build", str(tmp_path / "kit"), *option]) == 2
    assert not (tmp_path / "kit").exists()


# --- installing --------------------------------------------------------------------------


def test_batch_file_goes_where_it_says() -> None:
    """cmd is not at hand here: labels, quotes and pip's options are looked at."""
    text = (FILES / "install.bat").read_text()
    labels = set(re.findall(r"^:(\w+)", text, re.MULTILINE))
    assert set(re.findall(r"(?:goto|call) :(\w+)", text)) == labels
    assert all(line.count('"') % 2 == 0 for line in text.splitlines())
    (pip,) = [line for line in text.splitlines() if "-m pip" in line]
    for option in ("--isolated", "--no-index", "--require-hashes", "--find-links"):
        assert option in pip


def install(folder: Path, into: Path, home: Path) -> subprocess.CompletedProcess[str]:
    """Run install.sh with an empty home and an index set up that nobody may ask."""
    home.mkdir(exist_ok=True)
    wall = offline.NAMESPACE if offline.has_namespaces() else ()
    return subprocess.run(
        [*wall, str(folder / "install.sh"), str(into)],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHON": sys.executable,
            "PIP_INDEX_URL": "https://index.invalid/",
        },
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="runs install.sh with wheels for Linux")
def test_kit_installs_with_no_index_at_all(make_kit: MakeKit, tmp_path: Path) -> None:
    here = offline_kit.target_here()
    folder, into = (
        make_kit(here, needs={"napari": ["extra-one; sys_platform == 'linux'"]}),
        tmp_path / "a b",
    )
    done = install(folder, into, tmp_path / "home")
    assert done.returncode == 0, done.stderr
    assert (into / "napari-medsam").exists()
    names = {path.name.lower() for path in into.glob("env/lib/python*/site-packages/*")}
    assert {"extra_one-1.0.dist-info", "napari_medsam"} <= names


@pytest.mark.skipif(sys.platform != "linux", reason="runs install.sh with wheels for Linux")
def test_altered_kit_installs_nothing(make_kit: MakeKit, tmp_path: Path) -> None:
    if shutil.which("sha256sum") is None:
        pytest.skip("needs sha256sum")
    folder = make_kit(offline_kit.target_here())
    wheel = min((folder / "wheels").iterdir())
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    done = install(folder, tmp_path / "into", tmp_path / "home")
    assert done.returncode == 1
    assert "the kit is damaged or altered; nothing was installed" in done.stderr
    assert not (tmp_path / "into").exists()


@pytest.mark.skipif(
    REAL_KIT not in os.environ,
    reason=f"downloads 350 MB and installs 1.5 GB; {REAL_KIT}=FOLDER does it there",
)
def test_real_kit_is_made_installed_and_runs_the_demo(tmp_path: Path) -> None:
    folder = Path(os.environ[REAL_KIT])
    if not folder.exists():
        assert main(["kit", "build", str(folder)]) == 0
    assert main(["kit", "verify", str(folder)]) == 0
    done = install(folder, tmp_path / "into", tmp_path / "home")
    assert done.returncode == 0, done.stderr
    wall = offline.NAMESPACE if offline.has_namespaces() else ()
    demo = subprocess.run(
        [*wall, tmp_path / "into" / "napari-medsam", "demo", "--headless", tmp_path / "out"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "home")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert demo.returncode == 0, demo.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert min(row["dice"] for row in report["reference"]) > 0.9
