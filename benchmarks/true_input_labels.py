"""Cases of `true_input.py` that are labels, label files, and names of files."""

from __future__ import annotations

import os
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from true_input_files import Contour, box, nifti_labels, plain_ct, run, series, structures
from true_input_judge import SHARED, Result, case
from true_input_program import Program

# -- 8: numbers of labels -------------------------------------------------------------------------


def _ids(p: Program, path: Path, ids: list[int], *options: str) -> Result:
    """Kept exactly, or refused in one sentence; both as labels and as an image."""
    target = p.target()
    answer = p("convert", path, target, *options)
    if answer.code != 0:
        return Result(answer.is_sentence, f"refused: {answer.short}")
    array = np.asanyarray(nib.load(target).dataobj)  # type: ignore[attr-defined]
    kept = [int(v) for v in np.unique(array) if v != 0]
    measured = p("measure", path, "--json")
    wrong = [] if measured.code == 0 or measured.is_sentence else [measured.short]
    return Result(kept == sorted(ids) and not wrong, f"{kept} as {array.dtype} {wrong or ''}")


def _numbers(ids: list[int], dtype: Any) -> np.ndarray:
    array = np.zeros((8, 8, 4), dtype)
    for n, number in enumerate(ids):
        array[n + 1, 2:5, 1:3] = number
    return array


@case(8, "float64 and uint32 with 614454277, 614454278 (shared), as labels")
def shared_ids(p: Program, d: Path) -> Result:
    folder = SHARED / "08-label-ids-merged"
    results = []
    for path in sorted(folder.iterdir()):
        image = nib.load(path)
        ids = [int(v) for v in np.unique(np.asanyarray(image.dataobj)) if v]  # type: ignore[attr-defined]
        results.append(_ids(p, path, ids, "--labels"))
        results.append(_ids(p, path, ids))
    return Result(all(r.right for r in results), " / ".join(r.came_out for r in results))


def _add_numbers() -> None:
    tried: dict[str, tuple[list[int], Any]] = {
        "2^24 and 2^24 + 1 in float64": ([2**24, 2**24 + 1], np.float64),
        "2^24 and 2^24 + 1 in int32": ([2**24, 2**24 + 1], np.int32),
        "2^31 and 2^31 + 1 in uint32": ([2**31, 2**31 + 1], np.uint32),
        "2^31 and 2^31 + 1 in int64": ([2**31, 2**31 + 1], np.int64),
        "2^53 and 2^53 + 1 in int64": ([2**53, 2**53 + 1], np.int64),
        "2^53 - 1 and 2^53 - 2 in float64": ([2**53 - 2, 2**53 - 1], np.float64),
        "2^32 + 1 and 1 in uint64": ([1, 2**32 + 1], np.uint64),
        "65536 and 65537 in float32": ([65536, 65537], np.float32),
        "70000 and 3 in int32": ([3, 70000], np.int32),
    }
    for name, (ids, dtype) in tried.items():
        for options in (("--labels",), ()):

            def trial(p: Program, d: Path, ids=ids, dtype=dtype, options=options) -> Result:  # type: ignore[no-untyped-def]
                path = nifti_labels(d / "labels.nii.gz", _numbers(ids, dtype))
                return _ids(p, path, ids, *options)

            case(8, f"{name}, {'as labels' if options else 'as an image'}")(trial)


_add_numbers()


@case(8, "2^24 + 1 in an .nrrd and .mha of float64")
def itk_ids(p: Program, d: Path) -> Result:
    results = []
    for suffix in (".nrrd", ".mha"):
        image = sitk.GetImageFromArray(_numbers([2**24, 2**24 + 1], np.float64))
        sitk.WriteImage(image, str(d / f"a{suffix}"))
        for options in (("--labels",), ()):
            results.append(_ids(p, d / f"a{suffix}", [2**24, 2**24 + 1], *options))
    return Result(all(r.right for r in results), " / ".join(r.came_out for r in results))


