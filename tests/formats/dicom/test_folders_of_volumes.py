"""Folders with several volumes in a series, copies, damaged files, and files of other kinds."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import pytest

from napari_medsam.cli import main
from napari_medsam.formats.common.errors import (
    OtherGrid,
    ReadError,
    SaveError,
    SeveralFrames,
    SeveralSeries,
)
from napari_medsam.formats.dicom.labels.rtstruct_read import RTSTRUCT, read_structures
from napari_medsam.formats.images.read import describe_image_file, read_image
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.formats.labels.write import write_labels
from tests.formats.dicom_objects import ROOT, enhanced, image_object, save

MR = "1.2.840.10008.5.1.4.1.1.4"
REPORT = "1.2.840.10008.5.1.4.1.1.88.33"
Fields = Callable[[int, int], dict[str, Any]]


def write_volumes(
    folder: Path, n_volumes: int, n_places: int, fields: Fields, *, step: float = 3.0
) -> Path:
    """Files under random names; all pixels of slice k of volume v are 100 (v + 1) + k."""
    names = random.Random(4).sample(range(16**8), n_volumes * n_places)
    for v in range(n_volumes):
        for k in range(n_places):
            n = v * n_places + k
            made = image_object(
                np.full((5, 4), 100 * (v + 1) + k, np.int16),
                (0, 0, step * k),
                sop_class=MR,
                number=n + 1,
                Modality="MR",
                **fields(v, k),
            )
            save(made, folder / f"{names[n]:08x}")
    return folder


def values(path: Path, **chosen: Any) -> list[int]:
    """The value of each slice; fails if a slice has several."""
    voxels = read_image(path, **chosen).volume.voxels
    assert (voxels == voxels[:, :1, :1]).all()
    return voxels[:, 0, 0].tolist()  # type: ignore[no-any-return]


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs the command line and returns what it prints; errors on one line."""

    def run(*words: object, code: int = 0) -> str:
        assert main([str(word) for word in words]) == code
        printed = capsys.readouterr()
        return printed.out + " ".join(printed.err.split())

    return run


def echoes(v: int, k: int) -> dict[str, Any]:
    return {"EchoTime": 10.0 * (v + 1), "EchoNumbers": v + 1, "InstanceNumber": k + 1}


def test_echoes_are_two_volumes_and_named(tmp_path: Path) -> None:
    write_volumes(tmp_path, 2, 8, echoes)
    with pytest.raises(SeveralFrames, match=r"0 echo 1 of 2, TE 10 ms; 1 echo 2 of 2, TE 20 ms"):
        read_image(tmp_path)
    assert values(tmp_path, frame=0) == list(range(100, 108))
    assert values(tmp_path, frame=1) == list(range(200, 208))
    assert "This is volume 1: echo 2 of 2, TE 20 ms." in read_image(tmp_path, frame=1).notes


def test_info_lists_the_volumes_in_words(tmp_path: Path, invoke: Callable[..., str]) -> None:
    write_volumes(tmp_path, 2, 4, echoes)
    assert "    1: echo 2 of 2, TE 20 ms" in invoke("info", tmp_path)
    (image,) = json.loads(invoke("info", tmp_path, "--json"))["images"]
    assert image["volumes"] == ["echo 1 of 2, TE 10 ms", "echo 2 of 2, TE 20 ms"]
    refused = invoke("convert", tmp_path, tmp_path.parent / "a.nii.gz", code=1)
    assert "--frame, 0 to 1: 0 echo 1 of 2, TE 10 ms" in refused


PRIVATE_B: dict[str, Callable[[Any, int], None]] = {
    "Siemens": lambda made, b: made.private_block(0x19, "SIEMENS MR HEADER", create=True).add_new(
        0x0C, "IS", b
    ),
    "GE": lambda made, b: made.private_block(0x43, "GEMS_PARM_01", create=True).add_new(
        0x39, "IS", [1_000_000_000 + b, 8, 0, 0]
    ),
    "Philips": lambda made, b: made.private_block(
        0x2001, "Philips Imaging DD 001", create=True
    ).add_new(0x03, "FL", float(b)),
    "standard": lambda made, b: setattr(made, "DiffusionBValue", float(b)),
}


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
@pytest.mark.parametrize("maker", PRIVATE_B)
def test_b_values_of_every_maker_separate(maker: str, syntax: str, tmp_path: Path) -> None:
    for n, (b, k) in enumerate((b, k) for b in (0, 800) for k in range(4)):
        pixels = np.full((5, 4), b + k, np.int16)
        made = image_object(
            pixels, (0, 0, 3 * k), sop_class=MR, number=n + 1, Modality="MR", syntax=syntax
        )
        made.InstanceNumber = k + 1
        PRIVATE_B[maker](made, b)
        save(made, tmp_path / f"{n * 5 % 8}.dcm")
    (found,) = describe_image_file(tmp_path)
    assert found.volumes == ("b 0 s/mm²", "b 800 s/mm²")
    assert values(tmp_path, frame=1) == [800, 801, 802, 803]


