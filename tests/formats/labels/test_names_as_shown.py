"""Names of labels come from files as they may be shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.label_table import read_label_table
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_files import REFERABLE, write_series


@pytest.mark.parametrize(
    ("suffix", "sequence", "field"),
    [
        (".seg.dcm", "SegmentSequence", "SegmentLabel"),
        (".rtstruct.dcm", "StructureSetROISequence", "ROIName"),
    ],
)
@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (["a", "b"], "a\\b"),
        ("\x1b[31mliver\x07", "liver"),
        ("Leber  links", "Leber  links"),
        ("腹部", "腹部"),
    ],
)
def test_names_of_dicom_labels_are_decoded_and_harmless(
    suffix: str, sequence: str, field: str, written: str | list[str], shown: str, tmp_path: Path
) -> None:
    pytest.importorskip("highdicom", reason="needs the extra [dicom]")
    write_series(tmp_path / "ct", np.zeros((6, 5, 4), np.int16), tags=REFERABLE)
    image = read_image(tmp_path / "ct")
    labels = np.zeros((6, 5, 4), np.uint8)
    labels[2:5, 1:4, 1:3] = 1
    table = [Label.default(1, "plain")]
    path = write_labels(tmp_path / f"l{suffix}", labels, image.grid, table).path
    dataset = pydicom.dcmread(path)
    setattr(dataset[sequence][0], field, written)
    dataset.save_as(path)
    (label,) = read_label_file(path, image.grid).table
    assert label.name == shown


def test_names_of_a_table_are_harmless(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("number,name,red,green,blue\n1,\x1b[2Jli\x07ver,1,2,3\n")
    (label,) = read_label_table(tmp_path / "a.csv")
    assert label.name == "li ver"