@case(8, "fractions beside whole numbers in float64: an image keeps its values")
def fractions(p: Program, d: Path) -> Result:
    path = nifti_labels(d / "a.nii.gz", _numbers([1, 2], np.float64) + 0.125)
    target = p.target()
    answer = p("convert", path, target)
    values = np.unique(np.asanyarray(nib.load(target).dataobj)) if answer.code == 0 else []  # type: ignore[attr-defined]
    return Result(list(values) == [0.125, 1.125, 2.125], f"{list(values)} {answer.short}")


# -- 9: names of files ----------------------------------------------------------------------------

NAMES = {
    "Latin-1 byte": os.fsdecode(b"M\xfcller"),
    "GB18030": os.fsdecode("肝脏".encode("gb18030")),
    "umlaut": "Müller",
    "CJK": "肝臓",
    "emoji": "🫀 heart",
    "surrogate byte and space": os.fsdecode(b"a \xff b"),
    "newline": "two\nlines",
}
C = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def _nifti(path: Path) -> Path:
    return nifti_labels(path, np.arange(64, dtype=np.int16).reshape(4, 4, 4))


def _in_folder(p: Program, d: Path, name: str, environment: dict[str, str] | None) -> Result:
    """Open and save every format in a folder and under a file of this name."""
    place = d / name
    place.mkdir()
    _nifti(place / "a.nii.gz")
    _nifti(place / f"{name}.nii")
    _nifti(plain := d / "plain.nii.gz")
    image = sitk.ReadImage(str(plain))
    inputs = [place / "a.nii.gz", place / f"{name}.nii"]
    for suffix in (".nrrd", ".mha", ".png"):
        one = image if suffix != ".png" else sitk.Cast(image[:, :, 1], sitk.sitkUInt8)
        sitk.WriteImage(one, str(d / f"b{suffix}"))
        shutil.move(d / f"b{suffix}", place / f"{name}{suffix}")
        inputs.append(place / f"{name}{suffix}")
    inputs.append(series(d / "ct", run(range(100, 104)), modality="CT"))
    os.rename(inputs.pop(), place / "ct")
    first = sorted((place / "ct").iterdir())[0]
    os.rename(first, first.parent / f"{name}.dcm")
    inputs += [place / "ct", place / "ct" / f"{name}.dcm"]
    with zipfile.ZipFile(place / f"{name}.zip", "w") as archive:
        for n, path in enumerate((place / "ct").iterdir()):
            archive.write(path, f"{n}.dcm")
    inputs.append(place / f"{name}.zip")
    wrong = []
    opened = 0
    for source in inputs:
        suffixes = [".nii.gz"] if environment else [".nii.gz", ".nrrd", ".mha"]
        for target in [p.target(s) for s in suffixes] + [
            place / f"out {source.name}{s}" for s in suffixes
        ]:
            if target.parent.name == "ct" or target.suffix == ".png":
                continue
            answer = p("convert", source, target, environment=environment)
            if answer.code == 0 and target.exists():
                opened += 1
            elif not answer.is_sentence:
                wrong.append(f"{source.suffix or 'folder'} -> {target.suffix}: {answer.short}")
            elif name in ("umlaut", "CJK") or not environment:
                wrong.append(
                    f"refused {source.suffix or 'folder'} -> {target.suffix}: {answer.short}"
                )
        answer = p("info", source, "--json", environment=environment)
        if answer.code != 0 and not answer.is_sentence:
            wrong.append(f"info {source.suffix}: {answer.short}")
    crashes = [w for w in wrong if not w.startswith("refused")]
    return Result(not crashes, f"{opened} converted; {len(wrong)} not: {wrong[:2]!a}")


def _add_names() -> None:
    for title, name in NAMES.items():
        for environment in (None, C):
            # Under LC_ALL=C only, each command needs a process of its own.
            if environment is not None and title not in ("umlaut", "Latin-1 byte", "CJK"):
                continue

            def trial(p: Program, d: Path, name=name, environment=environment) -> Result:  # type: ignore[no-untyped-def]
                return _in_folder(p, d, name, environment)

            case(9, f"{title}{', LC_ALL=C' if environment else ''}")(trial)


