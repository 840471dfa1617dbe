"""The size of a picture's pixels in the patient, as far as a DICOM header states it.

A slice of CT, MR or PET states it as PixelSpacing. A radiograph is a projection: its pixels are
known at the detector, and are smaller in the patient by the magnification (PS3.3 10.7.1.3). An
ultrasound picture has a scale for each of its regions (PS3.3 C.8.5.5). Where nothing is stated,
lengths are in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_medsam.formats.dicom.header.dataset import (
    Lookup,
    lookup_in,
    number_of,
    numbers_of,
    text_of,
)

KEYWORDS = (
    *("SOPClassUID", "Modality", "ImageOrientationPatient", "PixelSpacing"),
    *("PixelSpacingCalibrationType", "ImagerPixelSpacing"),
    "EstimatedRadiographicMagnificationFactor",
    *("DistanceSourceToDetector", "DistanceSourceToPatient", "NominalScannedPixelSpacing"),
    *("ImagePlanePixelSpacing", "RTImageSID", "RadiationMachineSAD"),
    *("ObjectPixelSpacingInCenterOfBeam", "PixelAspectRatio", "SequenceOfUltrasoundRegions"),
)
PROJECTIONS = frozenset(("CR", "DX", "IO", "MG", "PX", "RF", "RG", "XA"))
"""Modalities whose pictures are projections."""
PROJECTED = tuple(f"1.2.840.10008.5.1.4.1.1.{branch}." for branch in ("1", "12", "481.1"))
"""Starts of the SOP classes of projections: CR, DX, MG and IO; XA and RF; RT Image (PS3.6)."""
SLICES = frozenset(("CT", "MR", "NM", "PT"))
"""Modalities whose pixels are in the patient, also where no orientation is stated."""
SAME = 2e-3
"""Relative difference up to which two spacings are the same."""
CENTIMETRES = 3
"""PhysicalUnitsXDirection (PS3.3 C.8.5.5.1.15)."""
PLANE = 1
"""RegionSpatialFormat of a picture of tissue in two dimensions (PS3.3 C.8.5.5.1.1)."""
MOST_MAGNIFIED = 20.0
"""A factor above it is a mistake: no source is that near to the patient."""
NOT_STATED = "The file states no pixel size, so lengths and areas are given in pixels."

Pair = tuple[float, float]


@dataclass(frozen=True)
class PixelSize:
    """Millimetres between pixels along x and y; None if not known, and then their proportions.

    `note` is a sentence for the user, "" where PixelSpacing of a slice says all.
    """

    spacing: Pair | None
    note: str = ""
    proportions: Pair = (1.0, 1.0)


def pixel_size(value: Lookup) -> PixelSize:
    """The pixel size that the fields of a picture or frame state."""
    spacing = spacing_xy(value("PixelSpacing")) if _is_slice(value) else None
    if spacing is not None:
        return PixelSize(spacing)
    regions = value("SequenceOfUltrasoundRegions")
    if regions:
        return _by_regions(regions, spacing_xy(value("PixelSpacing")))
    return _of_projection(value)


def _is_slice(value: Lookup) -> bool:
    """Whether PixelSpacing is that in the patient; a slice may state its detector's all the same.

    Some CT does: its distances from the source must not shrink it.
    """
    modality, uid = text_of(value("Modality")), text_of(value("SOPClassUID"))
    is_projection = f"{uid}.".startswith(PROJECTED) if uid else modality in PROJECTIONS
    placed = value("ImageOrientationPatient") is not None or modality in SLICES
    return placed and not is_projection


def spacing_xy(value: Any) -> Pair | None:
    """PixelSpacing (row distance, column distance) turned into (x, y); None if not usable."""
    spacing = numbers_of(value, 2)
    if spacing is None or np.any(spacing <= 0):
        return None
    return float(spacing[1]), float(spacing[0])


def _of_projection(value: Lookup) -> PixelSize:
    stated = spacing_xy(value("PixelSpacing"))
    # Of an RT image: at the plane of the image, at a stated distance (PS3.3 C.8.8.2).
    detector = spacing_xy(value("ImagerPixelSpacing") or value("ImagePlanePixelSpacing"))
    calibration = text_of(value("PixelSpacingCalibrationType")).upper()
    if stated is not None and calibration in ("GEOMETRY", "FIDUCIAL"):
        return PixelSize(stated, _calibrated(stated, detector, calibration))
    if stated is not None and detector is not None and not _alike(stated, detector):
        in_patient = _at_detector(detector, value)
        if in_patient.spacing is not None and _alike(stated, in_patient.spacing):
            return PixelSize(stated, in_patient.note)
        larger = "; it is larger than that, which no projection is" if stated > detector else ""
        return PixelSize(
            stated,
            f"The pixel size in the patient is stated as {_mm(stated)}, at the detector as "
            f"{_mm(detector)}, but not how it was calibrated{larger}: check lengths.",
        )
    in_beam = spacing_xy(value("ObjectPixelSpacingInCenterOfBeam"))
    if in_beam is not None and stated is None:
        return PixelSize(
            in_beam, f"The pixel size is that in the centre of the beam {_mm(in_beam)}."
        )
    if detector is not None:
        return _at_detector(detector, value)
    if stated is not None:
        unsure = (
            "The file does not say whether its pixel size is that in the patient or that at the "
            "detector, where lengths are larger."
        )
        is_projection = text_of(value("Modality")) in PROJECTIONS
        return PixelSize(stated, unsure if is_projection else "")
    scanned = spacing_xy(value("NominalScannedPixelSpacing"))
    if scanned is not None:
        return PixelSize(
            scanned,
            f"The pixel size ({_mm(scanned)}) is that on the film that was scanned: lengths in "
            f"the patient are not known.",
        )
    return _not_known(value)


def _calibrated(stated: Pair, detector: Pair | None, calibration: str) -> str:
    how = {
        "GEOMETRY": "from the geometry of the machine",
        "FIDUCIAL": "by an object of known size",
    }[calibration]
    against = f", at the detector {_mm(detector)}" if detector is not None else ""
    return f"The pixel size is {_mm(stated)} in the patient, calibrated {how}{against}."


def _at_detector(detector: Pair, value: Lookup) -> PixelSize:
    """ImagerPixelSpacing divided by the magnification, if the file states that."""
    factor = _factor(number_of(value("EstimatedRadiographicMagnificationFactor")), 1.0)
    to_detector = number_of(value("DistanceSourceToDetector") or value("RTImageSID"))
    to_patient = number_of(value("DistanceSourceToPatient") or value("RadiationMachineSAD"))
    by_distance = _factor(to_detector, to_patient)
    if factor is None and by_distance is None:
        return PixelSize(
            detector,
            f"The pixel size ({_mm(detector)}) is that at the detector: lengths in the patient "
            f"are smaller.",
        )
    used = by_distance if factor is None else factor
    assert used is not None
    note = f"The pixel size is that of the detector ({_mm(detector)}) divided by the "
    note += f"magnification of {used:.4g}"
    if factor is None:
        note += " (distance of the detector from the source over that of the patient)"
    elif by_distance is not None and abs(by_distance / factor - 1) > 0.05:
        note += f", but by the distances from the source it is {by_distance:.4g}"
    return PixelSize((detector[0] / used, detector[1] / used), f"{note}.")


def _factor(larger: float | None, smaller: float | None) -> float | None:
    """A magnification; None if it is not stated or cannot be one."""
    if not larger or not smaller or not 1 <= larger / smaller <= MOST_MAGNIFIED:
        return None
    return larger / smaller


def _not_known(value: Lookup) -> PixelSize:
    """No size; the proportions by PixelAspectRatio (vertical, horizontal; PS3.3 C.7.6.3.1.7)."""
    ratio = numbers_of(value("PixelAspectRatio"), 2)
    if ratio is None or np.any(ratio <= 0) or ratio[0] == ratio[1]:
        return PixelSize(None, NOT_STATED)
    tall = float(ratio[0] / ratio[1])
    return PixelSize(
        None,
        f"{NOT_STATED} They are {tall:.4g} times as high as they are wide; lengths are counted in "
        f"their width.",
        (1.0, tall),
    )


def _by_regions(regions: Any, stated: Pair | None) -> PixelSize:
    """The scale of an ultrasound picture if all its pictures of tissue have the same."""
    scales, others = [], 0
    for region in regions:
        scale = _scale(lookup_in(region))
        scales += [scale] if scale is not None else []
        others += scale is None
    if scales and not all(_alike(scale, scales[0]) for scale in scales):
        return PixelSize(
            None,
            "The picture has regions of different scale, so lengths and areas are given in pixels.",
        )
    if not scales:
        note = "The regions of the picture have no scale in cm"
        if stated is None:
            return PixelSize(None, f"{note}, so lengths and areas are given in pixels.")
        return PixelSize(stated, f"{note}; the pixel size is PixelSpacing ({_mm(stated)}).")
    (x, y), note = scales[0], ""
    if stated is not None and not _alike(stated, (x, y)):
        note = f"The ultrasound region states {_mm((x, y))}, which is taken; PixelSpacing states "
        note += f"{_mm(stated)}."
    if others:
        note += " " if note else ""
        note += f"Lengths are true only in the picture of tissue, not in {others} other region"
        note += "." if others == 1 else "s."
    return PixelSize((x, y), note)


def _scale(value: Lookup) -> Pair | None:
    """Millimetres between pixels in a region of tissue; None in other regions and other units."""
    units = [number_of(value(f"PhysicalUnits{axis}Direction")) for axis in "XY"]
    deltas = [number_of(value(f"PhysicalDelta{axis}")) for axis in "XY"]
    spatial = number_of(value("RegionSpatialFormat"))
    if units != [CENTIMETRES, CENTIMETRES] or spatial not in (PLANE, None):
        return None
    x, y = (10 * abs(delta or 0.0) for delta in deltas)
    return (x, y) if x > 0 and y > 0 else None


def _alike(one: Pair, other: Pair) -> bool:
    return bool(np.allclose(one, other, rtol=SAME))


def _mm(spacing: Pair) -> str:
    x, y = spacing
    return f"{x:.4g} mm" if _alike((x, x), (y, y)) else f"{x:.4g} x {y:.4g} mm"