def test_two_series_that_cannot_and_can_be_opened_are_both_listed(
    tmp_path: Path, invoke: Callable[..., str]
) -> None:
    write_volumes(tmp_path / "a", 2, 4, lambda v, k: {"InstanceNumber": k})
    other = {"SeriesInstanceUID": f"{ROOT}.1"}
    write_volumes(tmp_path / "b", 1, 4, lambda v, k: {"SOPInstanceUID": f"{ROOT}.1.{k}", **other})
    refused, fine = describe_image_file(tmp_path)
    assert any("nothing in the headers says" in note for note in refused.notes)
    assert fine.notes == ()
    with pytest.raises(ReadError, match="nothing in the headers says"):
        read_image(tmp_path, series=refused.series)
    assert values(tmp_path, series=fine.series) == [100, 101, 102, 103]
    assert "nothing in the headers says" in invoke("info", tmp_path / "a")


def test_passes_between_each_other_are_series_of_their_own_and_say_which(tmp_path: Path) -> None:
    def fields(v: int, k: int) -> dict[str, Any]:
        return {
            "AcquisitionNumber": v + 1,
            "ImagePositionPatient": [0, 0, 5 * k + 2.5 * v],
            "SliceThickness": 5,
        }

    write_volumes(tmp_path, 2, 6, fields)
    with pytest.raises(SeveralSeries, match=r"acquisition 1 of 2.*acquisition 2 of 2") as several:
        read_image(tmp_path)
    uids = [one.series for one in several.value.series]
    assert uids == [f"{ROOT}.8", f"{ROOT}.8/2"]
    assert values(tmp_path, series=uids[1]) == list(range(200, 206))
    image = read_image(tmp_path, series=uids[1])
    assert image.volume.origin_xyz[2] == 2.5
    assert any("acquisition 2 of 2" in note for note in image.notes)


def multi_frame(order: list[tuple[int, int]], group: Callable[[int], Any], **top: Any) -> Any:
    """A multi-frame MR whose frame n is slice k of volume v, (v, k) = order[n]."""
    made = enhanced(np.zeros((len(order), 5, 4), np.int16), range(len(order)), [1.0] * len(order))
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    made.Modality = "MR"
    pixels = np.zeros((len(order), 5, 4), np.int16)
    for n, (v, k) in enumerate(order):
        frame = made.PerFrameFunctionalGroupsSequence[n]
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 3 * k]
        frame.PixelValueTransformationSequence[0].RescaleIntercept = 0
        frame.update(group(v))
        pixels[n] = 100 * (v + 1) + k
    made.PixelData = pixels.tobytes()
    for name, value in top.items():
        setattr(made, name, value)
    return made


def nested(sequence: str, **fields: Any) -> Any:
    item, outer = pydicom.Dataset(), pydicom.Dataset()
    for name, value in fields.items():
        setattr(item, name, value)
    setattr(outer, sequence, [item])
    return outer


def diffusion(v: int) -> Any:
    direction = nested("DiffusionGradientDirectionSequence", DiffusionGradientOrientation=[v, 1, 0])
    outer = nested("MRDiffusionSequence", DiffusionBValue=700.0)
    outer.MRDiffusionSequence[0].update(direction)
    return outer


GROUPS: dict[str, Callable[[int], Any]] = {
    "TE 20 ms": lambda v: nested("MREchoSequence", EffectiveEchoTime=10.0 * (v + 1)),
    "time point 2 of 3": lambda v: nested("FrameContentSequence", TemporalPositionIndex=v + 1),
    "direction (1, 1, 0)": diffusion,
    "phase": lambda v: nested(
        "MRImageFrameTypeSequence", ComplexImageComponent=("MAGNITUDE", "PHASE", "REAL")[v]
    ),
    "60 ms after the trigger": lambda v: nested(
        "CardiacSynchronizationSequence", NominalCardiacTriggerDelayTime=30.0 * (v + 1)
    ),
    "contribution source 2 of 3": lambda v: nested(
        "FrameContentSequence", DimensionIndexValues=[v + 1, 7]
    ),
}