_add_names()


@case(9, "labels and DICOM SEG saved under a Latin-1 byte")
def seg_under_byte(p: Program, d: Path) -> Result:
    place = d / NAMES["Latin-1 byte"]
    place.mkdir()
    ct = plain_ct(d / "ct")
    labels = _on_ct(np.eye(48, dtype=np.uint8)[None].repeat(12, 0))
    sitk.WriteImage(labels, str(d / "l.nii.gz"))
    os.rename(d / "l.nii.gz", place / "l.nii.gz")
    os.rename(ct, place / "ct")
    wrong = []
    for suffix in (".seg.dcm", ".rtstruct.dcm", ".seg.nrrd", ".nii.gz", ".nrrd", ".mha"):
        target = place / f"out{suffix}"
        answer = p("convert", place / "l.nii.gz", target, "--image", place / "ct", "--labels")
        if answer.code != 0:
            wrong.append(f"{suffix}: {answer.short}")
            continue
        back = p.target()
        again = p("convert", target, back, "--image", place / "ct", "--labels")
        if again.code != 0:
            wrong.append(f"{suffix} back: {again.short}")
        elif np.count_nonzero(np.asanyarray(nib.load(back).dataobj)) != 12 * 48:  # type: ignore[attr-defined]
            wrong.append(f"{suffix}: other voxels")
    return Result(not wrong, f"{6 - len(wrong)} of 6 formats; {wrong[:2]!a}")


# -- 13: DICOM SEG of type LABELMAP ---------------------------------------------------------------


def _on_ct(array: np.ndarray) -> sitk.Image:
    """Labels [z, y, x] on the grid of `plain_ct`."""
    image = sitk.GetImageFromArray(array)
    image.SetOrigin((-20, -20, -100))
    image.SetSpacing((1, 1, 3))
    return image


def _labels(p: Program, path: Path, image: Path) -> tuple[np.ndarray | None, str, str]:
    """[z, y, x] from the feet up in LPS, all notes, and what came."""
    target = p.target(".nrrd")
    answer = p("convert", path, target, "--image", image, "--labels")
    if answer.code != 0:
        return None, answer.err, f"refused: {answer.short}"
    array = sitk.GetArrayFromImage(sitk.ReadImage(str(target)))
    counts = {int(v): int((array == v).sum()) for v in np.unique(array) if v}
    return array, answer.err, f"voxels {counts}"


@case(13, "LABELMAP equals BINARY (shared)")
def shared_labelmap(p: Program, d: Path) -> Result:
    folder = SHARED / "13-labelmap-seg"
    binary, _, _ = _labels(p, folder / "seg/binary.dcm", folder / "ct_plain")
    texts, right = [], True
    for name in ("labelmap", "labelmap_palette"):
        found, _, text = _labels(p, folder / f"seg/{name}.dcm", folder / "ct_plain")
        texts.append(f"{name}: {text}")
        right &= found is not None and binary is not None and np.array_equal(found, binary)
    return Result(right, "; ".join(texts))


@case(13, "LABELMAP does not open as an image")
def not_an_image(p: Program, d: Path) -> Result:
    answer = p("info", SHARED / "13-labelmap-seg/seg/labelmap.dcm")
    return Result(answer.is_sentence and "label" in answer.err + "segment", answer.short)


@case(13, "LABELMAP of slide microscopy, and overlapping BINARY (shared)")
def shared_highdicom(p: Program, d: Path) -> Result:
    wrong = []
    for path in sorted((SHARED / "13-labelmap-seg/highdicom_MIT").glob("*.dcm")):
        answer = p("convert", path, p.target(), "--labels")
        if answer.code != 0 and not answer.is_sentence:
            wrong.append(answer.short)
        else:
            wrong += [] if answer.code == 0 else [f"({answer.short})"]
    return Result(not any(not w.startswith("(") for w in wrong), f"{wrong}")


