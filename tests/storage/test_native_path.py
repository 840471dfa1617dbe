"""Paths for libraries in C++, whatever bytes are in a name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_medsam.storage import native_path as module
from napari_medsam.storage.native_path import native_path
from tests.any_names import every_name, under

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")


@every_name
def test_it_leads_to_the_file_and_is_text(tmp_path: Path, name: bytes) -> None:
    folder = under(tmp_path, name)
    folder.mkdir()
    path = under(folder, name + b".nii.gz")
    path.write_bytes(b"voxels")
    found = native_path(path)
    found.encode("utf-8")
    assert Path(found).read_bytes() == b"voxels"
    assert found.endswith(".nii.gz")
    Path(found).write_bytes(b"others")
    assert path.read_bytes() == b"others"


@pytest.mark.parametrize("text", ["scan.nii.gz", "a/b c/scan.mha", "Müller/肺.dcm"])
def test_a_plain_path_stays_as_it_is(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(module, "_root", lambda: pytest.fail("no link is needed"))
    assert native_path(Path(text)) == str(Path(text))


@linux
def test_a_file_that_is_not_there_yet_can_be_written(tmp_path: Path) -> None:
    folder = under(tmp_path, b"\xff")
    folder.mkdir()
    Path(native_path(folder / ".part-1.mha")).write_bytes(b"labels")
    assert [path.name for path in folder.iterdir()] == [".part-1.mha"]


@linux
def test_files_of_a_folder_share_one_link(tmp_path: Path) -> None:
    folder = under(tmp_path, b"\xfc")
    folder.mkdir()
    assert len({Path(native_path(folder / f"{k}.dcm")).parent for k in range(500)}) == 1


@linux
def test_a_relative_path_and_one_through_a_link_lead_to_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = under(tmp_path, b"M\xfcller")
    (folder / "inner").mkdir(parents=True)
    (folder / "a.mha").write_bytes(b"1")
    (tmp_path / "link").symlink_to(folder / "inner")
    monkeypatch.chdir(tmp_path)
    assert Path(native_path(Path(folder.name) / "a.mha")).read_bytes() == b"1"
    through = Path("link") / ".." / "a.mha"
    assert Path(native_path(through)).read_bytes() == b"1"


@linux
def test_a_file_that_is_added_beside_a_header_is_found(tmp_path: Path) -> None:
    header = under(tmp_path, b"\xfc.mhd")
    header.write_bytes(b"")
    native_path(header)
    (tmp_path / "late.raw").write_bytes(b"voxels")
    assert (Path(native_path(header)).parent / "late.raw").read_bytes() == b"voxels"


RUN = """
import os, sys
from pathlib import Path
from napari_medsam.storage.native_path import native_path
print(native_path(Path(sys.argv[1])))
"""


@linux
@pytest.mark.parametrize("temporary", [b"plain", b"M\xfcller"])
def test_the_links_are_removed_when_the_program_ends(tmp_path: Path, temporary: bytes) -> None:
    """Also where the folder for temporary files has such a name itself."""
    place = under(tmp_path, temporary)
    place.mkdir()
    path = under(tmp_path, b"\xff.mha")
    path.write_bytes(b"kept")
    run = subprocess.run(
        [sys.executable, "-c", RUN, path],
        env={**os.environ, "TMPDIR": os.fsdecode(bytes(place))},
        capture_output=True,
        check=True,
    )
    link = Path(os.fsdecode(run.stdout.strip()))
    assert run.stdout.isascii()
    assert not link.exists()
    assert not link.parent.parent.exists()
    assert path.read_bytes() == b"kept"


@linux
def test_without_links_a_sentence_names_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_keywords: object) -> None:
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "symlink", refuse)
    folder = under(tmp_path, b"\xfe\xfe")
    folder.mkdir()
    with pytest.raises(OSError, match="rename it"):
        native_path(folder / "a.mha")
