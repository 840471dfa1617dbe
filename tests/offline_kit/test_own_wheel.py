"""The program's own wheel is what runs here, without anything of this machine."""

from __future__ import annotations

import base64
import csv
import hashlib
import shutil
import zipfile
from pathlib import Path

import pytest

import napari_medsam
from napari_medsam.offline_kit.own_wheel import write_own_wheel
from napari_medsam.offline_kit.wheel_file import read_wheel
from tests.conftest import PROJECT


def test_every_file_is_in_the_record_with_its_hash(tmp_path: Path) -> None:
    with zipfile.ZipFile(write_own_wheel(tmp_path)) as archive:
        (name,) = [one for one in archive.namelist() if one.endswith("RECORD")]
        rows = list(csv.reader(archive.read(name).decode().splitlines()))
        assert sorted(row[0] for row in rows) == sorted(archive.namelist())
        for member, digest, size in rows[:-1]:
            data = archive.read(member)
            sha = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            assert (digest, int(size)) == (f"sha256={sha}", len(data))


def test_nothing_of_this_machine_is_in_it(tmp_path: Path) -> None:
    with zipfile.ZipFile(write_own_wheel(tmp_path)) as archive:
        names = archive.namelist()
        metadata = [one for one in names if ".dist-info/" in one]
        assert not any(str(PROJECT).encode() in archive.read(one) for one in metadata)
    assert not [one for one in names if one.endswith((".pyc", "direct_url.json"))]
    for needed in (
        "napari.yaml",
        "constraints.txt",
        "offline_kit/files/install.bat",
        "cli/__init__.py",
    ):
        assert f"napari_medsam/{needed}" in names


def test_what_lies_in_a_checkouts_folder_by_chance_does_not_travel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "napari_medsam"
    shutil.copytree(Path(napari_medsam.__file__).parent / "offline_kit", package / "offline_kit")
    (package / "__init__.py").write_text("")
    for stray in ("patient.nii.gz", "weights.pth", "scan.dcm", "IM0001", "offline_kit/notes.csv"):
        (package / stray).write_text("private")
    monkeypatch.setattr(napari_medsam, "__file__", str(package / "__init__.py"))
    with zipfile.ZipFile(write_own_wheel(tmp_path)) as archive:
        assert "napari_medsam/offline_kit/files/install.sh" in archive.namelist()
        assert not [name for name in archive.namelist() if archive.read(name) == b"private"]


def test_it_is_the_same_twice(tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    first = write_own_wheel(tmp_path).read_bytes()
    assert write_own_wheel(tmp_path / "again").read_bytes() == first


def test_it_says_what_it_needs(tmp_path: Path) -> None:
    wheel = read_wheel(write_own_wheel(tmp_path))
    assert wheel.name == "napari-medsam"
    assert {"napari", "openvino", "pyqt6", "highdicom"} <= {
        one.name.lower() for one in wheel.requires
    }
