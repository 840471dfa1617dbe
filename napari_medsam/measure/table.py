"""Measures as rows: CSV, dictionaries for JSON, text for the clipboard, one sentence per label."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_medsam.measure.volumes import LabelMeasure
from napari_medsam.storage.atomic_write import write_text

COLUMNS: dict[str, int | None] = {
    "number": None, "name": None, "voxels": None, "ml": 3, "long": 2, "short": 2,
    "length_unit": None, "axis": None, "slice": None,
    "mean": 3, "std": 3, "min": 3, "max": 3, "median": 3, "grey_unit": None,
    "dice": 4, "nsd": 4, "tolerance": None, "reference_ml": 3, "change_ml": 3, "change_percent": 2,
    "mm2": 2,
}  # fmt: skip
"""The columns in their order, with their decimal places; None if a value is not rounded."""
GREYS = ("mean", "std", "min", "max", "median")
"""Columns of grey values, which keep three significant digits however small they are."""
MOST_PLACES = 12


@dataclass(frozen=True)
class Units:
    """The units of a set of measures.

    Parameters
    ----------
    length
        "mm", or "pixels" if the pixel size is unknown.
    grey
        Of the image's values ("HU", "g/ml"), "" if it is not known.
    has_volume
        Whether millilitres are meaningful; they are not for a single slice or a picture.
    pixel_mm2
        Area of a pixel of a single slice; None for volumes and if the pixel size is unknown.
    is_flat
        Whether there is one slice only, which has no number and no view.
    size_note
        What is to be said about the pixel size and so about lengths (`ImageFile.size_note`).
    """

    length: str = "mm"
    grey: str = ""
    has_volume: bool = True
    pixel_mm2: float | None = None
    is_flat: bool = False
    size_note: str = ""


def as_row(measure: LabelMeasure, units: Units) -> dict[str, Any]:
    """A label's measures by column name; None if there is none. docs/measure.md explains them."""
    pair, grey, compared = measure.diameters, measure.grey, measure.comparison
    row: dict[str, Any] = {
        "number": measure.label.number,
        "name": measure.label.name,
        "voxels": measure.n_voxels,
        "ml": measure.millilitres if units.has_volume else None,
        "long": pair and pair.long_mm,
        "short": pair and pair.short_mm,
        "length_unit": units.length,
        "axis": pair and pair.slice.axis,
        "slice": pair and pair.slice.index,
        "mean": grey and grey.mean,
        "std": grey and grey.std,
        "min": grey and grey.minimum,
        "max": grey and grey.maximum,
        "median": grey and grey.median,
        "grey_unit": units.grey,
        "dice": compared and compared.dice,
        "nsd": compared and compared.nsd,
        "tolerance": compared and compared.tolerance_mm,
        "reference_ml": compared and units.has_volume and compared.reference_ml,
        "change_ml": compared and units.has_volume and compared.change_ml,
        "change_percent": compared and compared.change_percent,
        "mm2": None if units.pixel_mm2 is None else measure.n_voxels * units.pixel_mm2,
    }
    return {name: _rounded(name, value) for name, value in row.items()}


def as_csv(measures: Sequence[LabelMeasure], units: Units, delimiter: str = ",") -> str:
    """A table with a header row; with tabs as delimiter it can be pasted into a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(as_row(measure, units).values() for measure in measures)
    return text.getvalue()


def write_csv(path: Path, measures: Sequence[LabelMeasure], units: Units) -> None:
    """Save the table as UTF-8 text; OSError if the file cannot be written."""
    write_text(path, as_csv(measures, units))


def as_sentence(measure: LabelMeasure, units: Units) -> str:
    """A label's measures in one line."""
    return f"{measure.label.number} {measure.label.name}: " + "; ".join(words(measure, units))


def words(measure: LabelMeasure, units: Units) -> list[str]:
    """A label's measures as short texts: size, diameters, grey values, comparison."""
    pair, grey, compared = measure.diameters, measure.grey, measure.comparison
    size = f"{measure.millilitres:,.1f} ml" if units.has_volume else f"{measure.n_voxels:,} pixels"
    if units.pixel_mm2 is not None:
        size += f" ({measure.n_voxels * units.pixel_mm2:,.1f} mm²)"
    found = [size if measure.n_voxels else "empty"]
    if pair is not None:
        where = f" ({pair.slice.axis} = {pair.slice.index})" if units.has_volume else ""
        found.append(f"{pair.long_mm:.1f} × {pair.short_mm:.1f} {units.length}{where}")
    if grey is not None:
        mean, std = grey_in_words(grey.mean), grey_in_words(grey.std)
        found.append(f"mean {mean} ± {std} {units.grey}".rstrip())
    if compared is not None:
        found.append(f"Dice {_number(compared.dice)}")
        found.append(f"NSD {_number(compared.nsd)} at {compared.tolerance_mm:g} {units.length}")
        if units.has_volume:
            found.append(f"{compared.change_ml:+,.1f} ml{_percent(compared.change_percent)}")
    return found


def grey_in_words(value: float) -> str:
    """A grey value with one decimal place, or more if these are not three significant digits."""
    return f"{value:.{_places(value, 1)}f}"


def _places(value: float, least: int) -> int:
    """Decimal places, so that a small value (an SUV, an ADC) keeps three significant digits."""
    if not math.isfinite(value) or value == 0:
        return least
    return min(max(least, 2 - math.floor(math.log10(abs(value)))), MOST_PLACES)


def _number(value: float) -> str:
    return "none" if math.isnan(value) else f"{value:.3f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f" ({value:+.1f} %)"


def _rounded(name: str, value: Any) -> Any:
    if value is None or value is False or (isinstance(value, float) and math.isnan(value)):
        return None
    places = COLUMNS[name]
    if places is None:
        return value
    return round(value, _places(value, places) if name in GREYS else places)
