"""A zip is unpacked within its limits, or nothing is written. The callers' tests have the rest."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import pytest

from napari_medsam.storage.archives import (
    ArchiveDamaged,
    ArchiveTooLarge,
    UnsafeEntry,
    ZipLimits,
    unpack_zip,
)

LIMITS = ZipLimits(n_files=3, n_bytes=2000, growth=10)


@pytest.fixture
def into(tmp_path: Path) -> Path:
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def zipped(path: Path, entries: dict[str, bytes], links: tuple[str, ...] = ()) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        for name in links:
            link = zipfile.ZipInfo(name)
            link.external_attr = (stat.S_IFLNK | 0o777) << 16
            archive.writestr(link, "/etc/passwd")
    return path


def files(folder: Path) -> dict[str, bytes]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_names_and_folders_are_kept(tmp_path: Path, into: Path) -> None:
    content = {"a/b.txt": b"1", "c.txt": b"2"}
    unpack_zip(zipped(tmp_path / "a.zip", content), into, LIMITS)
    assert files(into) == content


def test_flat_names_are_numbered_so_that_equal_names_both_remain(
    tmp_path: Path, into: Path
) -> None:
    content = {"a/ü 1.dcm": b"1", "..\\b/ü 1.dcm": b"2", "../../ü 1.dcm": b"3"}
    unpack_zip(zipped(tmp_path / "a.zip", content), into, LIMITS, flat=True)
    assert files(into) == {
        "000000___1.dcm": b"1",
        "000001___1.dcm": b"2",
        "000002___1.dcm": b"3",
    }


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize(
    ("content", "fits_limits"),
    [
        ({f"{n}": b"" for n in range(4)}, False),
        ({"large": bytes(range(256)) * 8}, False),
        ({"zeros": bytes(1990)}, False),
    ],
    ids=["files", "bytes", "growth"],
)
def test_more_than_the_limits_is_refused_before_anything_is_written(
    tmp_path: Path, into: Path, content: dict[str, bytes], fits_limits: bool, flat: bool
) -> None:
    with pytest.raises(ArchiveTooLarge) as refused:
        unpack_zip(zipped(tmp_path / "a.zip", content), into, LIMITS, flat=flat)
    assert refused.value.fits_limits is fits_limits
    assert refused.value.n_files == len(content)
    assert refused.value.n_bytes == sum(map(len, content.values()))
    assert files(into) == {}


def test_exactly_the_limits_is_unpacked(tmp_path: Path, into: Path) -> None:
    content = {"a": bytes(range(250)) * 4, "b": bytes(range(250)) * 4, "c": b""}
    path = zipped(tmp_path / "a.zip", content)
    unpack_zip(path, into, ZipLimits(n_files=3, n_bytes=2000))
    assert files(into) == content


@pytest.mark.parametrize("name", ["../out.txt", "/out.txt", "a/../../out.txt"])
def test_entry_that_points_outside_is_refused_by_name(
    tmp_path: Path, into: Path, name: str
) -> None:
    with pytest.raises(UnsafeEntry) as refused:
        unpack_zip(zipped(tmp_path / "a.zip", {"good": b"", name: b""}), into, LIMITS)
    assert (refused.value.name, refused.value.is_link) == (name, False)
    assert files(into) == {}


def test_link_is_refused_by_name_or_skipped_when_flat(tmp_path: Path, into: Path) -> None:
    path = zipped(tmp_path / "a.zip", {"good": b"1"}, links=("link",))
    with pytest.raises(UnsafeEntry) as refused:
        unpack_zip(path, into, LIMITS)
    assert (refused.value.name, refused.value.is_link) == ("link", True)
    assert files(into) == {}
    unpack_zip(path, into, LIMITS, flat=True)
    assert files(into) == {"000000_good": b"1"}


@pytest.mark.parametrize("flat", [True, False])
def test_entry_larger_than_declared_is_damage(tmp_path: Path, into: Path, flat: bool) -> None:
    path = zipped(tmp_path / "a.zip", {"liar": bytes(range(256)) * 7})
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = (10).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(ArchiveDamaged):
        unpack_zip(path, into, LIMITS, flat=flat)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nothing", b"not a zip"])
def test_what_is_no_zip_is_damage(tmp_path: Path, into: Path, content: bytes) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(content)
    with pytest.raises(ArchiveDamaged):
        unpack_zip(path, into, LIMITS)
