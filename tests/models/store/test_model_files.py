"""A zip of strangers is unpacked into one folder, within limits, or not at all."""

from __future__ import annotations

import shutil
import stat
import zipfile
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest

from napari_medsam.models.specs.errors import GraphError, StoreError
from napari_medsam.models.store import model_files
from napari_medsam.models.store.model_files import unpacked_archive


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def names_in(path: Path) -> list[str]:
    with unpacked_archive(path) as (files, _source):
        return [file.name for file in files]


def nothing_left(home: Path) -> bool:
    return not [path for path in home.rglob("*") if path.is_file()]


def test_files_are_there_for_as_long_as_they_are_needed(tmp_path: Path, home: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("deep/er/x.pth", b"weights"), ("._x.pth", b"macOS"))
    with unpacked_archive(path) as (files, source):
        assert [file.read_bytes() for file in files] == [b"weights"]
        assert source.startswith("a.zip, SHA-256 ")
    assert nothing_left(home)


@pytest.mark.parametrize("name", ["../x.pth", "a/../../x.pth", "/etc/x.pth", "a/b/../../../x.pth"])
def test_path_that_climbs_out_is_refused_before_anything_is_written(
    tmp_path: Path, home: Path, name: str
) -> None:
    path = zipped(tmp_path / "a.zip", ("good.pth", b"x"), (name, b"x"))
    with pytest.raises(GraphError, match="points outside it"):
        names_in(path)
    assert nothing_left(home)
    assert not list(tmp_path.rglob("x.pth"))


def test_link_in_a_zip_is_refused(tmp_path: Path, home: Path) -> None:
    link = zipfile.ZipInfo("encoder.bin")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = zipped(tmp_path / "a.zip", (link, b"/etc/passwd"))
    with pytest.raises(GraphError, match=r"'encoder\.bin', a link"):
        names_in(path)
    assert nothing_left(home)


def test_zip_that_grows_a_thousandfold_is_refused(tmp_path: Path, home: Path) -> None:
    path = zipped(tmp_path / "bomb.zip", ("zeros.pth", bytes(2**24)))
    with pytest.raises(StoreError, match=r"too large .* 16,777,216 bytes in a zip of"):
        names_in(path)
    assert nothing_left(home)


def test_zip_that_lies_about_its_size_is_refused(tmp_path: Path, home: Path) -> None:
    """The directory says 10 bytes; zipfile stops there, and the checksum is of more."""
    path = zipped(tmp_path / "liar.zip", ("zeros.pth", bytes(2**20)))
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(StoreError, match="cannot be unpacked"):
        names_in(path)
    assert nothing_left(home)


def test_zip_of_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "ZIP_LIMITS", replace(model_files.ZIP_LIMITS, n_files=3))
    path = zipped(tmp_path / "many.zip", *((f"{n}.pth", b"x") for n in range(4)))
    with pytest.raises(StoreError, match="too large to be a release of a model: 4 files"):
        names_in(path)


def test_zip_without_room_to_unpack_says_how_much_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(100, 90, 10))
    path = zipped(tmp_path / "a.zip", ("x.pth", b"more than ten"))
    with pytest.raises(StoreError, match="needs 13 bytes to unpack, and 9 can be used"):
        names_in(path)


def test_damaged_member_is_refused(tmp_path: Path, home: Path) -> None:
    path = zipped(tmp_path / "a.zip", ("x.pth", bytes(range(256)) * 40))
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(StoreError, match="cannot be unpacked"):
        names_in(path)
    assert nothing_left(home)