@pytest.mark.parametrize("words", GROUPS)
@pytest.mark.parametrize("order", ["by volume", "by place", "backwards", "random"])
def test_frames_in_any_order_become_volumes(words: str, order: str, tmp_path: Path) -> None:
    frames = [(v, k) for v in range(3) for k in range(5)]
    if order == "random":
        random.Random(2).shuffle(frames)
    else:
        key = {"by volume": lambda f: f, "by place": lambda f: f[::-1]}
        frames.sort(key=key.get(order, lambda f: (-f[0], -f[1])))
    made = multi_frame(frames, GROUPS[words])
    pointers = [pydicom.Dataset(), pydicom.Dataset()]
    pointers[0].DimensionIndexPointer = pydicom.datadict.tag_for_keyword("ChemicalShiftReference")
    pointers[0].DimensionDescriptionLabel = "contribution source"
    pointers[1].DimensionIndexPointer = pydicom.datadict.tag_for_keyword("InStackPositionNumber")
    made.DimensionIndexSequence = pointers
    path = save(made, tmp_path / "a.dcm")
    (found,) = describe_image_file(path)
    assert words in found.volumes
    seen = sorted(values(path, frame=n) for n in range(3))
    assert seen == [[100 * v + k for k in range(5)] for v in (1, 2, 3)]
    assert values(path, frame=found.volumes.index(words)) == [200, 201, 202, 203, 204]


def test_a_dimension_counts_where_its_field_is_not_stated(tmp_path: Path) -> None:
    frames = [(v, k) for v in range(2) for k in range(5)]
    random.Random(3).shuffle(frames)
    made = multi_frame(
        frames, lambda v: nested("FrameContentSequence", DimensionIndexValues=[v + 1, 7])
    )
    pointers = [pydicom.Dataset(), pydicom.Dataset()]
    keywords = ("EffectiveEchoTime", "ImagePositionPatient")
    for pointer, keyword in zip(pointers, keywords, strict=True):
        pointer.DimensionIndexPointer = pydicom.datadict.tag_for_keyword(keyword)
    made.DimensionIndexSequence = pointers
    path = save(made, tmp_path / "a.dcm")
    (found,) = describe_image_file(path)
    assert found.volumes == ("effective echo time 1 of 2", "effective echo time 2 of 2")
    assert [values(path, frame=n) for n in (0, 1)] == [
        [100 * v + k for k in range(5)] for v in (1, 2)
    ]


def test_one_multi_frame_file_for_each_time_point(tmp_path: Path) -> None:
    for t, name in enumerate(("z", "m", "a")):
        made = multi_frame([(t, k) for k in (2, 0, 1)], lambda v: pydicom.Dataset())
        made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"{ROOT}.{t}"
        made.InstanceNumber = t + 1
        save(made, tmp_path / f"{name}.dcm")
    assert [values(tmp_path, frame=t) for t in range(3)] == [
        [100, 101, 102],
        [200, 201, 202],
        [300, 301, 302],
    ]


class TestCopies:
    def test_a_series_copied_twice_opens_without_a_question_or_note(self, tmp_path: Path) -> None:
        write_volumes(tmp_path / "a", 1, 6, lambda v, k: {})
        shutil.copytree(tmp_path / "a", tmp_path / "copy of a")
        assert values(tmp_path) == list(range(100, 106))
        assert read_image(tmp_path).notes == ()

    def test_copies_without_identifiers_are_one_too(self, tmp_path: Path) -> None:
        write_volumes(tmp_path / "a", 1, 6, lambda v, k: {"SOPInstanceUID": ""})
        shutil.copytree(tmp_path / "a", tmp_path / "copy of a")
        assert values(tmp_path) == list(range(100, 106))

    @pytest.mark.parametrize("names", ["ab", "ba"])
    def test_copies_that_differ_are_noted_and_the_larger_is_used(
        self, names: str, tmp_path: Path
    ) -> None:
        write_volumes(tmp_path / names[0], 1, 6, lambda v, k: {})
        write_volumes(
            tmp_path / names[1],
            2,
            6,
            lambda v, k: {
                "SOPInstanceUID": f"{ROOT}.{k + 1}",
                "InstanceNumber": k + 1,
                "ImageComments": "sent again",
            },
        )
        for path in (tmp_path / names[1]).iterdir():
            if pydicom.dcmread(path).pixel_array[0, 0] < 200:
                path.unlink()
        assert values(tmp_path) == list(range(200, 206))
        assert any("6 images are there twice" in note for note in read_image(tmp_path).notes)

    def test_a_whole_copy_replaces_a_damaged_one(self, tmp_path: Path) -> None:
        write_volumes(tmp_path / "a", 1, 6, lambda v, k: {})
        shutil.copytree(tmp_path / "a", tmp_path / "b")
        path = sorted((tmp_path / "a").iterdir())[2]
        path.write_bytes(path.read_bytes()[:-10])
        assert values(tmp_path) == list(range(100, 106))


