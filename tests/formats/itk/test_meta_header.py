"""MetaImage headers: what ITK's parser must never see, and what other programs write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.images.read import read_image


@pytest.fixture
def good(tmp_path: Path) -> Path:
    image = sitk.GetImageFromArray(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
    sitk.WriteImage(image, str(tmp_path / "a.mha"))
    return tmp_path / "a.mha"


def changed(path: Path, old: bytes, new: bytes) -> Path:
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new, 1))
    return path


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"NDims = 3", b"NDims = 300"),
        (b"NDims = 3", b"NDims = x"),
        (b"DimSize = 5 4 3", b"DimSize = 5 4"),
        (b"Offset = 0 0 0", b"Offset = 0 inf 0"),
        (b"TransformMatrix = 1 0 0", b"TransformMatrix = 1 0 0 9"),
        (b"ElementType = MET_SHORT", b"ElementType = MET_"),
        (b"Offset", b"Offset\xff"),
        (b"ObjectType = Image\n", b"ObjectType = Image\n" + b"A" * 9000 + b" = 1\n"),
        (b"Offset =", b"DimSize = 1 1 1\nOffset ="),
        (b"ElementDataFile", b"ElementDatafile"),
    ],
)
def test_unsound_header_is_refused_by_name(good: Path, old: bytes, new: bytes) -> None:
    with pytest.raises(ReadError, match=r"a\.mha is not a readable MHA file"):
        read_image(changed(good, old, new))


def test_fields_of_other_programs_are_skipped(good: Path) -> None:
    extra = b"".join(b"Seq_Frame%04d_Status = OK and well\n" % n for n in range(500))
    image = read_image(changed(good, b"Offset", extra + b"Offset"))
    assert image.volume.voxels.max() == 59


def test_fourth_dimension_is_a_frame_to_choose(tmp_path: Path) -> None:
    lines = "NDims = 4\nDimSize = 2 2 2 3\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    data = np.arange(24, dtype=np.uint8)
    (tmp_path / "a.mha").write_bytes(b"ObjectType = Image\n" + lines.encode() + data.tobytes())
    assert read_image(tmp_path / "a.mha", frame=2).volume.voxels.max() == 23
