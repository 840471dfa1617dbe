"""Templates of labels: the structures commonly outlined in a body region, and the user's own.

The names are those that `coded_terms.KNOWN` has codes for, so that DICOM SEG and 3D Slicer get a
code for each label. The organs of the abdomen are in the order of the FLARE 2022 challenge. Own
templates are label tables (`label_table`, CSV) in a folder of the user's configuration.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import platformdirs

from napari_medsam.engine.data.labels import Label, default_name
from napari_medsam.formats.common.coded_terms import KNOWN, with_term
from napari_medsam.formats.common.label_table import read_label_table, write_label_table
from napari_medsam.storage.file_names import readable, spelled

VARIABLE = "NAPARI_MEDSAM_CONFIG"
NAMES = {
    "Abdomen": (
        "liver", "right kidney", "spleen", "pancreas", "aorta", "inferior vena cava",
        "right adrenal gland", "left adrenal gland", "gallbladder", "esophagus", "stomach",
        "duodenum", "left kidney",
    ),
    "Thorax": ("left lung", "right lung", "heart", "aorta", "esophagus", "trachea", "nodule"),
    "Brain": ("brain", "tumor", "edema", "necrosis", "lesion"),
}  # fmt: skip
BROADER = {"right adrenal gland": "adrenal gland", "left adrenal gland": "adrenal gland"}
"""Names without a code of their own, and whose they take."""


def template_folder() -> Path:
    """`NAPARI_MEDSAM_CONFIG` if it is set, else the user's configuration; then templates/."""
    given = os.environ.get(VARIABLE)
    return Path(given or platformdirs.user_config_dir("napari-medsam")) / "templates"


def template_names() -> tuple[str, ...]:
    """Those that come with the program, then the user's own by name."""
    own = sorted(readable(path.stem) for path in template_folder().glob("*.csv"))
    return (*NAMES, *(name for name in own if name not in NAMES))


def read_template(name: str) -> tuple[Label, ...]:
    """The labels of a template.

    Raises
    ------
    ReadError
        The user's file of that name is missing or damaged.
    """
    if name in NAMES:
        return tuple(_built_in(n, label) for n, label in enumerate(NAMES[name], start=1))
    return read_label_table(_file_of(name))


def save_template(name: str, table: Sequence[Label]) -> Path:
    """Keep names, colours and terms under a name; states and locks belong to a case.

    Raises
    ------
    ValueError
        The name cannot be a file's, or belongs to a template of the program.
    SaveError
        The file cannot be written.
    """
    name = name.strip()
    if not re.fullmatch(r"\w[\w \-]{0,59}", name):
        raise ValueError(
            f"A template's name is letters, digits, spaces and hyphens; this is {name!r}."
        )
    if name.lower() in (built_in.lower() for built_in in NAMES):
        raise ValueError(f"{name} is a template of the program; choose another name.")
    template_folder().mkdir(parents=True, exist_ok=True)
    path = _file_of(name)
    write_label_table(path, [replace(label, locked=False, state="") for label in table])
    return path


def _file_of(name: str) -> Path:
    return template_folder() / spelled(f"{name}.csv")


def with_template(
    table: Sequence[Label], template: Sequence[Label], used: Collection[int]
) -> tuple[Label, ...]:
    """The rows that bring a template into a table, to be given to `Annotation.load_table`.

    A label that is there by name stays. A nameless row without voxels (not in `used`) is taken
    over; else a label keeps its number if that is free, and takes the next free one if not.
    """
    names = {label.name.lower() for label in table}
    missing = [label for label in template if label.name.lower() not in names]
    spare = {
        label.number
        for label in table
        if label.number not in used and label.name == default_name(label.number)
    }
    taken = {label.number for label in table} - spare
    rows = []
    for label in missing:
        wanted = label.number if not spare or label.number in spare else min(spare)
        number = wanted if wanted not in taken else max(taken | spare) + 1
        taken.add(number)
        spare.discard(number)
        rows.append(replace(label, number=number))
    return tuple(rows)


def _built_in(number: int, name: str) -> Label:
    label = Label.default(number, name)
    return with_term(label, KNOWN[BROADER[name]]) if name in BROADER else label