def _highdicom_labelmap(path: Path, ct: Path, array: np.ndarray, **options: Any) -> Path:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    source = [pydicom.dcmread(f) for f in sorted(ct.iterdir())]
    described = [
        hd.seg.SegmentDescription(
            segment_number=int(n),
            segment_label=f"s{n}",
            segmented_property_category=codes.SCT.Organ,
            segmented_property_type=codes.SCT.Liver,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
        )
        for n in np.unique(array)
        if n
    ]
    made = hd.seg.Segmentation(
        source_images=source,
        pixel_array=array,
        segmentation_type=hd.seg.SegmentationTypeValues.LABELMAP,
        segment_descriptions=described,
        series_instance_uid=hd.UID(),
        series_number=9,
        sop_instance_uid=hd.UID(),
        instance_number=1,
        manufacturer="X",
        manufacturer_model_name="Y",
        software_versions="1",
        device_serial_number="1",
        **options,
    )
    made.save_as(path)
    return path


@case(13, "LABELMAP of 16 bits, slices left out, numbers 1, 2 and 300")
def labelmap16(p: Program, d: Path) -> Result:
    ct = plain_ct(d / "ct")
    array = np.zeros((12, 48, 48), np.uint16)
    array[2:5, 5:15, 5:15], array[3:9, 20:30, 5:15], array[7, 3:9, 30:44] = 1, 2, 300
    path = _highdicom_labelmap(d / "seg.dcm", ct, array, omit_empty_frames=True)
    found, notes, text = _labels(p, path, ct)
    return Result(found is not None and np.array_equal(found, array), text + notes[:100])


@case(13, "LABELMAP compressed by run lengths")
def labelmap_rle(p: Program, d: Path) -> Result:
    ct = plain_ct(d / "ct")
    array = np.zeros((12, 48, 48), np.uint8)
    array[2:5, 5:15, 5:15], array[3:9, 20:30, 5:15] = 1, 2
    path = _highdicom_labelmap(
        d / "seg.dcm", ct, array, transfer_syntax_uid=pydicom.uid.RLELossless
    )
    found, notes, text = _labels(p, path, ct)
    return Result(found is not None and np.array_equal(found, array), text + notes[:100])


@case(13, "LABELMAP beside its CT in one folder: the CT opens alone")
def labelmap_beside(p: Program, d: Path) -> Result:
    ct = plain_ct(d)
    array = np.zeros((12, 48, 48), np.uint8)
    array[2:5, 5:15, 5:15] = 1
    _highdicom_labelmap(d / "zz.dcm", ct, array)
    # `info` lists the segmentation too; whoever asks for no series gets the CT.
    answer = p("convert", d, target := p.target())
    if answer.code != 0:
        return Result(False, answer.short)
    voxels = np.asanyarray(nib.load(target).dataobj)  # type: ignore[attr-defined]
    values = sorted(set(voxels.ravel().tolist()))
    return Result(values == list(range(10, 22)), f"values {values}")


# -- 14, 15: RTSTRUCT -----------------------------------------------------------------------------

PLANAR, XOR = "CLOSED_PLANAR", "CLOSEDPLANAR_XOR"


