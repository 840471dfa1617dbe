from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.errors import ReadError, SaveError
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import is_label_file, read_label_file
from napari_medsam.formats.labels.write import write_labels

ROWS, COLUMNS = 6, 8


@pytest.fixture
def grid(tmp_path: Path) -> SourceGrid:
    Image.fromarray(np.zeros((ROWS, COLUMNS), np.uint8)).save(tmp_path / "cells.png")
    return read_image(tmp_path / "cells.png").grid


@pytest.fixture
def labels() -> np.ndarray:
    """Label 2: a bar of 2 x 3 and a far pixel; label 5: an L."""
    labels = np.zeros((1, ROWS, COLUMNS), np.uint8)
    labels[0, 1:3, 2:5] = 2
    labels[0, 5, 7] = 2
    labels[0, 3:6, 0] = 5
    labels[0, 5, 1] = 5
    return labels


def written(path: Path, labels: np.ndarray, grid: SourceGrid) -> dict[str, Any]:
    saved = write_labels(path, labels, grid, (Label(2, "nucleus", (1.0, 0.0, 0.0)),))
    assert "instances were read back" in saved.checked
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def test_each_connected_part_is_an_instance(
    grid: SourceGrid, labels: np.ndarray, tmp_path: Path
) -> None:
    content = written(tmp_path / "a.json", labels, grid)
    found = [(one["category_id"], one["area"], one["bbox"]) for one in content["annotations"]]
    assert found == [(2, 6, [2, 1, 3, 2]), (2, 1, [7, 5, 1, 1]), (5, 4, [0, 3, 2, 3])]
    assert content["images"] == [
        {"id": 1, "file_name": "cells.png", "height": ROWS, "width": COLUMNS}
    ]
    assert [one["name"] for one in content["categories"]] == ["nucleus", "label 5"]


def test_runs_count_down_the_columns_from_zero(
    grid: SourceGrid, labels: np.ndarray, tmp_path: Path
) -> None:
    content = written(tmp_path / "a.json", labels, grid)
    bar = content["annotations"][0]["segmentation"]
    assert bar == {"counts": [13, 2, 4, 2, 4, 2, 21], "size": [ROWS, COLUMNS]}
    assert content["annotations"][2]["segmentation"]["counts"] == [3, 3, 5, 1, 36]


def test_labels_come_back_with_their_names(
    grid: SourceGrid, labels: np.ndarray, tmp_path: Path
) -> None:
    written(tmp_path / "a.json", labels, grid)
    file = read_label_file(tmp_path / "a.json", grid)
    np.testing.assert_array_equal(file.labels, labels)
    assert file.table[0] == Label(2, "nucleus", (1.0, 0.0, 0.0))


def others(path: Path, *segmentations: Any, **image: Any) -> Path:
    one = {"id": 4, "file_name": "cells.png", "height": ROWS, "width": COLUMNS} | image
    annotations = [
        {"id": n, "image_id": 4, "category_id": 1 + n, "segmentation": each}
        for n, each in enumerate(segmentations)
    ]
    path.write_text(
        json.dumps({"images": [one], "categories": [], "annotations": annotations}),
        encoding="utf-8",
    )
    return path


def test_polygons_of_others_are_filled(grid: SourceGrid, tmp_path: Path) -> None:
    """A rectangle from the corner (2, 1) to (5, 3), and a far square in one instance."""
    path = others(tmp_path / "a.json", [[2, 1, 5, 1, 5, 3, 2, 3], [7, 5, 8, 5, 8, 6, 7, 6]])
    labels = read_label_file(path, grid).labels[0]
    expected = np.zeros((ROWS, COLUMNS), np.uint8)
    expected[1:3, 2:5] = expected[5, 7] = 1
    np.testing.assert_array_equal(labels, expected)


def test_compressed_counts_of_others_are_read(grid: SourceGrid, tmp_path: Path) -> None:
    """[13, 2, 4, 2, 4, 2, 21] as differences 13, 2, 4, 0, 0, 0, 17 from the second before on.

    Letters are chr(48 + 5 bits); 17 needs a second letter, as bit 16 is the sign.
    """
    path = others(tmp_path / "a.json", {"counts": "=24000a0", "size": [ROWS, COLUMNS]})
    labels = read_label_file(path, grid).labels[0]
    assert np.count_nonzero(labels) == 6
    assert labels[1:3, 2:5].all()


def test_overlaps_are_told(grid: SourceGrid, tmp_path: Path) -> None:
    square = [[0, 0, 2, 0, 2, 2, 0, 2]]
    file = read_label_file(others(tmp_path / "a.json", square, square), grid)
    assert file.notes == ("4 pixels belong to several instances; the last one has them.",)


@pytest.mark.parametrize(
    "segmentation",
    [
        {"counts": [3, 3], "size": [ROWS, COLUMNS]},
        {"counts": "\x7f\x7f", "size": [ROWS, COLUMNS]},
        [[1, 2, 3]],
        [[1, 2, float("nan"), 4, 5, 6]],
        17,
    ],
)
def test_damaged_segmentation_is_refused(
    segmentation: Any, grid: SourceGrid, tmp_path: Path
) -> None:
    with pytest.raises(ReadError, match="not a readable COCO"):
        read_label_file(others(tmp_path / "a.json", segmentation), grid)


def test_picture_of_another_size_is_refused(grid: SourceGrid, tmp_path: Path) -> None:
    with pytest.raises(ReadError, match=r"\(9, 8\)"):
        read_label_file(others(tmp_path / "a.json", height=9), grid)


@pytest.mark.parametrize("text", ["", "[]", "{}", "nothing", '{"images": 3}', "[" * 5000])
def test_other_json_is_refused(text: str, grid: SourceGrid, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(ReadError, match="not a readable COCO"):
        read_label_file(tmp_path / "a.json", grid)


def test_json_is_a_label_file_if_it_holds_annotations(tmp_path: Path) -> None:
    path = others(tmp_path / "a.json", [[2, 1, 5, 1, 5, 3, 2, 3]])
    assert is_label_file(path)
    path.write_text('{"max_bytes": 5000000}', encoding="utf-8")
    assert not is_label_file(path)
    path.unlink()
    assert not is_label_file(path)


def test_a_volume_is_not_saved_as_coco(tmp_path: Path) -> None:
    geometry = Geometry((2, 3, 4), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0), np.eye(3))
    with pytest.raises(SaveError, match="2 slices"):
        write_labels(
            tmp_path / "a.json",
            np.ones((2, 3, 4), int),
            SourceGrid("nrrd", tmp_path / "a.nrrd", geometry),
        )
