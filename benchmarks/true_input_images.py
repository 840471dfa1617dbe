"""Cases of `true_input.py` that are images: which slices make a volume, and what they are worth."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import generate_uid
from true_input_files import (
    ANGIOGRAM,
    ENHANCED_CT,
    RADIOGRAPH,
    EnhancedFrame,
    damaged,
    enhanced,
    item,
    nuclear,
    projection,
    run,
    series,
)
from true_input_judge import EMPTY, SHARED, Result, case, judge, what_came
from true_input_program import Program

E1, E2 = list(range(100, 108)), list(range(500, 508))
ECHOES = (E1, E2)
ECHO_NAMED = r"echo|\bTE\b"


# -- 0: plain inputs, which must open as ever -----------------------------------------------------


@case(0, "CT, plain")
def plain(p: Program, d: Path) -> Result:
    return judge(p.found(series(d, run(E1), modality="CT")), [E1], quiet=True, step=3, lowest=[0])


@case(0, "CT, an acquisition time for each slice, numbers from the feet")
def times(p: Program, d: Path) -> Result:
    clock = [f"1200{k:02d}.5" for k in range(8)]
    slices = run(E1, AcquisitionTime=clock, ContentTime=clock, AcquisitionNumber=1)
    return judge(p.found(series(d, slices[::-1], modality="CT")), [E1], quiet=True)


@case(0, "CT, two acquisitions one above the other")
def stations(p: Program, d: Path) -> Result:
    slices = run(range(100, 120), AcquisitionNumber=[1] * 10 + [2] * 10)
    return judge(p.found(series(d, slices, modality="CT")), [range(100, 120)], quiet=True)


@case(0, "MR, an acquisition number, a trigger time and a time for each slice")
def numbers(p: Program, d: Path) -> Result:
    slices = run(
        E1,
        AcquisitionNumber=list(range(1, 9)),
        TriggerTime=[100.0 * k for k in range(8)],
        AcquisitionTime=[f"1200{k:02d}" for k in range(8)],
    )
    return judge(p.found(series(d, slices)), [E1], quiet=True)


@case(0, "MR, an echo time that is rounded differently")
def jitter(p: Program, d: Path) -> Result:
    slices = run(E1, EchoTime=["10", "10.0000001", "10.00", "9.9999999"] * 2)
    return judge(p.found(series(d, slices)), [E1], quiet=True)


@case(0, "MR, slices in interleaved order, two concatenations by acquisition number")
def concatenations(p: Program, d: Path) -> Result:
    slices = run(E1, AcquisitionNumber=[1, 2] * 4)
    return judge(p.found(series(d, slices)), [E1], quiet=True)


@case(0, "MR, three time points by TemporalPositionIdentifier")
def three_times(p: Program, d: Path) -> Result:
    slices = [
        s
        for t in range(3)
        for s in run([v + 100 * t for v in E1], TemporalPositionIdentifier=t + 1, EchoTime=30)
    ]
    return judge(p.found(series(d, slices)), [[v + 100 * t for v in E1] for t in range(3)])


@case(0, "MR, three time points by numbers alone")
def by_numbers(p: Program, d: Path) -> Result:
    slices = [s for t in range(3) for s in run([v + 100 * t for v in E1])]
    return judge(p.found(series(d, slices)), [[v + 100 * t for v in E1] for t in range(3)])


@case(1, "cine, eight phases of one slice by trigger time")
def cine(p: Program, d: Path) -> Result:
    slices = run(E1, step=0, TriggerTime=[50.0 * k for k in range(8)])
    return judge(p.found(series(d, slices)), [[v] for v in E1])


@case(0, "CT, a slice is missing")
def one_missing(p: Program, d: Path) -> Result:
    slices = [s for s in run(E1) if s.value != 103]
    found = p.found(series(d, slices, modality="CT"))
    return judge(found, [[100, 101, 102, EMPTY, 104, 105, 106, 107]], said="missing", step=3)


@case(0, "PET, a rescale slope for each slice")
def slopes(p: Program, d: Path) -> Result:
    slices = run(E1, RescaleSlope=[1 + k / 8 for k in range(8)], RescaleIntercept=0)
    right = [v * (1 + k / 8) for k, v in enumerate(E1)]
    return judge(p.found(series(d, slices, modality="CT")), [right], quiet=True)


# -- 1: echoes and their like ---------------------------------------------------------------------


@case(1, "two echoes, numbers start again (shared)")
def shared_restart(p: Program, d: Path) -> Result:
    return judge(p.found(SHARED / "01-echoes-mixed/d01_echo_restart"), ECHOES, said=ECHO_NAMED)


@case(1, "two echoes, no numbers (shared)")
def shared_no_number(p: Program, d: Path) -> Result:
    return judge(p.found(SHARED / "01-echoes-mixed/d01b_no_number"), ECHOES, said=ECHO_NAMED)


def _two(p: Program, d: Path, a: dict[str, object], b: dict[str, object], **more: object) -> Result:
    """Two volumes at the same places, told apart by a field alone; numbers start again."""
    slices = [
        s
        for n in range(8)
        for s in (
            run(E1, InstanceNumber=list(range(1, 9)), **a)[n],
            run(E2, InstanceNumber=list(range(1, 9)), **b)[n],
        )
    ]
    return judge(p.found(series(d, slices)), ECHOES, **more)  # type: ignore[arg-type]


TELL_APART: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "EchoNumbers": ({"EchoNumbers": 1}, {"EchoNumbers": 2}, ECHO_NAMED),
    "EchoTime, times near each other": ({"EchoTime": 2.3}, {"EchoTime": 2.46}, ECHO_NAMED),
    "TemporalPositionIdentifier": (
        {"TemporalPositionIdentifier": 1},
        {"TemporalPositionIdentifier": 2},
        "time|temporal|volume",
    ),
    "TriggerTime": ({"TriggerTime": 10}, {"TriggerTime": 400}, "trigger|time"),
    "b-value": ({"DiffusionBValue": 0.0}, {"DiffusionBValue": 1000.0}, r"\bb\b|b-value|1000"),
    "gradient direction": (
        {"DiffusionGradientOrientation": [1.0, 0.0, 0.0], "DiffusionBValue": 800.0},
        {"DiffusionGradientOrientation": [0.0, 1.0, 0.0], "DiffusionBValue": 800.0},
        "direction|gradient",
    ),
    "ImageType, magnitude and phase": (
        {"ImageType": ["ORIGINAL", "PRIMARY", "M", "ND"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
        "image type|magnitude|phase|PRIMARY|M",
    ),
    "ImageType, water and fat": (
        {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "WATER"]},
        {"ImageType": ["DERIVED", "PRIMARY", "DIXON", "FAT"]},
        "water",
    ),
    "AcquisitionNumber": ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2}, "acquisition"),
    "AcquisitionTime": (
        {"AcquisitionTime": "120000"},
        {"AcquisitionTime": "120500"},
        "time|12:05|1205",
    ),
    "AcquisitionDateTime": (
        {"AcquisitionDateTime": "20200101120000"},
        {"AcquisitionDateTime": "20200101120500"},
        "time|acqui",
    ),
    "InversionTime": ({"InversionTime": 100}, {"InversionTime": 2500}, r"inversion|\bTI\b"),
    "FlipAngle": ({"FlipAngle": 3}, {"FlipAngle": 15}, "flip"),
    "ComplexImageComponent": (
        {"ComplexImageComponent": "MAGNITUDE"},
        {"ComplexImageComponent": "PHASE"},
        "phase|magnitude|component",
    ),
    "EchoTime and AcquisitionNumber together": (
        {"EchoTime": 10, "AcquisitionNumber": 1},
        {"EchoTime": 30, "AcquisitionNumber": 2},
        r"echo|\bTE\b|acqui",
    ),
    "SequenceName": ({"SequenceName": "*tfl3d1"}, {"SequenceName": "*ep_b1000"}, "sequence|tfl"),
}


def _add_tell_apart() -> None:
    for name, (a, b, said) in TELL_APART.items():
        # A sentence is right too where the field is a rare one.
        rare = name in ("InversionTime", "FlipAngle", "ComplexImageComponent", "SequenceName")

        def trial(p: Program, d: Path, a=a, b=b, said=said, rare=rare) -> Result:  # type: ignore[no-untyped-def]
            return _two(p, d, a, b, said="" if rare else said, or_refused=rare)

        case(1, f"two volumes told apart by {name}")(trial)


_add_tell_apart()


@case(1, "three echoes, the files of the third first")
def three_echoes(p: Program, d: Path) -> Result:
    slices = [
        s
        for t, te in enumerate((5.0, 10.0, 15.0))
        for s in run([v + 200 * t for v in E1], EchoTime=te, EchoNumbers=t + 1)
    ]
    found = p.found(series(d, slices[::-1], numbered=False))
    return judge(found, [[v + 200 * t for v in E1] for t in range(3)], said=ECHO_NAMED)


@case(1, "the second echo has six of eight slices")
def unequal(p: Program, d: Path) -> Result:
    slices = run(E1, EchoTime=10) + run(E2, EchoTime=30)[1:7]
    found = p.found(series(d, slices))
    result = judge(found, [E1, E2[1:7]], said=ECHO_NAMED, step=3)
    # On the grid of the first, with a note of what is missing, is right too.
    on_grid = [E1, [EMPTY, *E2[1:7], EMPTY]]
    return result if result.right else judge(found, on_grid, said="missing", step=3)


@case(1, "the second echo has every second slice")
def half(p: Program, d: Path) -> Result:
    slices = run(E1, EchoTime=10) + run(E2, EchoTime=30)[::2]
    found = p.found(series(d, slices))
    result = judge(found, [E1, E2[::2]], said=ECHO_NAMED)
    on_grid = [E1, [v if n % 2 == 0 else EMPTY for n, v in enumerate(E2)]]
    return result if result.right else judge(found, on_grid, said="missing", step=3)


@case(1, "two echoes x three time points")
def echoes_times(p: Program, d: Path) -> Result:
    rows = [[v + 200 * e + 20 * t for v in E1] for e in range(2) for t in range(3)]
    slices = [
        s
        for e in range(2)
        for t in range(3)
        for s in run(rows[3 * e + t], EchoTime=10 + e, TemporalPositionIdentifier=t + 1)
    ]
    return judge(p.found(series(d, slices, numbered=False)), rows)


@case(1, "nothing tells two volumes apart, no numbers: a sentence, never a mixture")
def nothing(p: Program, d: Path) -> Result:
    found = p.found(series(d, run(E1) + run(E2), numbered=False))
    return judge(found, ECHOES, or_refused=True, said="tell|apart|same place|more than one")


@case(1, "nothing tells apart but the file's name; numbers all 1")
def all_one(p: Program, d: Path) -> Result:
    slices = run(E1, InstanceNumber=1) + run(E2, InstanceNumber=1)
    return judge(p.found(series(d, slices)), ECHOES, or_refused=True)


def _frames(groups_of: object, indexed: bool, dims: int = 2) -> list[EnhancedFrame]:
    frames = []
    for e, values in enumerate(ECHOES):
        for k, value in enumerate(values):
            index = ((k + 1, e + 1) if dims == 2 else (1, k + 1, e + 1)) if indexed else ()
            frames.append(EnhancedFrame(value, 3.0 * k, index, groups_of(e)))  # type: ignore[operator]
    return frames


@case(1, "enhanced MR: two echoes by EffectiveEchoTime, frames in any order")
def enhanced_echo(p: Program, d: Path) -> Result:
    frames = _frames(lambda e: {"MREchoSequence": item(EffectiveEchoTime=10.0 + 20 * e)}, False)
    return judge(p.found(enhanced(d / "mf.dcm", frames)), ECHOES, said=ECHO_NAMED)


@case(1, "enhanced MR: DimensionIndexValues alone, frames in any order")
def enhanced_index(p: Program, d: Path) -> Result:
    path = enhanced(
        d / "mf.dcm",
        _frames(lambda e: {}, True),
        pointers=("ImagePositionPatient", "EffectiveEchoTime"),
    )
    return judge(p.found(path), ECHOES, or_refused=False)


@case(1, "enhanced MR: b-values in MRDiffusionSequence")
def enhanced_b(p: Program, d: Path) -> Result:
    frames = _frames(lambda e: {"MRDiffusionSequence": item(DiffusionBValue=1000.0 * e)}, False)
    return judge(p.found(enhanced(d / "mf.dcm", frames)), ECHOES, said=r"\bb\b|b-value|1000")


@case(1, "enhanced MR: TemporalPositionIndex, frames in any order")
def enhanced_time(p: Program, d: Path) -> Result:
    frames = _frames(lambda e: {"FrameContentSequence": item(TemporalPositionIndex=e + 1)}, False)
    return judge(p.found(enhanced(d / "mf.dcm", frames)), ECHOES)


@case(1, "enhanced MR: magnitude and phase by FrameType and component")
def enhanced_phase(p: Program, d: Path) -> Result:
    names = ("MAGNITUDE", "PHASE")
    frames = _frames(
        lambda e: {
            "MRImageFrameTypeSequence": item(
                FrameType=["ORIGINAL", "PRIMARY", "M_FFE" if e == 0 else "PHASE MAP", "NONE"],
                ComplexImageComponent=names[e],
            )
        },
        False,
    )
    return judge(p.found(enhanced(d / "mf.dcm", frames)), ECHOES)


@case(1, "enhanced CT: two stacks at the same places by StackID")
def enhanced_stack(p: Program, d: Path) -> Result:
    frames = _frames(
        lambda e: {"FrameContentSequence": item(StackID=str(e + 1), InStackPositionNumber=1)}, False
    )
    path = enhanced(d / "mf.dcm", frames, sop_class=ENHANCED_CT)
    return judge(p.found(path), ECHOES, or_refused=True)


@case(1, "enhanced MR: nothing tells the frames apart")
def enhanced_nothing(p: Program, d: Path) -> Result:
    # The order of frames is all there is; it was shuffled, so that a mixture shows.
    path = enhanced(d / "mf.dcm", _frames(lambda e: {}, False))
    return judge(p.found(path), ECHOES, or_refused=True)


# -- 3, 4: two passes -----------------------------------------------------------------------------

P1, P2 = [120 + k for k in range(10)], [260 + k for k in range(10)]


def _passes(p: Program, d: Path, offset: float, **more: object) -> Result:
    one, two = ({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2})
    for name, (a, b) in dict(more.pop("fields", {})).items():  # type: ignore[call-overload]
        one, two = one | {name: a}, two | {name: b}
    slices = run(P1, step=5, **one) + run(P2, first=offset, step=5, **two)
    fields = {k: more.pop(k) for k in list(more) if k == "numbered"}
    found = p.found(series(d, slices, modality="CT", **fields))  # type: ignore[arg-type]
    return judge(found, [P1, P2], step=5, lowest=[0, offset], **more)  # type: ignore[arg-type]


def _shared_passes(p: Program, folder: str) -> Result:
    """Each pass by its AcquisitionNumber; the highest value of a slice tells the passes apart."""
    passes: dict[int, list[tuple[float, float]]] = {}
    for path in (SHARED / folder).iterdir():
        header = pydicom.dcmread(path)
        values = pydicom.pixels.apply_modality_lut(header.pixel_array, header)
        place = float(header.ImagePositionPatient[2]), float(values.max())
        passes.setdefault(int(header.AcquisitionNumber), []).append(place)
    right = [[value for _, value in sorted(places)] for places in passes.values()]
    lowest = [min(places)[0] for places in passes.values()]
    found = p.found(SHARED / folder)
    return judge(found, right, step=5, lowest=lowest, said="acqui", of=np.max)


@case(3, "two passes by turns (shared)")
def shared_turns(p: Program, d: Path) -> Result:
    return _shared_passes(p, "03-two-passes-interleaved/d02_two_pass_offset")


@case(3, "two passes by turns, built, numbers absent")
def turns(p: Program, d: Path) -> Result:
    return _passes(p, d, 2.5, numbered=False, said="acqui")


@case(3, "two passes by turns, kernels differ, one acquisition number")
def kernels(p: Program, d: Path) -> Result:
    return _passes(
        p, d, 2.5, fields={"ConvolutionKernel": ("B30f", "B70f"), "AcquisitionNumber": (1, 1)}
    )


@case(3, "two passes by turns, told apart by the contrast agent alone")
def contrast(p: Program, d: Path) -> Result:
    fields = {"ContrastBolusAgent": ("", "Omni 300"), "AcquisitionNumber": (1, 1)}
    return _passes(p, d, 2.5, fields=fields)


@case(3, "two passes by turns, told apart by AcquisitionTime (one for each slice) alone")
def pass_times(p: Program, d: Path) -> Result:
    one = run(P1, step=5, AcquisitionTime=[f"1200{k:02d}.0" for k in range(10)])
    two = run(P2, first=2.5, step=5, AcquisitionTime=[f"1210{k:02d}.0" for k in range(10)])
    found = p.found(series(d, one + two, modality="CT", numbered=False))
    return judge(found, [P1, P2], step=5, or_refused=True)


@case(3, "dual energy: two kVp at the same places")
def energies(p: Program, d: Path) -> Result:
    fields = {"KVP": (80, 140), "AcquisitionNumber": (1, 1)}
    return _passes(p, d, 0.0, fields=fields, numbered=False, said="kv|80")


@case(3, "cardiac phases at the same places by NominalPercentageOfCardiacPhase")
def phases(p: Program, d: Path) -> Result:
    fields = {"NominalPercentageOfCardiacPhase": (35.0, 75.0), "AcquisitionNumber": (1, 1)}
    return _passes(p, d, 0.0, fields=fields, numbered=False, said="phase|75|35")


@case(4, "passes 0.02 mm off (shared)")
def shared_near(p: Program, d: Path) -> Result:
    return _shared_passes(p, "04-two-passes-other/d33_two_phase_0.02")


@case(4, "passes 1.3 mm off (shared)")
def shared_off(p: Program, d: Path) -> Result:
    return _shared_passes(p, "04-two-passes-other/d34_two_phase_1.3")


@case(4, "passes 0.4 mm off, built")
def off(p: Program, d: Path) -> Result:
    return _passes(p, d, 0.4, said="acqui")


@case(4, "passes 0.0004 mm off: rounding")
def rounding(p: Program, d: Path) -> Result:
    return _passes(p, d, 0.0004, said="acqui")


@case(4, "passes overlap in part, at the same places")
def partial(p: Program, d: Path) -> Result:
    return _passes(p, d, 30.0, said="acqui")


@case(4, "passes overlap in part, 1.7 mm off")
def partial_off(p: Program, d: Path) -> Result:
    return _passes(p, d, 31.7, said="acqui")


@case(4, "passes of 5 mm and of 3 mm slices")
def distances(p: Program, d: Path) -> Result:
    slices = run(P1, step=5, AcquisitionNumber=1) + run(P2, first=1, step=3, AcquisitionNumber=2)
    return judge(p.found(series(d, slices, modality="CT")), [P1, P2], said="acqui")


@case(4, "three passes, 0.6 mm off each other")
def three_passes(p: Program, d: Path) -> Result:
    rows = [[v + 100 * n for v in P1] for n in range(3)]
    slices = [
        s for n in range(3) for s in run(rows[n], first=0.6 * n, step=5, AcquisitionNumber=n + 1)
    ]
    return judge(p.found(series(d, slices, modality="CT")), rows, step=5, said="acqui")


# -- 5: MONOCHROME1 -------------------------------------------------------------------------------


def _by_pydicom(folder: Path) -> list[float]:
    """The median of each slice by its modality transform, from the feet up."""
    headers = [pydicom.dcmread(f) for f in sorted(folder.iterdir())]
    headers.sort(key=lambda h: h.ImagePositionPatient[2])
    return [float(np.median(pydicom.pixels.apply_modality_lut(h.pixel_array, h))) for h in headers]


@case(5, "CT of MONOCHROME1 (shared)")
def shared_mono1(p: Program, d: Path) -> Result:
    folder = SHARED / "05-mono1-hu-and-suv/d20_ct_mono1"
    return judge(p.found(folder), [_by_pydicom(folder)], tolerance=0.5)


@case(5, "PET in SUV, MONOCHROME1 as MONOCHROME2 (shared)")
def shared_suv(p: Program, d: Path) -> Result:
    right = p.found(SHARED / "05-mono1-hu-and-suv/d21b_pet_suv_mono2")
    found = p.found(SHARED / "05-mono1-hu-and-suv/d21_pet_suv_mono1")
    return judge(found, [v.by_slice() for v in right.volumes], said="SUV")


@case(5, "CT of MONOCHROME1, signed, run lengths, a slope")
def mono1_rle(p: Program, d: Path) -> Result:
    slices = run(E1, RescaleSlope=2, RescaleIntercept=-1024)
    folder = series(d, slices, modality="CT", PhotometricInterpretation="MONOCHROME1")
    for path in folder.iterdir():
        header = pydicom.dcmread(path)
        header.compress(pydicom.uid.RLELossless)
        header.save_as(path)
    return judge(p.found(folder), [[2 * v - 1024 for v in E1]])


@case(5, "MR of MONOCHROME1, unsigned 8 bits in 16")
def mono1_mr(p: Program, d: Path) -> Result:
    fields = {"PhotometricInterpretation": "MONOCHROME1", "BitsStored": 10, "HighBit": 9}
    found = p.found(series(d, run(E1), PixelRepresentation=0, **fields))
    return judge(found, [E1])


@case(5, "enhanced CT of MONOCHROME1, a slope for each frame")
def mono1_enhanced(p: Program, d: Path) -> Result:
    frames = [
        EnhancedFrame(
            v,
            3.0 * k,
            groups={
                "PixelValueTransformationSequence": item(RescaleSlope=1 + k, RescaleIntercept=-5)
            },
        )
        for k, v in enumerate(E1)
    ]
    path = enhanced(
        d / "mf.dcm", frames, sop_class=ENHANCED_CT, PhotometricInterpretation="MONOCHROME1"
    )
    return judge(p.found(path), [[v * (1 + k) - 5 for k, v in enumerate(E1)]])


@case(5, "radiograph of MONOCHROME1: values as stored")
def mono1_radiograph(p: Program, d: Path) -> Result:
    path = projection(
        d / "dx.dcm",
        sop_class=RADIOGRAPH,
        modality="DX",
        PhotometricInterpretation="MONOCHROME1",
        PixelSpacing=[0.1, 0.1],
    )
    found = p.found(path)
    values = sorted(set(np.unique(found.volumes[0].voxels).tolist())) if found.volumes else []
    return Result(values == [900, 1800], f"values {values}; {what_came(found)}")


# -- 6: magnification -----------------------------------------------------------------------------


def _disc(p: Program, path: Path, diameter: float, said: str = "", quiet: bool = False) -> Result:
    """Label the disc and measure it; 118 pixels across."""
    import SimpleITK as sitk

    found = p.found(path)
    target = p.target()
    if p("convert", path, target).code != 0 or not found.volumes:
        return Result(False, what_came(found))
    image = sitk.ReadImage(str(target))
    labels = sitk.Cast(image > 1000, sitk.sitkUInt8)
    sitk.WriteImage(labels, str(lab := p.target()))
    import json

    answer = p("measure", lab, "--image", path, "--json")
    if answer.code != 0:
        return Result(False, answer.short)
    (row,) = json.loads(answer.out)["measures"]
    text = found.said + answer.out + answer.err
    import re

    is_said = not said or re.search(said, text, re.IGNORECASE) is not None
    wrong = [] if is_said else [f"/{said}/ not said"]
    if row["ml"] is not None:
        wrong.append(f"{row['ml']} ml of a flat picture")
    if abs((row["long"] or 0) - diameter) > 0.02 * diameter:
        wrong.append(f"not {diameter:g}")
    if quiet and found.notes:
        wrong.append(f"new noise: {found.notes[0]}")
    came = f"disc of {row['long']} {row['length_unit']}, ml {row['ml']}"
    return Result(not wrong, came + (f" [{', '.join(wrong)}]" if wrong else ""))


SPACING = {"ImagerPixelSpacing": [0.1, 0.1]}
MAGNIFIED = "magnif|detector"


@case(6, "mammogram, factor 1.8 (shared)")
def shared_mg(p: Program, d: Path) -> Result:
    return _disc(p, SHARED / "06-mammogram-magnified/d05_mg_ermf/mg.dcm", 12.08 / 1.8, MAGNIFIED)


@case(6, "mammogram, SID 660 and SOD 600, no factor")
def sid(p: Program, d: Path) -> Result:
    fields = {"DistanceSourceToDetector": 660, "DistanceSourceToPatient": 600}
    return _disc(p, projection(d / "mg.dcm", **SPACING, **fields), 11.8 / 1.1, MAGNIFIED)


@case(6, "mammogram, factor 1.05, RLE, a window")
def ermf(p: Program, d: Path) -> Result:
    fields = {"EstimatedRadiographicMagnificationFactor": 1.05}
    return _disc(p, projection(d / "mg.dcm", **SPACING, **fields), 11.8 / 1.05, MAGNIFIED)


@case(6, "radiograph, ImagerPixelSpacing alone: at the detector, said")
def detector(p: Program, d: Path) -> Result:
    path = projection(d / "dx.dcm", sop_class=RADIOGRAPH, modality="DX", **SPACING)
    return _disc(p, path, 11.8, "detector")


@case(6, "radiograph, SOD beyond SID (nonsense): at the detector, said")
def nonsense(p: Program, d: Path) -> Result:
    fields = {"DistanceSourceToDetector": 600, "DistanceSourceToPatient": 900}
    path = projection(d / "dx.dcm", sop_class=RADIOGRAPH, modality="DX", **SPACING, **fields)
    return _disc(p, path, 11.8, "detector")


@case(6, "radiograph, PixelSpacing calibrated: as it is, not divided")
def calibrated(p: Program, d: Path) -> Result:
    path = projection(
        d / "dx.dcm",
        sop_class=RADIOGRAPH,
        modality="DX",
        **SPACING,
        PixelSpacing=[0.08, 0.08],
        PixelSpacingCalibrationType="FIDUCIAL",
        EstimatedRadiographicMagnificationFactor=1.5,
    )
    return _disc(p, path, 9.44)


@case(6, "mammogram, PixelSpacing equals ImagerPixelSpacing, factor 1.8")
def uncorrected(p: Program, d: Path) -> Result:
    # PS3.3 10.7.1.3: equal values mean that the pixel spacing is that of the detector.
    path = projection(
        d / "mg.dcm",
        **SPACING,
        PixelSpacing=[0.1, 0.1],
        EstimatedRadiographicMagnificationFactor=1.8,
    )
    result = _disc(p, path, 11.8 / 1.8, MAGNIFIED)
    return result if result.right else _disc(p, path, 11.8, "detector")


@case(6, "angiogram, SID 1000 and SOD 750")
def angiogram(p: Program, d: Path) -> Result:
    fields = {"DistanceSourceToDetector": 1000, "DistanceSourceToPatient": 750}
    path = projection(d / "xa.dcm", sop_class=ANGIOGRAM, modality="XA", **SPACING, **fields)
    return _disc(p, path, 11.8 * 0.75, MAGNIFIED)


@case(6, "mammogram with a thickness of the breast: no ml")
def thickness(p: Program, d: Path) -> Result:
    fields = {"BodyPartThickness": 50, "EstimatedRadiographicMagnificationFactor": 1.0}
    return _disc(p, projection(d / "mg.dcm", **SPACING, **fields), 11.8)


@case(6, "flat picture with SliceThickness, no place: no ml")
def flat(p: Program, d: Path) -> Result:
    fields = {"PixelSpacing": [0.1, 0.1], "SliceThickness": 1.0}
    path = projection(d / "dx.dcm", sop_class=RADIOGRAPH, modality="DX", **fields)
    return _disc(p, path, 11.8)


# -- 7: damaged files -----------------------------------------------------------------------------


@case(7, "the last file is cut off (shared)")
def shared_cut(p: Program, d: Path) -> Result:
    return _named(p, SHARED / "07-end-slice-dropped/ct_trunc_end", "011.dcm")


def _named(p: Program, folder: Path, *names: str) -> Result:
    found = p.found(folder)
    missing = [name for name in names if name not in found.said]
    crashed = [a for a in found.failures if not a.is_sentence]
    wrong = [f"{name} not named" for name in missing] + [a.short for a in crashed]
    return Result(not wrong and bool(found.volumes), f"{what_came(found)} [{', '.join(wrong)}]")


def _cut(p: Program, d: Path, which: tuple[int, ...], keep: float = 0.9) -> Result:
    folder = series(d, run(E1), modality="CT")
    by_height = sorted(folder.iterdir(), key=lambda f: pydicom.dcmread(f).ImagePositionPatient[2])
    for k in which:
        damaged(by_height[k], keep)
    result = _named(p, folder, *(by_height[k].name for k in which))
    found = p.found(folder)
    if not result.right or not found.volumes:
        return result
    volume = found.volumes[0]
    heights: dict[float, list[float]] = {}
    for k, value in enumerate(volume.by_slice()):
        heights.setdefault(value, []).append(volume.lowest_z + k * volume.step)
    right = {100.0 + k: 3.0 * k for k in range(8) if k not in which}
    moved = [v for v, z in right.items() if all(abs(h - z) > 0.01 for h in heights.get(v, []))]
    return Result(not moved, result.came_out + (f" [lost or moved: {moved}]" if moved else ""))


@case(7, "the first is cut off")
def first(p: Program, d: Path) -> Result:
    return _cut(p, d, (0,))


@case(7, "one in the middle is cut off")
def middle(p: Program, d: Path) -> Result:
    result = _cut(p, d, (4,))
    return result


@case(7, "two are cut off, one at the end")
def two_cut(p: Program, d: Path) -> Result:
    return _cut(p, d, (3, 7))


@case(7, "one is empty (0 bytes)")
def empty(p: Program, d: Path) -> Result:
    return _cut(p, d, (7,), keep=0)


@case(7, "one is cut off within its header")
def header_cut(p: Program, d: Path) -> Result:
    return _cut(p, d, (7,), keep=0.35)


@case(7, "one is full of zeros after the header of the file")
def zeros(p: Program, d: Path) -> Result:
    folder = series(d, run(E1), modality="CT")
    last = max(folder.iterdir(), key=lambda f: pydicom.dcmread(f).ImagePositionPatient[2])
    data = last.read_bytes()
    last.write_bytes(data[:300] + bytes(len(data) - 300))
    return _named(p, folder, last.name)


@case(7, "all are cut off: one sentence")
def all_cut(p: Program, d: Path) -> Result:
    folder = series(d, run(E1), modality="CT")
    for path in folder.iterdir():
        damaged(path, 0.9)
    return judge(p.found(folder), [], or_refused=True, said="damaged|cut|incomplete|truncated")


@case(7, "one in a zip is cut off")
def zip_cut(p: Program, d: Path) -> Result:
    folder = series(d / "ct", run(E1), modality="CT")
    last = max(folder.iterdir(), key=lambda f: pydicom.dcmread(f).ImagePositionPatient[2])
    damaged(last, 0.9)
    with zipfile.ZipFile(d / "ct.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    return _named(p, d / "ct.zip", last.name)


# -- 17, 23: what GDCM refuses, and bits ----------------------------------------------------------


@case(17, "signed CT with RescaleIntercept 32768 (shared)")
def shared_intercept(p: Program, d: Path) -> Result:
    folder = SHARED / "17-gdcm-refuses-header/d23_int16_32768"
    return judge(p.found(folder), [_by_pydicom(folder)])


def _values(p: Program, d: Path, **fields: object) -> Result:
    folder = series(d, run(E1), modality="CT", **fields)
    return judge(p.found(folder), [_by_pydicom(folder)], tolerance=1e-2)


@case(17, "series with RescaleIntercept 40000 and slope 2")
def intercept(p: Program, d: Path) -> Result:
    return _values(p, d, RescaleIntercept=40000, RescaleSlope=2)


@case(17, "series with RescaleIntercept -100000.5")
def negative_intercept(p: Program, d: Path) -> Result:
    return _values(p, d, RescaleIntercept=-100000.5, RescaleSlope=1)


@case(17, "series with slope 1e-6")
def tiny_slope(p: Program, d: Path) -> Result:
    folder = series(d, run(E1), modality="MR", RescaleIntercept=0, RescaleSlope=1e-6)
    return judge(p.found(folder), [_by_pydicom(folder)], tolerance=1e-8)


@case(17, "series with an intercept of 1e10")
def huge(p: Program, d: Path) -> Result:
    return _values(p, d, RescaleIntercept=1e10, RescaleSlope=1)


@case(23, "12 bits in the upper bits (shared)")
def shared_bits(p: Program, d: Path) -> Result:
    import glob

    folder = SHARED / "23-highbit-15/d25_highbit15"
    header = pydicom.dcmread(glob.glob(f"{folder}/*")[0])
    raw = np.frombuffer(header.PixelData, np.uint16)
    slope, shift = float(header.get("RescaleSlope", 1)), float(header.get("RescaleIntercept", 0))
    right = (raw >> (header.HighBit + 1 - header.BitsStored)) * slope + shift
    found = p.found(folder)
    return judge(found, [[float(np.median(right))]], or_refused=True)


def _upper(p: Program, d: Path, signed: bool) -> Result:
    values = [v + 900 for v in E1]
    folder = series(
        d,
        run([v << 4 for v in values]),
        modality="CT",
        BitsStored=12,
        HighBit=15,
        PixelRepresentation=int(signed),
    )
    return judge(p.found(folder), [values], or_refused=True)


@case(23, "series of 12 bits in the upper bits, unsigned")
def upper(p: Program, d: Path) -> Result:
    return _upper(p, d, False)


@case(23, "series of 12 bits in the upper bits, signed")
def upper_signed(p: Program, d: Path) -> Result:
    return _upper(p, d, True)


@case(23, "12 bits, HighBit 11, and an overlay in the upper bits")
def overlay(p: Program, d: Path) -> Result:
    folder = series(
        d,
        run([v | 0x4000 for v in E1]),
        modality="CT",
        BitsStored=12,
        HighBit=11,
        PixelRepresentation=0,
    )
    return judge(p.found(folder), [E1], or_refused=True)


# -- 20: copies -----------------------------------------------------------------------------------


@case(20, "a series copied twice (shared)")
def shared_copies(p: Program, d: Path) -> Result:
    found = p.found(SHARED / "20-copies-and-lost-slice/dups")
    one = p.found(SHARED / "20-copies-and-lost-slice/dups/a")
    return judge(found, [v.by_slice() for v in one.volumes])


@case(20, "the shared series of which a time lost a slice")
def shared_lost(p: Program, d: Path) -> Result:
    folders = [f for f in (SHARED / "20-copies-and-lost-slice").iterdir() if f.name != "dups"]
    if not folders:
        return Result(True, "no such folder")
    return _all_values(p, folders[0])


def _all_values(p: Program, folder: Path) -> Result:
    """No value of the folder's files is lost, and what misses is said."""
    stored = set()
    for path in folder.rglob("*"):
        if path.is_file():
            header = pydicom.dcmread(path)
            stored.add(
                float(np.median(pydicom.pixels.apply_modality_lut(header.pixel_array, header)))
            )
    found = p.found(folder)
    given = {v for volume in found.volumes for v in volume.by_slice()}
    lost = sorted(stored - given)
    wrong = ([f"lost: {lost[:5]}"] if lost else []) + (
        [] if "missing" in found.said or "lack" in found.said else ["missing not said"]
    )
    return Result(not wrong, what_came(found) + (f" [{', '.join(wrong)}]" if wrong else ""))


