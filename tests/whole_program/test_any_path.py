"""What the program keeps for its user, under folders of any name; and paths that lead nowhere."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.errors import ReadError, SaveError
from napari_medsam.formats.images.read import found_images, read_image
from napari_medsam.formats.labels.label_templates import (
    read_template,
    save_template,
    template_names,
)
from napari_medsam.formats.labels.write import write_labels
from napari_medsam.headless import disk_cache_settings
from napari_medsam.journal import journal_files
from napari_medsam.journal.history import read_journal
from napari_medsam.journal.location import SUFFIX
from napari_medsam.offline_kit.checksums import differences, write_sums
from napari_medsam.storage.settings import set_settings, settings
from tests.any_names import every_name, under
from tests.engine.annotations import mask_of, place
from tests.engine.inference.test_embedding_disk_cache import entry
from tests.formats.dicom_files import REFERABLE, write_series
from tests.journal.tiny_journal import Kept

linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
VOXELS = np.arange(4 * 8 * 8, dtype=np.int16).reshape(4, 8, 8)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: bytes) -> Path:
    """A folder of this name in which the program keeps all that is the user's."""
    folder = under(tmp_path, name)
    for kind in ("HOME", "CACHE", "CONFIG", "JOURNALS"):
        monkeypatch.setenv(f"NAPARI_MEDSAM_{kind}", str(folder / kind.lower()))
    monkeypatch.setenv("NAPARI_MEDSAM_SETTINGS", str(folder / "settings.json"))
    return folder


@every_name
def test_settings_cache_and_templates_are_kept(home: Path) -> None:
    set_settings(sound=True)
    assert (home / "settings.json").is_file()
    assert settings().sound
    cache = disk_cache_settings.disk_cache()
    cache.put(entry())
    assert cache.get(entry().key) is not None
    save_template("Schädel", [Label(1, "Tumör", (1.0, 0.0, 0.0))])
    assert template_names()[-1] == "Schädel"
    assert [label.name for label in read_template("Schädel")] == ["Tumör"]


@every_name
def test_a_journal_is_kept_listed_put_aside_and_read(home: Path) -> None:
    (home / "journals").mkdir(parents=True)
    kept = Kept(home / "journals" / f"0123{SUFFIX}")
    kept.annotation.add_label("liver")
    place(kept.annotation, mask_of(3, 4, 8, 9), model="tiny:abc", window="liver")
    labels = kept.annotation.labels.copy()
    kept.book.close()
    (found,) = journal_files.journals()
    assert journal_files.find_journal("0123") == found.path
    np.testing.assert_array_equal(read_journal(found.path).annotation.labels, labels)
    aside = journal_files.put_aside(found.path)
    np.testing.assert_array_equal(read_journal(aside).annotation.labels, labels)


@every_name
def test_a_kit_is_verified_and_a_file_that_is_not_its_own_is_told(
    tmp_path: Path, name: bytes
) -> None:
    kit = under(tmp_path, name)
    kit.mkdir()
    (kit / "a.whl").write_bytes(b"wheel")
    write_sums(kit)
    assert not differences(kit)
    added = under(kit, name)
    added.write_bytes(b"other")
    assert differences(kit) == [f"{added.name} is not part of the kit"]


@linux
@pytest.mark.parametrize("kind", ["volume.mha", "volume.nrrd", "volume.nii", "series", "page.png"])
def test_a_folder_that_vanishes_is_a_sentence(tmp_path: Path, kind: str) -> None:
    """After its headers were read, as when a stick is pulled out."""
    folder = under(tmp_path, b"M\xfcller")
    source = folder / kind
    folder.mkdir()
    if kind == "series":
        write_series(tmp_path / kind, VOXELS, tags=REFERABLE)
        shutil.move(tmp_path / kind, source)
    else:
        plain = VOXELS[0].astype(np.uint8) if kind == "page.png" else VOXELS
        sitk.WriteImage(sitk.GetImageFromArray(plain), str(tmp_path / kind))
        shutil.move(tmp_path / kind, source)
    image = read_image(source)
    with found_images(source) as (found,):
        shutil.rmtree(folder)
        with pytest.raises((ReadError, OSError)):
            found.read()
    labels = np.ones(image.volume.shape_zyx, np.uint8)
    with pytest.raises(SaveError, match="does not exist"):
        write_labels(folder / "labels.nii.gz", labels, image.grid)


@linux
@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".dcm", ".png"])
@pytest.mark.parametrize("kind", ["loop", "dangling", "fifo", "zero"])
def test_a_path_that_is_no_file_is_a_sentence(tmp_path: Path, kind: str, ending: str) -> None:
    path = under(tmp_path, b"\xfc" + ending.encode())
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to({"loop": path.name, "dangling": "nowhere", "zero": "/dev/zero"}[kind])
    with pytest.raises((ReadError, OSError)):
        read_image(path)


@linux
def test_a_folder_with_loops_and_pipes_beside_its_slices_is_read(tmp_path: Path) -> None:
    folder = under(tmp_path, b"\xfc")
    folder.mkdir()
    write_series(tmp_path / "series", VOXELS, tags=REFERABLE)
    shutil.move(tmp_path / "series", folder / "series")
    (folder / "series" / "self").symlink_to(folder, target_is_directory=True)
    (folder / "series" / "loop.dcm").symlink_to("loop.dcm")
    os.mkfifo(folder / "series" / "pipe.dcm")
    np.testing.assert_array_equal(read_image(folder).volume.voxels, VOXELS)


@linux
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".seg.nrrd"])
def test_a_folder_that_refuses_files_is_a_sentence(tmp_path: Path, suffix: str) -> None:
    """/proc refuses everyone, also root, for whom no folder is read-only."""
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(tmp_path / "a.nii.gz"))
    image = read_image(tmp_path / "a.nii.gz")
    link = under(tmp_path, b"\xfc")
    link.symlink_to("/proc", target_is_directory=True)
    with pytest.raises(SaveError) as refused:
        write_labels(link / f"labels{suffix}", (VOXELS > 9).astype(np.uint8), image.grid)
    assert "links-" not in str(refused.value)
