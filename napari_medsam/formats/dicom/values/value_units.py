"""Which unit a slice's modality values have, as its header states it."""

from __future__ import annotations

from typing import Any

from napari_medsam.formats.dicom.header.dose_grid import RT_DOSE
from napari_medsam.formats.dicom.values.modality_values import transform_of

WORDS = {
    "HU": "HU",
    "OD": "thousandths of optical density",
    "US": "",
    "MGML": "mg/ml",
    "PCT": "%",
    "BQML": "Bq/ml",
    "GML": "g/ml",
    "CNTS": "counts",
    "CPS": "counts/s",
    "PCNT": "%",
    "NONE": "",
    "GY": "Gy",
    "RELATIVE": "relative dose",
}
"""Rescale types (PS3.3 C.11.1.1.2; US is "unspecified"), units of PET (C.8.9.1.1.3) and of dose
(C.8.8.3); others are shown as they are stated."""
NO_UNIT = frozenset(("", "1", "{ratio}", "[arb'U]", "no units"))


def stated_unit(dataset: Any, frame: int | None = None) -> str:
    """The defined term for the unit of a file or frame, "" if none is stated.

    It is that of PET, or of the modality transform. CT without a rescale type has Hounsfield units
    (PS3.3 C.8.2.1.1.2).
    """
    item = transform_of(dataset, frame)
    table = item.get("ModalityLUTSequence")
    kind = table[0].get("ModalityLUTType") if table else item.get("RescaleType")
    is_dose = str(dataset.get("SOPClassUID", "")) == RT_DOSE
    term = dataset.get("Units") or kind or (dataset.get("DoseUnits") if is_dose else None)
    rescaled = any(item.get(f"Rescale{word}") is not None for word in ("Slope", "Intercept"))
    if not term and dataset.get("Modality") == "CT" and rescaled:
        return "HU"
    return str(term or "").strip().upper()


def in_words(term: str) -> str:
    return WORDS.get(term, term)


def real_world_note(dataset: Any, frame: int | None = None) -> tuple[str, ...]:
    """A sentence if the header maps stored values to a unit that the values do not have.

    That mapping (PS3.3 C.7.6.16.2.11) is another one than the modality's, and is not applied.
    """
    mapping = _real_world(dataset, frame)
    if mapping is None or stated_unit(dataset, frame):
        return ()
    code = (mapping.get("MeasurementUnitsCodeSequence") or [{}])[0]
    unit = str(code.get("CodeMeaning") or code.get("CodeValue") or "")
    if str(code.get("CodeValue") or "") in NO_UNIT or unit.lower() in NO_UNIT:
        return ()
    if (mapping.get("RealWorldValueSlope"), mapping.get("RealWorldValueIntercept")) == (1, 0):
        return (f"The header gives the values in {unit}.",)
    return (f"The header has a mapping to {unit} (Real World Values), which is not applied.",)


def _real_world(dataset: Any, frame: int | None) -> Any:
    own = dataset.get("PerFrameFunctionalGroupsSequence")
    groups = list(own[frame : frame + 1]) if own and frame is not None else []
    groups += dataset.get("SharedFunctionalGroupsSequence") or []
    for group in (*groups, dataset):
        if found := group.get("RealWorldValueMappingSequence"):
            return found[0]
    return None
