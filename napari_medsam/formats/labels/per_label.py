"""Writes each label to a file of its own, for tools that expect one structure per file."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.grid import SourceGrid
from napari_medsam.formats.common.label_table import complete_table
from napari_medsam.formats.images.read import suffix_of
from napari_medsam.formats.labels.write import Saved, write_labels
from napari_medsam.storage.file_names import first_twice, name_key, spelled


def write_label_files(
    path: str | os.PathLike[str],
    labels: NDArray[Any],
    grid: SourceGrid,
    table: Sequence[Label] = (),
    *,
    description: bool = False,
) -> list[Saved]:
    """Save each label as a file of its own, in which it is 1 and all else 0.

    `path` gives folder, name and format: case.nii.gz becomes case_liver.nii.gz,
    case_left_kidney.nii.gz ... Arguments and errors are those of `write_labels`; if one file
    fails, those before it remain.
    """
    rows = [row for row in complete_table(labels, table) if np.any(labels == row.number)]
    saved = []
    for label, target in zip(rows, label_paths(path, rows), strict=True):
        renumbered = replace(label, number=1)
        own_labels = labels == label.number
        saved.append(write_labels(target, own_labels, grid, (renumbered,), description=description))
    return saved


def label_paths(path: str | os.PathLike[str], rows: Sequence[Label]) -> list[Path]:
    """The file of each label, named after it; numbers are added to names that are alike.

    Names that are one file on Windows or macOS, as "Liver" and "liver", are alike too.
    """
    path = Path(path)
    suffix = path.name[len(path.name) - len(suffix_of(path)) :]
    stem = path.name[: len(path.name) - len(suffix)]
    words = [re.sub(r"\W+", "_", label.name).strip("_") or str(label.number) for label in rows]
    times = Counter(map(name_key, words))
    distinct = [
        word if times[name_key(word)] == 1 else f"{word}_{label.number}"
        for word, label in zip(words, rows, strict=True)
    ]
    if first_twice(distinct):  # a label is named like another with its number
        distinct = [f"{label.number}_{word}" for word, label in zip(words, rows, strict=True)]
    return [path.with_name(f"{stem}_{spelled(word)}{suffix}") for word in distinct]