@case(20, "a copy under other names, one slice in three copies")
def copies(p: Program, d: Path) -> Result:
    folder = series(d / "a", run(E1), modality="CT")
    for n, path in enumerate(sorted(folder.iterdir())):
        (d / "b").mkdir(exist_ok=True)
        shutil.copy(path, d / "b" / f"IMG{7 * n % 8}")
        if n == 3:
            shutil.copy(path, d / "one more")
    return judge(p.found(d), [E1])


@case(20, "half of a series copied")
def half_copied(p: Program, d: Path) -> Result:
    folder = series(d / "a", run(E1), modality="CT")
    (d / "b").mkdir()
    for path in sorted(folder.iterdir())[:4]:
        shutil.copy(path, d / "b")
    return judge(p.found(d), [E1])


@case(20, "a folder, its zip and a DICOMDIR together")
def with_zip(p: Program, d: Path) -> Result:
    folder = series(d / "DICOM", run(E1), modality="CT")
    with zipfile.ZipFile(d / "DICOM.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    from pydicom.fileset import FileSet

    source = series(
        d / "made",
        run(E1),
        modality="CT",
        SeriesInstanceUID=generate_uid(),
        PatientID="P",
        PatientName="N",
        StudyDate="20200101",
        StudyTime="120000",
        StudyID="1",
        SeriesNumber=1,
        AccessionNumber="",
    )
    files = FileSet()
    for path in source.iterdir():
        files.add(pydicom.dcmread(path))
    files.write(d / "disc")
    shutil.rmtree(folder)
    shutil.rmtree(source)
    (d / "disc" / "series.zip").write_bytes((d / "DICOM.zip").read_bytes())
    os.remove(d / "DICOM.zip")
    return judge(p.found(d / "disc"), [E1])


@case(20, "a copied time series: two times, twice")
def copied_times(p: Program, d: Path) -> Result:
    slices = run(E1, TemporalPositionIdentifier=1) + run(E2, TemporalPositionIdentifier=2)
    folder = series(d / "a", slices)
    shutil.copytree(folder, d / "b")
    return judge(p.found(d), ECHOES)


@case(20, "equal identifiers, other pixels: said, nothing lost in silence")
def clash(p: Program, d: Path) -> Result:
    uids = [generate_uid() for _ in range(8)]
    uid = generate_uid()
    series(d / "a", run(E1, SOPInstanceUID=uids), modality="CT", SeriesInstanceUID=uid)
    series(d / "b", run(E2, SOPInstanceUID=uids), modality="CT", SeriesInstanceUID=uid, seed=2)
    found = p.found(d)
    result = judge(found, ECHOES, or_refused=True)
    if result.right:
        return result
    # One of the two may be taken if it is said that the other differs.
    one = judge(found, [E1], said="differ|same identifier|copies")
    return one if one.right else judge(found, [E2], said="differ|same identifier|copies")


@case(20, "three times, one lost a slice in the middle")
def lost(p: Program, d: Path) -> Result:
    slices = [
        s
        for t in range(3)
        for s in run([v + 100 * t for v in E1], TemporalPositionIdentifier=t + 1)
        if s.value != 203
    ]
    return _all_values(p, series(d, slices))


@case(20, "three times, one lost its last slice, no times in the header")
def lost_end(p: Program, d: Path) -> Result:
    slices = [s for t in range(3) for s in run([v + 100 * t for v in E1]) if s.value != 207]
    return _all_values(p, series(d, slices))


# -- 21: nuclear medicine -------------------------------------------------------------------------

N = list(range(10, 20))


@case(21, "SPECT (shared)")
def shared_spect(p: Program, d: Path) -> Result:
    path = SHARED / "21-spect-is-a-film/d07_spect_pos/nm.dcm"
    frames = pydicom.dcmread(path).pixel_array
    return judge(p.found(path), [[float(np.median(f)) for f in frames]], step=4, lowest=[20])


@case(21, "SPECT, SpacingBetweenSlices 4")
def spect(p: Program, d: Path) -> Result:
    found = p.found(nuclear(d / "nm.dcm", N, SpacingBetweenSlices=4.0))
    return judge(found, [N], step=4, lowest=[20])


@case(21, "SPECT, SpacingBetweenSlices -4: downwards")
def spect_down(p: Program, d: Path) -> Result:
    found = p.found(nuclear(d / "nm.dcm", N, SpacingBetweenSlices=-4.0))
    return judge(found, [N[::-1]], step=4, lowest=[20 - 36])


@case(21, "SPECT without SpacingBetweenSlices: the thickness, said")
def spect_thickness(p: Program, d: Path) -> Result:
    found = p.found(nuclear(d / "nm.dcm", N))
    return judge(found, [N], step=4, said="thick|spacing", or_refused=True)


@case(21, "SPECT, slices stored by a SliceVector in another order")
def spect_vector(p: Program, d: Path) -> Result:
    order = [3, 1, 2, 5, 4, 6, 8, 7, 10, 9]
    found = p.found(
        nuclear(
            d / "nm.dcm", [N[k - 1] for k in order], SliceVector=order, SpacingBetweenSlices=4.0
        )
    )
    # Whose place DetectorInformationSequence states is read in two ways: that of the first slice,
    # or of the first one in the file (PS3.3 C.8.4.8).
    return judge(found, [N], step=4)


@case(21, "SPECT, two time slots")
def spect_slots(p: Program, d: Path) -> Result:
    path = nuclear(
        d / "nm.dcm",
        [*N, *(v + 50 for v in N)],
        SliceVector=list(range(1, 11)) * 2,
        NumberOfSlices=10,
        SpacingBetweenSlices=4.0,
        TimeSlotVector=[1] * 10 + [2] * 10,
        NumberOfTimeSlots=2,
        FrameIncrementPointer=[0x00540070, 0x00540080],
        ImageType=["ORIGINAL", "PRIMARY", "RECON GATED TOMO", "EMISSION"],
    )
    return judge(p.found(path), [N, [v + 50 for v in N]], step=4)


@case(21, "dynamic planar scan: pictures, never a volume")
def planar(p: Program, d: Path) -> Result:
    path = nuclear(
        d / "nm.dcm",
        N,
        ImageType=["ORIGINAL", "PRIMARY", "DYNAMIC", "EMISSION"],
        SliceVector=None,
        NumberOfSlices=None,
        TimeSliceVector=list(range(1, 11)),
        FrameIncrementPointer=[0x00540100],
    )
    return judge(p.found(path), [[v] for v in N])


@case(21, "raw projections of a SPECT (TOMO): pictures, never a volume")
def projections(p: Program, d: Path) -> Result:
    path = nuclear(
        d / "nm.dcm",
        N,
        ImageType=["ORIGINAL", "PRIMARY", "TOMO", "EMISSION"],
        SliceVector=None,
        NumberOfSlices=None,
        AngularViewVector=list(range(1, 11)),
        FrameIncrementPointer=[0x00540090],
    )
    return judge(p.found(path), [[v] for v in N])


# -- 22: no position ------------------------------------------------------------------------------


@case(22, "CT without ImagePositionPatient (shared)")
def shared_no_position(p: Program, d: Path) -> Result:
    found = p.found(SHARED / "22-no-position/d19_no_position")
    values = _medians(SHARED / "22-no-position/d19_no_position")
    return judge(found, [values], or_refused=True, said="position|place|location")


def _medians(folder: Path) -> list[float]:
    headers = sorted(
        (pydicom.dcmread(f) for f in folder.iterdir()),
        key=lambda h: float(h.get("SliceLocation", 0)),
    )
    return [float(np.median(pydicom.pixels.apply_modality_lut(h.pixel_array, h))) for h in headers]


@case(22, "no position, no SliceLocation: one sentence")
def no_place(p: Program, d: Path) -> Result:
    found = p.found(series(d, run(E1), modality="CT", ImagePositionPatient=None))
    return judge(found, [E1], or_refused=True, said="position|place")


@case(22, "no position and no orientation, SliceLocation downwards by number")
def no_orientation(p: Program, d: Path) -> Result:
    slices = run(E1, SliceLocation=[21.0 - 3 * k for k in range(8)])
    fields = {"ImagePositionPatient": None, "ImageOrientationPatient": None}
    found = p.found(series(d, slices, modality="CT", **fields))
    right = judge(found, [E1], or_refused=True, said="position|place|location")
    return right if right.right else judge(found, [E1[::-1]], said="position|place|location")


@case(22, "one of eight slices has no position")
def one_without(p: Program, d: Path) -> Result:
    slices = run(E1)
    slices[3].fields["ImagePositionPatient"] = None
    found = p.found(series(d, slices, modality="CT"))
    if found.refusal is not None:
        return judge(found, [E1], or_refused=True, said="position|place")
    ok = judge(found, [[100, 101, 102, EMPTY, 104, 105, 106, 107]], said="position|place")
    return (
        ok
        if ok.right
        else judge(
            found, [[100, 101, 102, EMPTY, 104, 105, 106, 107], [103]], said="position|place"
        )
    )


# -- 19: names of series --------------------------------------------------------------------------


@case(19, "a series description in ISO 2022 IR 87 (shared)")
def shared_jp(p: Program, d: Path) -> Result:
    return _name(p, SHARED / "19-names-of-series-and-labels/ct_jp", "腹部CT")


@case(19, "a series description in ISO_IR 100 (shared)")
def shared_l1(p: Program, d: Path) -> Result:
    folder = SHARED / "19-names-of-series-and-labels/ct_l1"
    right = pydicom.dcmread(next(folder.iterdir())).SeriesDescription
    return _name(p, folder, str(right))


def _name(p: Program, folder: Path, name: str) -> Result:
    found = p.found(folder)
    names = [image["name"] for image in found.images]
    controls = [c for c in found.said if ord(c) < 32 and c not in "\n\r\t"]
    right = names == [name] and not controls
    return Result(right, f"{names!a}" + (f" [control characters {controls}]" if controls else ""))


def _described(p: Program, d: Path, charset: object, raw: bytes, name: str) -> Result:
    """Write the bytes themselves, as a hospital's machine does."""
    folder = series(
        d,
        run(E1),
        modality="CT",
        SpecificCharacterSet=charset,
        SeriesDescription="X" * (len(raw) + len(raw) % 2),
    )
    for path in folder.iterdir():
        data = path.read_bytes()
        mark = b"X" * (len(raw) + len(raw) % 2)
        assert data.count(mark) == 1
        path.write_bytes(data.replace(mark, raw + b" " * (len(raw) % 2)))
    return _name(p, folder, name)


@case(19, "GB18030")
def gb(p: Program, d: Path) -> Result:
    return _described(p, d, "GB18030", "腹部增强扫描".encode("gb18030"), "腹部增强扫描")


@case(19, "ISO_IR 192 (UTF-8)")
def utf8(p: Program, d: Path) -> Result:
    return _described(p, d, "ISO_IR 192", "brzuch żółć 肝".encode(), "brzuch żółć 肝")


@case(19, "ISO_IR 144 (Cyrillic)")
def cyrillic(p: Program, d: Path) -> Result:
    return _described(p, d, "ISO_IR 144", "Брюшная".encode("iso8859_5"), "Брюшная")


@case(19, "ISO 2022 IR 149 (Korean)")
def korean(p: Program, d: Path) -> Result:
    raw = b"\x1b$)C" + "복부 검사".encode("euc_kr")
    return _described(p, d, ["", "ISO 2022 IR 149"], raw, "복부 검사")


@case(19, "an escape sequence in the description: none reaches the terminal")
def escape(p: Program, d: Path) -> Result:
    found = p.found(series(d, run(E1), modality="CT", SeriesDescription="CT\x1b[31mred\x07\x08"))
    controls = [c for c in found.said if ord(c) < 32 and c not in "\n\r\t"]
    return Result(
        not controls and len(found.volumes) == 1,
        f"{[i['name'] for i in found.images]!a} [controls in output: {controls!a}]",
    )


@case(19, "bytes of no declared set: opened, nothing crashes")
def undeclared(p: Program, d: Path) -> Result:
    folder = series(d, run(E1), modality="CT", SeriesDescription="XXXXXXXX")
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes().replace(b"XXXXXXXX", b"Sch\xe4del1"))
    return judge(p.found(folder), [E1])
