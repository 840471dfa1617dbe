"""PET values as SUV by body weight (g/ml), if the header allows it without a guess.

The rules are QIBA's vendor-neutral pseudo-code for SUVbw (RSNA Quantitative Imaging Biomarkers
Alliance, FDG-PET/CT Technical Committee, "Standardized Uptake Value (SUV)", the "happy path"
and the "robust version"); ADMIN follows from its definition in DICOM PS3.3 C.8.9.1. Weight and
dose are used for this one factor only and not stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log
from typing import Any

from napari_medsam.formats.common.errors import DAMAGE
from napari_medsam.formats.dicom.header.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.header.slice_header import SliceHeader

PHILIPS = (0x7053, "Philips PET Private Group")
GE = (0x0009, "GEMS_PETD_01")
LEAST_DOSE = 1e5
"""Bq; a smaller "dose" is one given in MBq against the standard."""
MISSING = "the header lacks"


@dataclass(frozen=True)
class Suv:
    """What rescaled voxels are multiplied by, or None; and a sentence for the user."""

    factor: float | None
    note: str


class _NoSuvError(ValueError):
    """Why there is no factor, as the end of a sentence."""


def suv_factor(slices: Sequence[SliceHeader]) -> Suv:
    """The factor from a PET series' rescaled values to g/ml."""
    if any(header.frame is not None for header in slices):
        return Suv(None, "PET values are as stored, not SUV: the file is a multi-frame one.")
    with quiet_pydicom():
        try:
            dataset = read_dataset(slices[0].path)
            units = str(dataset.get("Units", "")).upper()
            if len({header.value_unit.upper() for header in slices}) > 1:
                raise _NoSuvError("its slices are in different units")
            factor = _factor(dataset, units, _first_acquired(slices))
        except _NoSuvError as why:
            return Suv(None, f"PET values are as stored, not SUV: {why}.")
        except DAMAGE:
            return Suv(None, "PET values are as stored, not SUV: the header is damaged.")
    return Suv(
        factor, f"PET values are SUV by body weight (g/ml), from {units} times {factor:.6g}."
    )


def _factor(dataset: Any, units: str, first: datetime | None) -> float:
    if units == "GML":
        kind = str(dataset.get("SUVType", "")).upper()
        if kind in ("", "BW"):
            return 1.0
        raise _NoSuvError(f"they are SUV of another kind ({kind})")
    if units not in ("BQML", "CNTS"):
        raise _NoSuvError(f"their unit is {units or 'not stated'}")
    corrected = {str(word).upper() for word in _several(dataset.get("CorrectedImage"))}
    decay = str(dataset.get("DecayCorrection", "")).upper()
    if not {"ATTN", "DECY"} <= corrected or decay not in ("START", "ADMIN"):
        raise _NoSuvError(
            "they are not corrected for attenuation and decay to the start of the scan"
        )
    if units == "BQML":
        return _from_becquerel(dataset, decay, first)
    scale = _private(dataset, PHILIPS, 0x00)
    if scale:
        return scale
    to_becquerel = _private(dataset, PHILIPS, 0x09)
    if not to_becquerel:
        raise _NoSuvError("they are counts and Philips' scale factor is missing")
    return to_becquerel * _from_becquerel(dataset, decay, first)


def _from_becquerel(dataset: Any, decay: str, first: datetime | None) -> float:
    """Weight in grams over the dose left at the time the pixels are corrected to."""
    weight = float(dataset.get("PatientWeight") or 0)
    drug = (dataset.get("RadiopharmaceuticalInformationSequence") or [{}])[0]
    dose = float(drug.get("RadionuclideTotalDose") or 0)
    half_life = float(drug.get("RadionuclideHalfLife") or 0)
    for name, value in (("weight", weight), ("dose", dose), ("half-life", half_life)):
        if not value > 0:
            raise _NoSuvError(f"{MISSING} the {name}")
    if dose < LEAST_DOSE:
        raise _NoSuvError(f"a dose of {dose:g} Bq is not credible (MBq in the wrong unit?)")
    if decay == "START":
        seconds = _decay_seconds(dataset, drug, half_life, first)
        dose *= 2.0 ** (-seconds / half_life)
    return weight * 1000 / dose


def _decay_seconds(dataset: Any, drug: Any, half_life: float, first: datetime | None) -> float:
    """From injection to the time the pixels are decay-corrected to."""
    scan = _scan_time(dataset, half_life, first)
    full = str(drug.get("RadiopharmaceuticalStartDateTime") or "")
    if full and _offset(full) in ("", str(dataset.get("TimezoneOffsetFromUTC", ""))):
        start = _moment(full[:8], full[8:])
    else:
        start = _moment(f"{scan:%Y%m%d}", drug.get("RadiopharmaceuticalStartTime"))
        if start is not None and start > scan:
            start -= timedelta(days=1)
    if start is None:
        raise _NoSuvError(f"{MISSING} the time of injection")
    seconds = (scan - start).total_seconds()
    if not 0 <= seconds <= 86400:
        raise _NoSuvError("the times of injection and scan do not fit together")
    return seconds


def _scan_time(dataset: Any, half_life: float, first: datetime | None) -> datetime:
    """The time the pixels are corrected to: QIBA's choice between series and acquisition.

    `first` is when the first slice was acquired.
    """
    series = _moment(dataset.get("SeriesDate"), dataset.get("SeriesTime"))
    if series is not None and (first is None or series <= first):
        return series
    ge = _private_text(dataset, GE, 0x0D)
    of_ge = _moment(ge[:8], ge[8:]) if ge else None
    if of_ge is not None:
        return of_ge
    own = _moment(dataset.get("AcquisitionDate"), dataset.get("AcquisitionTime"))
    reference = float(dataset.get("FrameReferenceTime") or 0) / 1000
    duration = float(dataset.get("ActualFrameDuration") or 0) / 1000
    if own is not None and reference > 0 and duration > 0:
        # The mean count rate within the frame is reached at this time after its start.
        constant = log(2) / half_life
        during = constant * duration
        average = log(during / (1 - exp(-during))) / constant
        return own + timedelta(seconds=average - reference)
    if first is None:
        raise _NoSuvError(f"{MISSING} the time of the scan")
    return first


def _first_acquired(slices: Sequence[SliceHeader]) -> datetime | None:
    """When the first slice was acquired, of those that say it."""
    times = (_moment(*header.acquired) for header in slices)
    return min((time for time in times if time is not None), default=None)


def _moment(date: Any, time: Any) -> datetime | None:
    """A DICOM date YYYYMMDD and time HHMMSS.F (cut short or with an offset) together."""
    digits, _, fraction = str(time or "").replace("-", "+").split("+")[0].partition(".")
    if not date or not digits:
        return None
    try:
        moment = datetime.strptime(f"{date}{digits:0<6.6}", "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return moment + timedelta(seconds=float(f"0.{fraction or 0}"))


def _offset(moment: str) -> str:
    """The "+0100" at the end of a DICOM date with time, "" if there is none."""
    return next((moment[moment.index(sign) :] for sign in "+-" if sign in moment), "")


def _private(dataset: Any, block: tuple[int, str], element: int) -> float:
    text = _private_text(dataset, block, element)
    try:
        return float(text)
    except ValueError:
        return 0.0


def _private_text(dataset: Any, block: tuple[int, str], element: int) -> str:
    """A private element as text; without a dictionary its value comes as bytes."""
    try:
        value = dataset.private_block(*block)[element].value
    except KeyError:
        return ""
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.strip("\x00 ")


def _several(value: Any) -> list[Any]:
    return [value] if isinstance(value, str) or value is None else list(value)
