"""The fields that tell the volumes of one series apart, and the words for them.

A series may hold several volumes: echoes, time points, diffusion weightings, passes. Single files
and frames of multi-frame files state the same things under different keywords; here both become
one name and one value. Many of these fields also vary within a volume, from slice to slice, so
none of them separates by itself: `separate` tries them in the order of `FIELDS`.
Keywords are those of DICOM PS3.6; functional groups those of PS3.3 C.7.6.16 and C.8.13 to C.8.15.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from pydicom.datadict import dictionary_description, keyword_for_tag

Value = float | str
Lookup = Callable[[str], Any]
"""Finds a field by its keyword, or a private one by its tag as eight hexadecimal digits."""
Use = Literal["contrast", "repeat", "pass", "time"]


@dataclass(frozen=True)
class Field:
    """One thing that may tell volumes apart.

    Parameters
    ----------
    name
        Its name in `SliceHeader.distinctions`.
    keywords
        Where its value is; the first that is there counts.
    words
        How the user is told, with {value}, or with {value} and {count} for a number from 1.
    use
        "contrast": one volume has one value. "repeat": the same, but it may follow the slices of
        one volume by turns, so it separates only slices of equal place. "pass": a number or name
        of an acquisition, of which one volume may have many. "time": it grows from slice to slice.
    scale
        What the value is multiplied by in the words.
    sorts
        Whether volumes are put in the order of its value.
    """

    name: str
    keywords: tuple[str, ...]
    words: str
    use: Use = "contrast"
    scale: float = 1.0
    sorts: bool = True

    @property
    def counts(self) -> bool:
        """Whether its values count from 1, so that neighbours are never one value, rounded."""
        return "{count}" in self.words


FIELDS = (
    Field("stack", ("StackID",), "stack {value}"),
    Field("echo", ("EchoNumbers",), "echo {value}{count}"),
    Field("echo time", ("EffectiveEchoTime", "EchoTime"), "TE {value} ms"),
    Field(
        "time point",
        ("TemporalPositionIndex", "TemporalPositionIdentifier"),
        "time point {value}{count}",
    ),
    Field("b-value", ("DiffusionBValue",), "b {value} s/mm²", sorts=False),
    Field("directionality", ("DiffusionDirectionality",), "{value}", sorts=False),
    Field("direction", ("DiffusionGradientOrientation",), "direction {value}", sorts=False),
    Field("inversion", ("InversionTimes", "InversionTime"), "TI {value} ms", "repeat"),
    Field("flip angle", ("FlipAngle",), "flip angle {value}°", "repeat"),
    Field("repetition", ("RepetitionTime",), "TR {value} ms", "repeat"),
    Field(
        "cardiac phase",
        ("NominalPercentageOfCardiacPhase",),
        "{value} % of the heart cycle",
    ),
    Field(
        "respiratory phase",
        ("NominalPercentageOfRespiratoryPhase",),
        "{value} % of the breathing cycle",
    ),
    Field("component", ("ComplexImageComponent",), "{value}", sorts=False),
    Field("image type", ("FrameType", "ImageType"), "{value}", sorts=False),
    Field("kernel", ("ConvolutionKernel",), "kernel {value}", sorts=False),
    Field("diameter", ("ReconstructionDiameter",), "field of view {value} mm", sorts=False),
    Field("voltage", ("KVP",), "{value} kV"),
    Field(
        "acquisition",
        ("FrameAcquisitionNumber", "AcquisitionNumber"),
        "acquisition {value}{count}",
        "pass",
    ),
    Field("irradiation", ("IrradiationEventUID",), "another exposure", "pass", sorts=False),
    Field(
        "trigger",
        ("NominalCardiacTriggerDelayTime", "TriggerTime"),
        "{value} ms after the trigger",
        "time",
    ),
    Field("offset", ("TemporalPositionTimeOffset",), "at {value} s", "time"),
    Field("frame time", ("FrameReferenceTime",), "at {value} s", "time", scale=1e-3),
    Field("acquired", (), "{value} s after the first", "time"),
)
"""In the order in which they are tried and told."""
BY_NAME = {field.name: field for field in FIELDS}
DIMENSION = "dimension "
"""Prefix of the name of a dimension of a multi-frame file (PS3.3 C.7.6.17) beyond `FIELDS`."""

OF_PLACE = frozenset((
    "ImagePositionPatient", "ImagePositionVolume", "InStackPositionNumber", "SliceLocation",
    "ImageOrientationPatient", "FrameNumber", "StackID", "PlanePositionSequence",
    "ImageIndex", "SliceVector", "DimensionIndexValues",
))  # fmt: skip
"""Dimensions that number the slices of one volume."""
NAMES = {keyword: field.name for field in FIELDS for keyword in field.keywords}
"""The field that a keyword is of."""

SIEMENS_B, SIEMENS_DIRECTION = "0019100C", "0019100E"
GE_B, GE_DIRECTION, GE_COMPONENT = "00431039", ("001910BB", "001910BC", "001910BD"), "0043102F"
PHILIPS_B, PHILIPS_DIRECTION = "20011003", ("200510B0", "200510B1", "200510B2")
CREATORS = ("00190010", "00430010", "20010010", "20050010")
"""Owners of the private groups; pydicom needs them to know the types of their fields."""

KEYWORDS = (
    *sorted(NAMES),
    *("AcquisitionDateTime", "FrameAcquisitionDateTime", "AcquisitionDate", "AcquisitionTime"),
    *("DimensionIndexSequence", "DimensionIndexValues"),
    *(SIEMENS_B, SIEMENS_DIRECTION, GE_B, *GE_DIRECTION, GE_COMPONENT, PHILIPS_B),
    *(*PHILIPS_DIRECTION, *CREATORS),
)
"""What `distinctions_of` looks up."""


def distinctions_of(lookup: Lookup) -> tuple[tuple[str, Value], ...]:
    """Name and value of each of `FIELDS` and dimension that a slice states."""
    found: dict[str, Value] = {}
    for field in FIELDS:
        raw = next((v for v in map(lookup, field.keywords) if not _is_empty(v)), None)
        if raw is not None:
            found[field.name] = _plain(raw)
    if found.get("echo time") == 0:
        del found["echo time"]  # of a map that was computed from several echoes
    found |= {name: value for name, value in _private(lookup).items() if name not in found}
    found |= _times(lookup)
    found |= _dimensions(lookup, set(found))
    return tuple(found.items())


def _is_empty(value: Any) -> bool:
    return value is None or (hasattr(value, "__len__") and len(value) == 0)


def _plain(raw: Any) -> Value:
    """A number where there is one, several numbers as one text, else capitals."""
    parts = [raw] if isinstance(raw, str | bytes) or not hasattr(raw, "__iter__") else list(raw)
    numbers = [number for part in parts if (number := _number(part)) is not None]
    if len(numbers) < len(parts):
        return "\\".join(" ".join(str(part).upper().split()) for part in parts)
    if len(numbers) == 1:
        return numbers[0]
    # Directions are rounded: each slice's own may differ in the last digits.
    return "(" + ", ".join(f"{round(number, 3) + 0.0:g}" for number in numbers) + ")"


def _number(part: Any) -> float | None:
    try:
        number = float(part)
    except (TypeError, ValueError):
        return None
    return number if number == number and abs(number) != float("inf") else None


def _private(lookup: Lookup) -> dict[str, Value]:
    """Diffusion and complex parts as the makers of scanners state them in private fields."""
    found: dict[str, Value] = {}
    for tag in (SIEMENS_B, GE_B, PHILIPS_B):
        numbers = _private_numbers(lookup(tag))
        if numbers:
            # GE adds 1e9 to the b-value where it gives a list of flags in the same field.
            found["b-value"] = numbers[0] % 1e6 if tag == GE_B else round(numbers[0], 3)
            break
    direction = _private_numbers(lookup(SIEMENS_DIRECTION))
    for tags in (GE_DIRECTION, PHILIPS_DIRECTION):
        parts = [_private_numbers(lookup(tag)) for tag in tags]
        direction = direction or [part[0] for part in parts if part]
    if len(direction) == 3:
        found["direction"] = _plain(direction)
    component = _private_numbers(lookup(GE_COMPONENT))
    names = ("MAGNITUDE", "PHASE", "REAL", "IMAGINARY")
    if component and component[0] in range(len(names)):
        found["component"] = names[int(component[0])]
    return found


def _private_numbers(raw: Any) -> list[float]:
    """Numbers of a private field; its bytes are read by their length if its type is not known."""
    if _is_empty(raw):
        return []
    if isinstance(raw, bytes) and _number(raw) is None:
        kind = {2: "h", 4: "f", 8: "d", 24: "3d"}.get(len(raw))
        words = raw.split(b"\\")
        raw = words if len(words) > 1 else struct.unpack(f"<{kind}", raw) if kind else ()
    parts = [raw] if isinstance(raw, str | bytes) or not hasattr(raw, "__iter__") else raw
    return [number for part in parts if (number := _number(part)) is not None]


def _times(lookup: Lookup) -> dict[str, Value]:
    """Seconds of acquisition; only their differences are ever shown.

    The time of storing (ContentTime) says nothing: slices are stored in any order.
    """
    acquired = _seconds(lookup("FrameAcquisitionDateTime") or lookup("AcquisitionDateTime") or "")
    if acquired is None:
        acquired = _seconds_of_day(lookup, "Acquisition")
    return {} if acquired is None else {"acquired": acquired}


def _seconds_of_day(lookup: Lookup, what: str) -> float | None:
    time = str(lookup(f"{what}Time") or "").replace(":", "")
    return _seconds(f"{lookup(f'{what}Date') or '19700101'}{time}") if time else None


def _seconds(stamp: Any) -> float | None:
    """Seconds of a DT value, or of a DA value followed by a TM value (PS3.5 section 6.2)."""
    whole, _, fraction = str(stamp).partition(".")
    digits = "".join(letter for letter in fraction[:6] if letter.isdigit())
    try:
        time = datetime.strptime(whole[:14].ljust(14, "0"), "%Y%m%d%H%M%S")
    except ValueError:
        return None
    return (time - datetime(1970, 1, 1)).total_seconds() + float(f"0.{digits or 0}")


def _dimensions(lookup: Lookup, known: set[str]) -> dict[str, Value]:
    """What a multi-frame file counts its frames by, besides their place and known fields."""
    sequence, values = lookup("DimensionIndexSequence"), lookup("DimensionIndexValues")
    if _is_empty(sequence) or _is_empty(values):
        return {}
    numbers = list(values) if hasattr(values, "__iter__") else [values]
    found: dict[str, Value] = {}
    for item, one in zip(sequence, numbers, strict=False):
        tag, number = item.get("DimensionIndexPointer"), _number(one)
        if tag is None or number is None:
            continue
        keyword = keyword_for_tag(tag)
        if keyword not in OF_PLACE and NAMES.get(keyword) not in known:
            title = dictionary_description(tag).lower() if keyword else "index"
            label = " ".join(str(item.get("DimensionDescriptionLabel") or title).split())
            found[f"{DIMENSION}{label}"] = number
    return found


def field_of(name: str) -> Field:
    """The field of a name in `SliceHeader.distinctions`."""
    known = BY_NAME.get(name)
    return known or Field(name, (), f"{name.removeprefix(DIMENSION)} {{value}}{{count}}")


def ranked(names: Iterable[str]) -> list[str]:
    """Names in the order of `FIELDS`; dimensions without a field follow the contrasts."""
    places = {field.name: n for n, field in enumerate(FIELDS)}
    others = places["acquisition"] - 0.5
    return sorted(names, key=lambda name: (places.get(name, others), name))


def in_words(name: str, value: Value | None, others: Sequence[Value | None]) -> str:
    """What a volume is, told from the values of all the volumes it was separated from."""
    field = field_of(name)
    if value is None:
        return f"no {name.removeprefix(DIMENSION)}"
    if isinstance(value, str):
        if name in ("image type", "component"):
            return _picture_kind(value, others)
        return field.words.format(value=value.replace("\\", "/"), count="")
    numbers = sorted({other for other in others if isinstance(other, float)})
    if name == "acquired":
        value -= numbers[0]
    counted = numbers == [float(n + 1) for n in range(len(numbers))]
    count = f" of {len(numbers)}" if counted else ""
    return field.words.format(value=f"{value * field.scale:.6g}", count=count)


KINDS = {
    "M": "magnitude", "P": "phase", "R": "real", "I": "imaginary",
    "W": "water", "F": "fat", "IP": "in phase", "OP": "out of phase",
    "IN_PHASE": "in phase", "OUT_PHASE": "out of phase", "OPP_PHASE": "out of phase",
    "FFE": "", "NONE": "", "": "",
}  # fmt: skip


def _picture_kind(value: str, others: Iterable[Value | None]) -> str:
    """The words of an image type that not all volumes share."""
    shared = set.intersection(*(set(str(other).split("\\")) for other in others))
    own = [word for word in value.split("\\") if word not in shared]
    told = [KINDS.get(word, word.lower().replace("_", " ")) for word in dict.fromkeys(own)]
    return ", ".join(word for word in told if word) or value.replace("\\", "/").lower()
