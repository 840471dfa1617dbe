"""Every group of the reference readers behaves as data/readers.json says.

Where the table gives an expectation it is taken literally; elsewhere the size, spacing,
orientation and number of volumes that pydicom, nibabel or SimpleITK report are what we must
find, and files that are no image must say what they are.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.images.read import describe_image_file, read_image
from napari_medsam.formats.labels.read import read_labels_without_image
from tests.conftest import PROJECT

SHARED = Path(os.environ.get("NAPARI_MEDSAM_SHARED", PROJECT.parent / "shared"))
TABLE = SHARED / "data" / "readers.json"
GROUPS: list[dict[str, Any]] = json.loads(TABLE.read_text()) if TABLE.is_file() else []
FILES = [(g["id"], name, fact) for g in GROUPS for name, fact in g.get("facts", {}).items()]

SAID = {
    "no-pixel-data.dcm": "report or another object without pixels",
    "sr_document.dcm": "report or another object without pixels",
    "analyze.hdr": "header only",
    "nifti1.hdr": "header only",
    "minc2_1_scale.mnc": "mnc2nii",
    "complex.nii.gz": "complex numbers",
    "template.mif.gz": "not an image this program can read",
    "fixed.raw": "not an image this program can read",
}
"""Files that are no image, or none that can be shown, and the words that say so."""
BESIDE_THE_FACTS = {
    # nibabel counts a displacement's components and its affine's own zooms.
    "test.mgz",
    # The first and third are a mosaic (its tiles count), the last is a challenge case.
    "epi_pe_ap-00001.dcm",
    "epi_pe_ap-00002.dcm",
    "2DBox_Mammography_demo.npz",
}
"""Files whose facts describe how they are stored, not what they show."""

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not GROUPS, reason="needs the reference material (../shared)"),
]


@pytest.fixture(autouse=True)
def needs_the_extra() -> None:
    pytest.importorskip("highdicom", reason="needs the extra [dicom]")


def names_of(fact: str) -> tuple[int, ...]:
    """The first tuple of whole numbers in a fact: nibabel's shape, or SimpleITK's size."""
    found = re.search(r"\(((?:(?:np\.int32\()?\d+\)?(?:, )?)+)\)", fact)
    return tuple(int(n) for n in re.findall(r"(?<!int)\d+", found[1])) if found else ()


@pytest.mark.parametrize(
    ("group", "name", "fact"),
    [one for one in FILES if one[1] != "series" and one[0] != "malformed_open"],
    ids=lambda value: str(value)[:40],
)
def test_file_is_what_the_libraries_say(group: str, name: str, fact: str) -> None:
    path = SHARED / "data" / "readers" / group / name
    if name in SAID:
        with pytest.raises(ReadError, match=SAID[name]):
            read_image(path)
        return
    if fact.startswith("SEG"):
        with pytest.raises(ReadError, match="open its image first"):
            read_image(path)
        file, _ = read_labels_without_image(path)
        assert file.labels.any()
        assert file.table
        return
    (found,) = describe_image_file(path)
    assert found.value_range is not None
    assert found.value_range[0] < found.value_range[1]
    assert found.thumbnail is None or found.thumbnail.dtype == np.uint8
    if name in BESIDE_THE_FACTS:
        return
    if "bits=" in fact:
        columns_rows = re.search(r"(\d+)x(\d+) frames=(\d+)", fact)
        assert columns_rows is not None
        rows, columns, frames = (int(n) for n in columns_rows.groups())
        assert sorted(found.size_xyz[:2]) == sorted((columns, rows))
        assert found.size_xyz[2] * found.n_frames == frames
    elif fact.startswith("nibabel"):
        shape = names_of(fact)
        zooms = [float(n) for n in fact.split("zooms=[")[1].split("]")[0].split(",")][:3]
        assert sorted(found.size_xyz) == sorted(shape[:3])
        assert sorted(found.spacing_xyz) == pytest.approx(sorted(zooms), abs=2e-3)
        assert found.n_frames == int(np.prod(shape[3:]))
        assert found.orientation == fact.split("axes=")[1][:3]
    elif fact.startswith("sitk"):
        size = names_of(fact)
        assert sorted(found.size_xyz) == sorted((*size, 1)[:3])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (name, expected)
        for g in GROUPS
        if g["id"] == "malformed_open"
        for name, expected in g["expected"].items()
    ],
)
def test_malformed_file_does_what_is_expected(name: str, expected: str) -> None:
    path = SHARED / "data" / "readers" / "malformed_open" / name
    if expected.startswith("error"):
        with pytest.raises(ReadError) as caught:
            read_image(path)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)
        return
    image = read_image(path)
    (described,) = describe_image_file(path)
    assert all(spacing > 0 for spacing in image.volume.spacing_xyz)
    assert described.value_range is not None
    assert np.all(np.isfinite(described.value_range))


@pytest.mark.parametrize(
    ("group", "facts"), [(g["id"], g["facts"]["series"]) for g in GROUPS if "series" in g["facts"]]
)
def test_series_is_one_volume(group: str, facts: dict[str, Any]) -> None:
    folder = SHARED / "data" / "readers" / group
    (found,) = describe_image_file(folder)
    first, last = facts["step_min_max"]
    n_missing = round(last / first) - 1
    assert found.size_xyz == (facts["cols"][0], facts["rows"][0], facts["files"] + n_missing)
    assert found.spacing_xyz[2] == pytest.approx(first, rel=1e-3)
    assert any("missing" in note for note in found.notes) == bool(n_missing)


def test_four_files_of_one_enhanced_series_open_together_or_are_listed() -> None:
    folder = SHARED / "data" / "readers" / "dicom_mr_enhanced"
    assert len(describe_image_file(folder)) >= 2


def test_the_mosaic_folder_is_a_time_series() -> None:
    (found,) = describe_image_file(SHARED / "data" / "readers" / "dicom_mr_siemens_mosaic")
    assert (found.size_xyz, found.n_frames) == ((72, 72, 5), 2)


def test_twelve_bit_jpeg_is_read_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    folder = SHARED / "data" / "readers" / "dicom_transfer_syntaxes"
    for path in sorted(folder.glob("*JPEGProcess*_*.dcm")):
        read_image(path)
    assert capfd.readouterr().err == ""