class TestDamaged:
    def cut(self, folder: Path, k: int, n_bytes: int = 10) -> Path:
        for path in folder.iterdir():
            if pydicom.dcmread(path).pixel_array[0, 0] == 100 + k:
                path.write_bytes(path.read_bytes()[: -n_bytes or None])
                return path
        raise AssertionError

    @pytest.mark.parametrize("k", [0, 4, 9])
    def test_a_damaged_slice_keeps_its_place_and_is_named(self, k: int, tmp_path: Path) -> None:
        write_volumes(tmp_path, 1, 10, lambda v, k: {})
        path = self.cut(tmp_path, k)
        image = read_image(tmp_path)
        assert image.volume.shape_zyx == (10, 5, 4)
        assert image.volume.origin_xyz[2] == 0
        left = [n for n in range(10) if n != k]
        assert image.volume.voxels[left, 0, 0].tolist() == [100 + n for n in left]
        (note,) = image.notes
        assert note.startswith(f"1 of 10 slices is damaged (slice {k}, counted from 0; ")
        assert f"; {path.name})" in note
        assert image.volume.empty == {("z", k)}

    def test_a_damaged_slice_of_one_time_point(self, tmp_path: Path) -> None:
        write_volumes(tmp_path, 3, 5, lambda v, k: {"TemporalPositionIdentifier": v + 1})
        self.cut(tmp_path, 2)
        assert any("damaged" in note for note in read_image(tmp_path, frame=0).notes)
        assert not any("damaged" in note for note in read_image(tmp_path, frame=1).notes)
        assert values(tmp_path, frame=2) == list(range(300, 305))

    def test_a_file_without_a_readable_header_is_named(self, tmp_path: Path) -> None:
        write_volumes(tmp_path, 1, 6, lambda v, k: {})
        (tmp_path / "half.dcm").write_bytes(bytes(128) + b"DICM" + b"\x02\x00\x00\x00UL\x04")
        (tmp_path / "empty.dcm").write_bytes(b"")
        assert read_image(tmp_path).notes == (
            "Not opened from this folder: 2 damaged files (empty.dcm, half.dcm). A damaged file no "
            "longer says its place: a volume may end a slice too early.",
        )

    @pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
    @pytest.mark.parametrize("zeros", [False, True])
    @pytest.mark.parametrize("k", [0, 3, 5])
    def test_wherever_the_damage_begins_the_file_is_named_and_never_at_another_place(
        self, k: int, zeros: bool, syntax: str, tmp_path: Path
    ) -> None:
        for n in range(6):
            made = image_object(
                np.full((5, 4), 100 + n, np.int16),
                (-101.5, -77.25, 13.75 * n - 30),
                number=n + 1,
                syntax=syntax,
            )
            made.StudyDescription = "a" + "bc" * n
            save(made, tmp_path / f"{n}.dcm")
        path = tmp_path / f"{k}.dcm"
        whole = path.read_bytes()
        kept = set()
        for at in range(len(whole) - 47, 140, -23):
            path.write_bytes(whole[:at] + bytes(len(whole) - at if zeros else 0))
            image = read_image(tmp_path)
            voxels = image.volume.voxels[:, 0, 0].tolist()
            said = " ".join(image.notes)
            assert path.name in said or (k == 3 and "missing" in said), at
            shown = [100 + n for n in range(6)]
            lowest = 101 if k == 0 else 100
            assert voxels in (
                [*shown[:k], lowest, *shown[k + 1 :]],
                shown[1:] if k == 0 else shown[:5],
            ), at
            first = image.volume.origin_xyz
            expected = -30 + (13.75 if k == 0 and len(voxels) == 5 else 0)
            assert first == pytest.approx((-101.5, -77.25, expected))
            kept.add((len(voxels) == 6, k))
        assert (True, k) in kept

    @pytest.mark.parametrize("k", [0, 3, 5])
    @pytest.mark.parametrize("share", [0.3, 1.0])
    def test_a_slice_that_ends_in_zeros_is_doubted(
        self, k: int, share: float, tmp_path: Path
    ) -> None:
        write_volumes(tmp_path, 1, 6, lambda v, k: {})
        path = next(
            p for p in tmp_path.iterdir() if pydicom.dcmread(p).pixel_array[0, 0] == 100 + k
        )
        data = path.read_bytes()
        n_bytes = int(40 * share)
        path.write_bytes(data[:-n_bytes] + bytes(n_bytes))
        (note,) = read_image(tmp_path).notes
        assert note.startswith("1 of 6 slices end in zeros, and those beside them do not")
        assert f"(slice {k}, {path.name}, over {share:.0%}; counted from 0)" in note

    @pytest.mark.parametrize("rows", [[0, 0, 1, 1, 2, 3], [3, 2, 2, 2, 1, 1], [5, 5, 2, 2, 5, 5]])
    def test_a_black_background_is_not_doubted(self, rows: list[int], tmp_path: Path) -> None:
        def fields(v: int, k: int) -> dict[str, Any]:
            pixels = np.full((5, 4), 100 + k, np.int16)
            pixels[5 - rows[k] :] = 0
            return {"PixelData": pixels.tobytes()}

        write_volumes(tmp_path, 1, 6, fields)
        assert read_image(tmp_path).notes == ()

    def test_too_few_pixels_in_whole_elements_are_a_damaged_slice(self, tmp_path: Path) -> None:
        write_volumes(tmp_path, 1, 6, lambda v, k: {})
        path = sorted(tmp_path.iterdir())[1]
        made = pydicom.dcmread(path)
        value = int(made.pixel_array[0, 0])
        made.PixelData = made.PixelData[:20]
        made.save_as(path)
        image = read_image(tmp_path)
        assert [n for n in range(100, 106) if n not in image.volume.voxels] == [value] or value == (
            100
        )
        assert any("damaged" in note and path.name in note for note in image.notes)