def _mask(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    plane = np.zeros((48, 48), bool)
    for x0, y0, x1, y1 in boxes:
        plane[y0:y1, x0:x1] = True
    return plane


def _roi(
    p: Program, d: Path, contours: list[Contour], right: dict[int, np.ndarray], **more: Any
) -> Result:
    """Contours of one structure on `plain_ct`; `right` has the mask of each slice."""
    ct = plain_ct(d / "ct")
    number = more.pop("number", 1)
    path = structures(d / "rt.dcm", [(number, "GTV", contours)], more.pop("items", ()))
    found, notes, text = _labels(p, path, ct)
    if found is None:
        return Result(bool(more.get("or_refused")) and "Traceback" not in notes, text)
    expected = np.zeros((12, 48, 48), bool)
    for k, plane in right.items():
        expected[k] = plane
    equal = np.array_equal(found > 0, expected)
    said = more.get("said", "")
    is_said = re.search(said, notes, re.IGNORECASE) is not None
    tail = "" if equal else f" [not {int(expected.sum())} voxels]"
    return Result(equal and is_said, text + tail + ("" if is_said else f" [/{said}/ not said]"))


def _slice_z(k: float) -> float:
    return -100.0 + 3 * k


@case(14, "contours on every second slice (shared)")
def shared_coarse(p: Program, d: Path) -> Result:
    folder = SHARED / "14-rtstruct-planes-beside-slices"
    found, notes, text = _labels(p, folder / "coarse_slices.dcm", folder / "ct_plain")
    return Result(found is not None and _figures(notes), f"{text}; {notes.strip()[:150]}")


def _figures(notes: str) -> bool:
    return re.search(r"(without|no contour|every|between|gap|skip|apart)", notes) is not None and (
        re.search(r"\d", notes) is not None
    )


@case(14, "planes half a slice off (shared)")
def shared_z_off(p: Program, d: Path) -> Result:
    folder = SHARED / "14-rtstruct-planes-beside-slices"
    _found, notes, text = _labels(p, folder / "z_off_big.dcm", folder / "ct_plain")
    said = re.search(r"\d.*mm|half", notes) is not None
    return Result(said, f"{text}; {notes.strip()[:150]}")


@case(14, "contours on every third slice")
def third(p: Program, d: Path) -> Result:
    contours = [(PLANAR, _slice_z(k), box(10, 10, 20, 20)) for k in (1, 4, 7, 10)]
    plane = _mask((10, 10, 20, 20))
    return _roi(p, d, contours, dict.fromkeys((1, 4, 7, 10), plane), said=r"\d")


@case(14, "planes 0.4 mm off: on their slices, said or not")
def near(p: Program, d: Path) -> Result:
    contours = [(PLANAR, _slice_z(k) + 0.4, box(10, 10, 20, 20)) for k in range(2, 9)]
    return _roi(p, d, contours, {k: _mask((10, 10, 20, 20)) for k in range(2, 9)})


@case(14, "planes a third of a slice off: said")
def third_off(p: Program, d: Path) -> Result:
    contours = [(PLANAR, _slice_z(k) + 1.2, box(10, 10, 20, 20)) for k in range(2, 9)]
    plane = _mask((10, 10, 20, 20))
    return _roi(p, d, contours, dict.fromkeys(range(2, 9), plane), said=r"mm|off", or_refused=True)


@case(14, "two planes between the same two slices: nothing lost in silence")
def finer(p: Program, d: Path) -> Result:
    contours = [(PLANAR, _slice_z(k / 2), box(10, 10, 20, 20)) for k in range(4, 17)]
    ct = plain_ct(d / "ct")
    _found, notes, text = _labels(p, structures(d / "rt.dcm", [(1, "GTV", contours)]), ct)
    return Result(bool(notes.strip()), f"{text}; {notes.strip()[:150]}")


@case(14, "a contour beyond the image: said")
def beyond(p: Program, d: Path) -> Result:
    contours = [(PLANAR, _slice_z(k), box(10, 10, 20, 20)) for k in range(8, 15)]
    ct = plain_ct(d / "ct")
    _found, notes, text = _labels(p, structures(d / "rt.dcm", [(1, "GTV", contours)]), ct)
    return Result(
        bool(notes.strip()) and "Traceback" not in notes, f"{text}; {notes.strip()[:150]}"
    )


A, B = (10, 10, 21, 30), (16, 15, 30, 25)


@case(15, "overlap, twice, ROI 0 (shared)")
def shared_structures(p: Program, d: Path) -> Result:
    folder = SHARED / "15-rtstruct-overlap-and-twice"
    texts, right = [], True
    for name in ("overlap_union", "dup_contour", "roi0"):
        path = folder / f"{name}.dcm"
        contours = [
            np.reshape([float(v) for v in c.ContourData], (-1, 3))
            for r in pydicom.dcmread(path).ROIContourSequence
            for c in r.ContourSequence
        ]
        expected = np.zeros((12, 48, 48), bool)
        for points in contours:  # all of them are boxes
            (x0, y0, z), (x1, y1, _) = points.min(0), points.max(0)
            k = round((z + 100) / 3)
            expected[
                k, round(y0 + 20.5) : round(y1 + 20.5), round(x0 + 20.5) : round(x1 + 20.5)
            ] = 1
        found, _, text = _labels(p, path, folder / "ct_plain")
        good = found is not None and np.array_equal(found > 0, expected)
        texts.append(f"{name}: {text}" + ("" if good else f" [not {int(expected.sum())}]"))
        right &= good
    return Result(right, "; ".join(texts))


@case(15, "three contours that cross: union")
def three_cross(p: Program, d: Path) -> Result:
    boxes = (A, B, (12, 18, 40, 22))
    contours = [(PLANAR, _slice_z(4), box(*b)) for b in boxes]
    return _roi(p, d, contours, {4: _mask(*boxes)})


@case(15, "CLOSEDPLANAR_XOR: exclusive-or")
def exclusive(p: Program, d: Path) -> Result:
    contours = [(XOR, _slice_z(4), box(*A)), (XOR, _slice_z(4), box(*B))]
    return _roi(p, d, contours, {4: _mask(A) ^ _mask(B)})


@case(15, "CLOSEDPLANAR_XOR: a hole with an island")
def island(p: Program, d: Path) -> Result:
    boxes = ((5, 5, 40, 40), (10, 10, 35, 35), (15, 15, 30, 30))
    contours = [(XOR, _slice_z(4), box(*b)) for b in boxes]
    right = _mask(boxes[0]) ^ _mask(boxes[1]) ^ _mask(boxes[2])
    return _roi(p, d, contours, {4: right})


@case(15, "CLOSED_PLANAR inside another: a hole")
def hole(p: Program, d: Path) -> Result:
    contours = [
        (PLANAR, _slice_z(4), box(5, 5, 40, 40)),
        (PLANAR, _slice_z(4), box(10, 10, 20, 20)),
    ]
    return _roi(p, d, contours, {4: _mask((5, 5, 40, 40)) ^ _mask((10, 10, 20, 20))})


@case(15, "one contour twice, the second from another corner and backwards")
def twice(p: Program, d: Path) -> Result:
    corners = box(*A)
    again = (corners[2:] + corners[:2])[::-1]
    contours = [(PLANAR, _slice_z(4), corners), (PLANAR, _slice_z(4), again)]
    return _roi(p, d, contours, {4: _mask(A)})


@case(15, "one contour twice, the second with a point more and rounded")
def twice_rounded(p: Program, d: Path) -> Result:
    corners = [(x + 0.0004, y - 0.0004) for x, y in box(*A)]
    corners.insert(1, ((corners[0][0] + corners[1][0]) / 2, corners[0][1]))
    contours = [(PLANAR, _slice_z(4), box(*A)), (PLANAR, _slice_z(4), corners)]
    return _roi(p, d, contours, {4: _mask(A)})


@case(15, "one contour three times")
def thrice(p: Program, d: Path) -> Result:
    return _roi(p, d, [(PLANAR, _slice_z(4), box(*A))] * 3, {4: _mask(A)})


@case(15, "a contour that ends with its first point again, touching another")
def closed(p: Program, d: Path) -> Result:
    one, two = box(10, 10, 20, 20), box(20, 10, 30, 20)
    contours = [(PLANAR, _slice_z(4), [*one, one[0]]), (PLANAR, _slice_z(4), [*two, two[0]])]
    return _roi(p, d, contours, {4: _mask((10, 10, 30, 20))})


@case(15, "one ROI in two items")
def two_items(p: Program, d: Path) -> Result:
    contours = [(PLANAR, _slice_z(k), box(*A)) for k in (3, 4, 5, 6)]
    return _roi(p, d, contours, {k: _mask(A) for k in (3, 4, 5, 6)}, items=(1,))


@case(15, "ROI numbers 0 and 1: both kept, noted")
def zero(p: Program, d: Path) -> Result:
    ct = plain_ct(d / "ct")
    rois = [
        (0, "zero", [(PLANAR, _slice_z(4), box(10, 10, 20, 20))]),
        (1, "one", [(PLANAR, _slice_z(4), box(30, 10, 40, 20))]),
    ]
    found, notes, text = _labels(p, structures(d / "rt.dcm", rois), ct)
    right = found is not None and len(np.unique(found)) == 3 and (found > 0).sum() == 200
    return Result(right and "0" in notes, f"{text}; {notes.strip()[:120]}")


@case(15, "ROI number 70000: kept, or a free number, noted")
def big_roi(p: Program, d: Path) -> Result:
    return _roi(
        p, d, [(PLANAR, _slice_z(4), box(*A))], {4: _mask(A)}, number=70000, or_refused=True
    )


@case(15, "an OPEN_PLANAR and a POINT beside a contour: said")
def other_types(p: Program, d: Path) -> Result:
    contours: list[Contour] = [
        (PLANAR, _slice_z(4), box(*A)),
        ("POINT", _slice_z(5), [(0.0, 0.0)]),
        ("OPEN_PLANAR", _slice_z(6), box(5, 5, 9, 9)),
    ]
    return _roi(p, d, contours, {4: _mask(A)}, said=r"point|open|contour")


# -- 16: negative pixdim --------------------------------------------------------------------------


@case(16, "NIfTI with a negative pixdim (shared)")
def shared_pixdim(p: Program, d: Path) -> Result:
    return _pixdim(p, SHARED / "16-negative-pixdim/q_neg1.nii")


def _brightest_by_itk(path: Path) -> tuple[float, ...]:
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    index = np.argwhere(array == array.max())[0][::-1]
    return tuple(image.TransformIndexToPhysicalPoint([int(v) for v in index]))


def _brightest_by_nibabel(path: Path) -> np.ndarray:
    image = nib.load(path)
    array = np.asanyarray(image.dataobj)  # type: ignore[attr-defined]
    # The first in the order of SimpleITK's array, if several voxels are as bright.
    index = np.argwhere(array.max() == array.T)[0][::-1]
    return np.asarray(image.affine) @ (*index, 1)  # type: ignore[attr-defined]


def _pixdim(p: Program, path: Path) -> Result:
    info = p("info", path)
    wrong = []
    if info.code != 0:
        return Result(info.is_sentence, f"refused: {info.short}")
    if not re.search(r"mirror|negative", info.out, re.IGNORECASE):
        wrong.append("no note at opening")
    # Each library must find what was saved where it finds the source; they differ on where that is.
    saved = []
    for suffix in (".nii.gz", ".nrrd", ".mha"):
        target = p.target(suffix)
        answer = p("convert", path, target)
        if answer.code != 0:
            wrong += [] if answer.is_sentence else [answer.short]
            saved.append(f"{suffix} refused")
            continue
        ok = np.allclose(_brightest_by_itk(path), _brightest_by_itk(target), atol=1e-3)
        if suffix == ".nii.gz":
            places = _brightest_by_nibabel(path), _brightest_by_nibabel(target)
            ok &= np.allclose(*places, atol=1e-3)
        saved.append(f"{suffix} {'at its place' if ok else 'MOVED'}")
        wrong += [] if ok else [f"{suffix} moved"]
    if all("refused" in s for s in saved):
        wrong.append("nothing can be saved")
    return Result(not wrong, f"{', '.join(saved)} {wrong or ''}")


def _add_pixdim() -> None:
    for name, axes, quat in (
        ("pixdim[1], a qform", (1,), True),
        ("pixdim[2] and [3], a qform", (2, 3), True),
        ("pixdim[3], an sform too", (3,), False),
    ):

        def trial(p: Program, d: Path, axes=axes, quat=quat) -> Result:  # type: ignore[no-untyped-def]
            array = np.zeros((6, 5, 4), np.int16)
            array[1, 3, 2] = 9
            image = nib.Nifti1Image(array, None)
            image.header.set_qform(np.diag([1.0, 2.0, 3.0, 1.0]), code=1)
            image.header.set_sform(np.diag([1.0, 2.0, 3.0, 1.0]), code=0 if quat else 1)
            image.header.set_xyzt_units("mm")
            nib.save(image, d / "a.nii")
            data = bytearray((d / "a.nii").read_bytes())
            pixdim = np.frombuffer(data, "<f4", 8, 76).copy()
            for axis in axes:
                pixdim[axis] *= -1
            data[76 : 76 + 32] = pixdim.tobytes()
            (d / "a.nii").write_bytes(data)
            return _pixdim(p, d / "a.nii")

        case(16, f"negative {name}")(trial)


_add_pixdim()


@case(16, "mirrored .nii (determinant below zero), plain: saved at its place, no noise")
def mirrored(p: Program, d: Path) -> Result:
    array = np.zeros((6, 5, 4), np.int16)
    array[1, 3, 2] = 9
    image = nib.Nifti1Image(array, np.diag([-1.0, 2.0, 3.0, 1.0]))
    image.header.set_xyzt_units("mm")
    nib.save(image, d / "a.nii")
    result = _pixdim(p, d / "a.nii")
    return Result(
        "moved" not in result.came_out.lower() and "refused" not in result.came_out, result.came_out
    )


# -- 19: names of labels --------------------------------------------------------------------------


@case(19, "label names with backslash, quotes, line breaks, CJK, in every format")
def label_names(p: Program, d: Path) -> Result:
    ct = plain_ct(d / "ct")
    array = np.zeros((12, 48, 48), np.uint8)
    names = {1: r"a\b", 2: 'q"uote, ^~|=:=', 3: "間 🫀", 4: "x" * 70, 5: "tab\there"}
    for n in names:
        array[2:5, 4 * n : 4 * n + 3, 5:15] = n
    sitk.WriteImage(_on_ct(array), str(d / "l.nii.gz"))
    rows = "".join(
        f'{n},"{name.replace(chr(34), chr(34) * 2)}",255,0,0\n' for n, name in names.items()
    )
    (d / "names.csv").write_text("number,name,red,green,blue\n" + rows, encoding="utf-8")
    came, wrong = [], []
    for suffix in (".seg.dcm", ".rtstruct.dcm", ".seg.nrrd"):
        target = d / f"out{suffix}"
        answer = p(
            "convert", d / "l.nii.gz", target, "--image", ct, "--labels", "--names", d / "names.csv"
        )
        if answer.code != 0:
            came.append(f"{suffix} refused: {answer.short[:80]}")
            wrong += [] if answer.is_sentence else [suffix]
            continue
        kept = _stored_names(target)
        # SEG labels have 64 characters (LO); what is shortened or replaced must be said.
        changed = [n for n in names.values() if " ".join(n.split()) not in kept]
        unsaid = [n for n in changed if "became" not in answer.out + answer.err]
        came.append(f"{suffix}: {len(names) - len(changed)} of {len(names)} as given")
        wrong += [f"{suffix}: {n!a} became another, not said" for n in unsaid[:2]]
        if suffix != ".seg.nrrd" and any("\x1b" in str(k) for k in kept):
            wrong.append("control characters stored")
    return Result(not wrong, f"{'; '.join(came)} {wrong or ''}")


def _stored_names(path: Path) -> list[str]:
    if path.suffix == ".nrrd":
        image = sitk.ReadImage(str(path))
        keys = [k for k in image.GetMetaDataKeys() if re.fullmatch(r"Segment\d+_Name", k)]
        return [image.GetMetaData(k) for k in keys]
    header = pydicom.dcmread(path)
    if "SegmentSequence" in header:
        return [str(s.SegmentLabel) for s in header.SegmentSequence]
    return [str(s.ROIName) for s in header.StructureSetROISequence]
