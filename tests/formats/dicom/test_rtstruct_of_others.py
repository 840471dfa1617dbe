"""RTSTRUCT as other programs write it: planes beside the slices, contours that overlap."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_medsam.cli import app
from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.dicom.labels.rtstruct_read import RTSTRUCT
from napari_medsam.formats.images.read import read_image
from napari_medsam.formats.labels.read import read_label_file
from tests.formats.dicom_files import REFERABLE, write_series

pydicom = pytest.importorskip("pydicom", reason="needs the extra [dicom]")

SHAPE = (13, 20, 20)
STEP = 3.0
"""Millimetres between slices, whose pixels have 1 mm."""
Ring = Sequence[tuple[float, float]]
Contours = list[tuple[float, Ring, str]]
"""Place in slices, corners in pixels, and type."""


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> ImageFile:
    folder = tmp_path_factory.mktemp("ct")
    step = np.array([0, 0, STEP])
    voxels = np.zeros(SHAPE, np.int16)
    origin = (0.0, 0.0, 0.0)
    write_series(folder, voxels, step=step, origin=origin, spacing=(1.0, 1.0), tags=REFERABLE)
    return read_image(folder)


def square(low: float, high: float) -> Ring:
    low, high = low - 0.5, high - 0.5
    return [(low, low), (high, low), (high, high), (low, high)]


def closed(place: float, low: float = 4, high: float = 14, kind: str = "CLOSED_PLANAR") -> Any:
    return place, square(low, high), kind


def item(**fields: Any) -> Any:
    made = pydicom.Dataset()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def contour(place: float, ring: Ring, kind: str) -> Any:
    points = [f"{v:.6f}" for x, y in ring for v in (x, y, place * STEP)]
    return item(ContourGeometricType=kind, NumberOfContourPoints=len(ring), ContourData=points)


def structure_set(path: Path, *regions: tuple[int, str, Contours]) -> Path:
    """A file with a contour item for each region, in this order; numbers may come twice."""
    made = item(
        SOPClassUID=RTSTRUCT,
        SOPInstanceUID="1.2.3",
        Modality="RTSTRUCT",
        StructureSetROISequence=[
            item(ROINumber=number, ROIName=name)
            for number, name in {number: name for number, name, _ in regions}.items()
        ],
        ROIContourSequence=[
            item(
                ReferencedROINumber=number,
                ContourSequence=[contour(*one) for one in contours],
            )
            for number, _, contours in regions
        ],
    )
    made.file_meta = pydicom.dataset.FileMetaDataset()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    made.save_as(path, enforce_file_format=True)
    return path


def counts(file: LabelFile, number: int = 1) -> list[int]:
    return np.count_nonzero(file.labels == number, axis=(1, 2)).tolist()


class TestPlanesBesideSlices:
    def test_every_slice_is_read_without_a_note(self, ct: ImageFile, tmp_path: Path) -> None:
        drawn = [closed(k + 0.02 * (-1) ** k) for k in range(2, 9)]
        file = read_label_file(structure_set(tmp_path / "a.dcm", (1, "GTV", drawn)), ct.grid)
        assert (file.notes, file.gaps) == ((), "")
        assert counts(file) == [0] * 2 + [100] * 7 + [0] * 4

    @pytest.mark.parametrize(("step", "word"), [(2, "second"), (3, "third"), (2.5, "2.5th")])
    def test_contours_on_every_nth_slice_are_told_with_figures(
        self, ct: ImageFile, tmp_path: Path, step: float, word: str
    ) -> None:
        drawn = [closed(1 + step * n) for n in range(4)]
        path = structure_set(tmp_path / "a.dcm", (1, "GTV", drawn))
        file = read_label_file(path, ct.grid)
        span = int(np.floor(1.5 + 3 * step)) - 1 + 1
        assert f"every {word} slice only" in file.gaps
        assert f"GTV on 4 of {span} slices (1.2 ml; {0.3 * span:.3g} ml if" in file.gaps
        assert any(file.gaps in note for note in file.notes)
        assert sum(counts(file)) == 400
        filled = read_label_file(path, ct.grid, fill_gaps=True)
        assert counts(filled) == [0] + [100] * span + [0] * (12 - span)
        assert filled.gaps == ""
        assert any(
            f"{span - 4} slices between contours were filled (GTV)" in n for n in filled.notes
        )

    def test_filled_slices_run_from_one_shape_to_the_next(
        self, ct: ImageFile, tmp_path: Path
    ) -> None:
        drawn = [closed(2 * n, 4 + n, 14 - n) for n in range(4)]
        path = structure_set(tmp_path / "a.dcm", (1, "cone", drawn))
        filled = counts(read_label_file(path, ct.grid, fill_gaps=True))
        promised = f"{sum(filled) * 0.003:.3g} ml if the slices between were filled"
        assert f"; {promised}" in read_label_file(path, ct.grid).gaps
        assert filled[0:7:2] == [100, 64, 36, 16]
        assert all(a >= b >= c for a, b, c in zip(filled, filled[1:], filled[2:7], strict=False))

    def test_gap_between_two_parts_stays_empty(self, ct: ImageFile, tmp_path: Path) -> None:
        drawn = [closed(k) for k in (0, 2, 4, 10, 12)]
        path = structure_set(tmp_path / "a.dcm", (1, "GTV", drawn))
        filled = counts(read_label_file(path, ct.grid, fill_gaps=True))
        assert [k for k, n in enumerate(filled) if n] == [0, 1, 2, 3, 4, 10, 11, 12]

    @pytest.mark.parametrize("places", [(2, 3, 4, 8, 9, 10), (3, 9), (1, 2, 4, 5, 7, 8)])
    def test_parts_apart_are_no_gap(
        self, ct: ImageFile, tmp_path: Path, places: tuple[int, ...]
    ) -> None:
        path = structure_set(tmp_path / "a.dcm", (1, "nodes", [closed(k) for k in places]))
        file = read_label_file(path, ct.grid, fill_gaps=True)
        assert [k for k, n in enumerate(counts(file)) if n] == list(places)
        assert file.notes == ()

    def test_planes_between_slices_are_told(self, ct: ImageFile, tmp_path: Path) -> None:
        drawn = [closed(k + 0.5) for k in (3, 4, 5)]
        file = read_label_file(structure_set(tmp_path / "a.dcm", (1, "GTV", drawn)), ct.grid)
        assert sum(counts(file)) == 300
        (note,) = file.notes
        step = ct.grid.geometry.spacing_xyz[2]
        assert note == (
            "3 contour planes are beside the slices of the image and were put on the nearest one; "
            "3 of them, midway between two, on the next one: their outlines moved by up to "
            f"{step / 2:.2g} mm (0.5 of a slice), towards the head. Were they drawn on another "
            "series?"
        )

    @pytest.mark.parametrize(("off", "slice_index"), [(0.3, 5), (-0.3, 5), (0.45, 5), (0.7, 6)])
    def test_nearest_slice_is_taken(
        self, ct: ImageFile, tmp_path: Path, off: float, slice_index: int
    ) -> None:
        path = structure_set(tmp_path / "a.dcm", (1, "GTV", [closed(5 + off)]))
        file = read_label_file(path, ct.grid)
        assert np.flatnonzero(counts(file)).tolist() == [slice_index]
        moved = (slice_index - 5 - off) * ct.grid.geometry.spacing_xyz[2]
        way = "head" if moved > 0 else "feet"
        assert f"moved by up to {abs(moved):.2g} mm" in file.notes[0]
        assert f"of a slice), towards the {way}." in file.notes[0]

    def test_planes_moved_both_ways_and_planes_nearly_on_their_slice(
        self, ct: ImageFile, tmp_path: Path
    ) -> None:
        both = structure_set(tmp_path / "a.dcm", (1, "GTV", [closed(3.3), closed(4.8)]))
        assert "some one way and some the other" in read_label_file(both, ct.grid).notes[0]
        near = structure_set(tmp_path / "b.dcm", (1, "GTV", [closed(3.08), closed(3.95)]))
        assert read_label_file(near, ct.grid).notes == ()

    def test_convert_offers_and_fills(self, ct: ImageFile, tmp_path: Path) -> None:
        path = structure_set(tmp_path / "a.dcm", (1, "GTV", [closed(k) for k in (2, 4, 6)]))
        command = ["convert", str(path), str(tmp_path / "l.nii.gz"), "--image"]
        command.append(str(ct.grid.source))
        plain = CliRunner().invoke(app, command)
        assert "--fill-gaps" in plain.output
        assert CliRunner().invoke(app, [*command, "--fill-gaps"]).exit_code == 0
        assert sum(counts(read_label_file(tmp_path / "l.nii.gz", ct.grid))) == 500


class TestContoursOfOneStructure:
    def read(self, ct: ImageFile, path: Path, *regions: tuple[int, str, Contours]) -> LabelFile:
        return read_label_file(structure_set(path / "a.dcm", *regions), ct.grid)

    def test_crossing_ones_are_joined_and_copies_count_once(
        self, ct: ImageFile, tmp_path: Path
    ) -> None:
        crossing = [closed(4, 2, 10), closed(4, 7, 15), closed(6), closed(6)]
        file = self.read(ct, tmp_path, (1, "A", crossing))
        assert (counts(file)[4], counts(file)[6]) == (64 + 64 - 9, 100)
        assert "Contours of a.dcm that are stored twice count once (1)." in file.notes

    def test_xor_is_exclusive(self, ct: ImageFile, tmp_path: Path) -> None:
        xor = [closed(4, 2, 10, "CLOSEDPLANAR_XOR"), closed(4, 7, 15, "CLOSEDPLANAR_XOR")]
        assert counts(self.read(ct, tmp_path, (1, "A", xor)))[4] == 64 + 64 - 18

    def test_hole_whose_plane_is_written_a_little_otherwise_is_one(
        self, ct: ImageFile, tmp_path: Path
    ) -> None:
        ring = [closed(4.004, 2, 12), closed(4.006, 5, 8)]
        assert counts(self.read(ct, tmp_path, (1, "A", ring)))[4] == 100 - 9

    def test_items_of_one_region_are_one_structure(self, ct: ImageFile, tmp_path: Path) -> None:
        file = self.read(
            ct, tmp_path, (3, "A", [closed(4)]), (3, "A", [closed(5), closed(4, 6, 9)])
        )
        assert [(label.number, label.name) for label in file.table] == [(3, "A")]
        assert counts(file, 3)[4:6] == [91, 100]

    def test_number_zero_gets_a_free_one(self, ct: ImageFile, tmp_path: Path) -> None:
        body, gtv = [closed(4, 1, 18)], [closed(4, 5, 9)]
        file = self.read(ct, tmp_path, (1, "GTV", gtv), (0, "BODY", body), (2, "PTV", [closed(8)]))
        assert sorted((label.number, label.name) for label in file.table) == [
            (1, "GTV"), (2, "PTV"), (3, "BODY"),
        ]  # fmt: skip
        assert (counts(file, 1)[4], counts(file, 3)[4]) == (16, 17 * 17 - 16)
        assert any(
            "BODY has ROI number 0, which no label can have, and became 3" in n for n in file.notes
        )

    def test_what_is_no_area_is_told(self, ct: ImageFile, tmp_path: Path) -> None:
        point = (4, [(3.0, 3.0)], "POINT")
        line = (5, square(3, 9), "OPEN_PLANAR")
        regions = (1, "GTV", [closed(4), point]), (2, "isocentre", [point]), (3, "line", [line])
        file = self.read(ct, tmp_path, *regions, (4, "empty", []))
        assert [label.name for label in file.table] == ["GTV"]
        assert file.notes == (
            "Contours that enclose no area were left out: 1 of type OPEN_PLANAR, 2 of type POINT.",
            "Structures without a closed contour were left out: isocentre, line, empty.",
        )

    def test_only_points_are_refused(self, ct: ImageFile, tmp_path: Path) -> None:
        with pytest.raises(ReadError, match="no closed contour"):
            self.read(ct, tmp_path, (1, "isocentre", [(4, [(3.0, 3.0)], "POINT")]))


@pytest.mark.parametrize("step", [1.1, 1.2, 1.25, 4 / 3, 1.4])
def test_planes_a_little_further_apart_than_slices_leave_some_empty(
    ct: ImageFile, tmp_path: Path, step: float
) -> None:
    """Contours of 4 mm on slices of 3 mm: every fourth slice stays empty, inside the organ."""
    planes = [closed(place) for place in np.arange(1, 11, step)]
    path = structure_set(tmp_path / "set.dcm", (1, "organ", planes))
    file = read_label_file(path, ct.grid)
    occupied = np.flatnonzero(counts(file))
    between = range(int(occupied[0]), int(occupied[-1]) + 1)
    assert len(occupied) < len(between)
    assert f"Contours lie {step:.3g} slices apart" in file.gaps
    assert f"organ on {len(planes)} of {len(between)} slices" in file.gaps
    whole = read_label_file(path, ct.grid, fill_gaps=True)
    assert [n for n, count in enumerate(counts(whole)) if count] == list(between)


@pytest.mark.parametrize("step", [1.0, 1.02, 0.8, 0.5])
def test_planes_that_leave_no_slice_empty_have_no_gaps(
    ct: ImageFile, tmp_path: Path, step: float
) -> None:
    planes = [closed(place) for place in np.arange(1, 11, step)]
    path = structure_set(tmp_path / "set.dcm", (1, "organ", planes))
    assert not read_label_file(path, ct.grid).gaps


@pytest.mark.parametrize(("low", "high", "n_beyond"), [(15, 28, 1), (-4, 6, 1), (0, 20, 0)])
def test_what_lies_beyond_the_edge_of_the_image_is_said(
    ct: ImageFile, tmp_path: Path, low: float, high: float, n_beyond: int
) -> None:
    regions = (1, "organ", [closed(3, low, high), closed(4)])
    file = read_label_file(structure_set(tmp_path / "set.dcm", regions), ct.grid)
    side = min(high, SHAPE[1]) - max(low, 0)
    assert counts(file)[3] == side**2
    said = [note for note in file.notes if "reach beyond the edge" in note]
    assert len(said) == n_beyond


def test_a_structure_that_is_only_named_is_told(ct: ImageFile, tmp_path: Path) -> None:
    path = structure_set(tmp_path / "set.dcm", (1, "organ", [closed(3)]))
    dataset = pydicom.dcmread(path)
    dataset.StructureSetROISequence.append(item(ROINumber=7, ROIName="lesion"))
    dataset.save_as(path)
    file = read_label_file(path, ct.grid)
    assert file.notes == ("Structures without a closed contour were left out: lesion.",)
    assert [label.name for label in file.table] == ["organ"]


def test_closed_contours_that_enclose_nothing_are_told(ct: ImageFile, tmp_path: Path) -> None:
    line = (5, [(1, 1), (6, 6)], "CLOSED_PLANAR")
    path = structure_set(tmp_path / "set.dcm", (1, "organ", [closed(3), line, closed(4)]))
    dataset = pydicom.dcmread(path)
    del dataset.ROIContourSequence[0].ContourSequence[2].ContourData
    dataset.save_as(path)
    file = read_label_file(path, ct.grid)
    assert file.notes == ("Closed contours of fewer than three points were left out (2).",)
    assert np.flatnonzero(counts(file)).tolist() == [3]