class TestOtherFiles:
    def test_they_are_counted_and_named_in_one_note(self, tmp_path: Path) -> None:
        write_volumes(tmp_path, 1, 6, lambda v, k: {})
        for n in range(2):
            report = image_object(np.zeros((2, 2), np.int16), sop_class=REPORT, number=50 + n)
            for name in ("PixelData", "Rows", "Columns"):
                delattr(report, name)
            save(report, tmp_path / f"r{n}.dcm")
        for n in range(5):
            (tmp_path / f"n{n}.txt").write_text("nothing")
        assert read_image(tmp_path).notes == (
            "Not opened from this folder: 2 reports, 5 files that are not DICOM (n0.txt, n1.txt, "
            "n2.txt, ...).",
        )

    def test_an_object_of_a_makers_own_class_is_not_called_damaged(self, tmp_path: Path) -> None:
        write_volumes(tmp_path, 1, 6, lambda v, k: {})
        own = image_object(np.zeros((2, 2), np.int16), sop_class="1.3.12.2.1107.5.9.1", number=50)
        del own.PixelData
        own.add_new((0x0029, 0x0010), "LO", "SIEMENS CSA NON-IMAGE")
        save(own, tmp_path / "csa.dcm")
        note = "Not opened from this folder: 1 DICOM object without a picture."
        assert read_image(tmp_path).notes == (note,)

    def test_what_lies_in_every_folder_is_passed_over(self, tmp_path: Path) -> None:
        write_volumes(tmp_path, 1, 6, lambda v, k: {})
        for name in ("README.txt", "Thumbs.db", ".DS_Store", "DICOMDIR"):
            (tmp_path / name).write_text("nothing")
        assert read_image(tmp_path).notes == ()

    def test_info_tells_it_once_for_all_series(
        self, tmp_path: Path, invoke: Callable[..., str]
    ) -> None:
        write_volumes(tmp_path, 1, 6, lambda v, k: {})
        other = {"SeriesInstanceUID": f"{ROOT}.1"}
        write_volumes(tmp_path / "b", 1, 4, lambda v, k: other)
        (tmp_path / "plan.txt").write_text("nothing")
        assert invoke("info", tmp_path).count("plan.txt") == 1
        images = json.loads(invoke("info", tmp_path, "--json"))["images"]
        assert all("1 file that is not DICOM (plan.txt)" in str(one["notes"]) for one in images)


class TestWithoutPosition:
    def remove_positions(self, folder: Path, *more: str) -> None:
        for path in folder.iterdir():
            made = pydicom.dcmread(path)
            for name in ("ImagePositionPatient", *more):
                delattr(made, name)
            made.save_as(path)

    @pytest.mark.parametrize("more", [(), ("ImageOrientationPatient",)])
    def test_slices_are_stacked_by_location_and_it_is_said(
        self, more: tuple[str, ...], tmp_path: Path
    ) -> None:
        write_volumes(tmp_path, 1, 8, lambda v, k: {"SliceLocation": 2.0 * k})
        self.remove_positions(tmp_path, *more)
        image = read_image(tmp_path)
        assert image.volume.voxels[:, 0, 0].tolist() == list(range(100, 108))
        assert image.volume.spacing_xyz == pytest.approx((0.7, 0.9, 2))
        assert any("stacked by SliceLocation" in note for note in image.notes)
        saved = write_labels(tmp_path.parent / "l.nii.gz", np.ones((8, 5, 4), int), image.grid)
        assert saved.path.exists()
        with pytest.raises(SaveError, match="no position"):
            write_labels(tmp_path.parent / "l.seg.dcm", np.ones((8, 5, 4), int), image.grid)

    def test_labels_that_lie_somewhere_are_not_brought_to_a_made_up_place(
        self, tmp_path: Path
    ) -> None:
        write_volumes(tmp_path / "ct", 1, 8, lambda v, k: {"SliceLocation": 2.0 * k})
        self.remove_positions(tmp_path / "ct")
        grid = read_image(tmp_path / "ct").grid
        assert not grid.has_position
        other = nib.Nifti1Image(np.ones((4, 5, 8), np.uint8), np.diag([-0.7, -0.9, 2.5, 1]))
        other.to_filename(tmp_path / "other.nii.gz")
        for resample in (False, True):
            with pytest.raises(OtherGrid) as refused:
                read_label_file(tmp_path / "other.nii.gz", grid, resample=resample)
            assert not refused.value.can_resample
        contours = pydicom.Dataset()
        contours.SOPClassUID = RTSTRUCT
        path = tmp_path / "a.dcm"
        contours.save_as(path, implicit_vr=False, little_endian=True)
        with pytest.raises(ReadError, match="image states no place in the patient"):
            read_structures(path, grid)
        mine = write_labels(tmp_path / "l.nii.gz", np.ones((8, 5, 4), int), grid).path
        assert read_label_file(mine, grid).labels.all()

    def test_echoes_without_position_are_still_two(self, tmp_path: Path) -> None:
        write_volumes(tmp_path, 2, 8, lambda v, k: {"SliceLocation": 2.0 * k, **echoes(v, k)})
        self.remove_positions(tmp_path)
        assert values(tmp_path, frame=1) == list(range(200, 208))

    def test_one_position_for_all_slices_is_none(self, tmp_path: Path) -> None:
        def fields(v: int, k: int) -> dict[str, Any]:
            return {"SliceLocation": 2.0 * k, "ImagePositionPatient": [0, 0, 0]}

        write_volumes(tmp_path, 1, 8, fields)
        image = read_image(tmp_path)
        assert image.volume.voxels[:, 0, 0].tolist() == list(range(100, 108))
        assert any("stacked by SliceLocation" in note for note in image.notes)

    def test_without_a_location_it_is_one_sentence(self, tmp_path: Path) -> None:
        write_volumes(tmp_path, 1, 8, lambda v, k: {})
        self.remove_positions(tmp_path)
        (found,) = describe_image_file(tmp_path)
        assert found.size_xyz == (4, 5, 8)
        with pytest.raises(ReadError, match="order is not known"):
            read_image(tmp_path)

    def test_pictures_stay_pictures(self, tmp_path: Path) -> None:
        for n in range(3):
            made = image_object(
                np.full((5, 4), n, np.int16), None, sop_class=f"{MR[:-1]}7", number=n
            )
            save(made, tmp_path / f"{n}.dcm")
        assert len(describe_image_file(tmp_path)) == 3


def test_a_cine_of_files_has_all_its_frames(tmp_path: Path) -> None:
    for t in range(6):
        made = image_object(
            np.full((5, 4), t, np.int16),
            (0, 0, 7),
            sop_class=MR,
            number=t + 1,
            TriggerTime=40.0 * t,
        )
        save(made, tmp_path / f"{5 - t}.dcm")
    assert [values(tmp_path, frame=t) for t in range(6)] == [[t] for t in range(6)]
