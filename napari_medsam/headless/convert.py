"""`convert_file`: convert an image or label file to another format, on its own grid."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_medsam.formats.common.errors import ReadError, SaveError
from napari_medsam.formats.common.grid import Triple
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.label_table import read_label_table
from napari_medsam.formats.images.read import read_image, suffix_of
from napari_medsam.formats.images.write import IMAGE_FORMATS, write_image
from napari_medsam.formats.labels.label_formats import BY_SUFFIX
from napari_medsam.formats.labels.per_label import write_label_files
from napari_medsam.formats.labels.read import (
    is_label_file,
    read_label_file,
    read_labels_without_image,
)
from napari_medsam.formats.labels.write import write_labels

TARGETS = tuple(dict.fromkeys((*IMAGE_FORMATS, *BY_SUFFIX)))


@dataclass(frozen=True)
class ConvertOptions:
    """Options of a conversion.

    Parameters
    ----------
    image
        The image that the labels belong to, whose grid the result gets; None for their own grid.
    series, frame, spacing_xyz, suv
        As in `read_image`.
    labels
        The source holds labels, although its format could also hold an image.
    resample
        Resample labels from another grid to the image's.
    fill_gaps
        Draw the slices between contours too, as in `read_label_file`.
    description
        Write a description of the labels too, as in `write_labels`.
    names
        A label table file with names.
    one_a_label
        Write one file per label.
    """

    image: Path | None = None
    series: str | None = None
    frame: int | None = None
    spacing_xyz: Triple | None = None
    suv: bool = True
    labels: bool = False
    resample: bool = False
    fill_gaps: bool = False
    description: bool = False
    names: Path | None = None
    one_a_label: bool = False


def convert_file(source: Path, target: Path, choice: ConvertOptions) -> tuple[str, tuple[str, ...]]:
    """Read `source` and write `target`; return what was checked, and notes for the user.

    Raises
    ------
    ReadError, SaveError
        A file could not be read or written; nothing was written.
    """
    if not source.exists():
        place = "this folder" if source.parent == Path() else source.parent
        raise ReadError(f"There is no file {source.name} in {place}.")
    target_format = BY_SUFFIX.get(suffix_of(target))
    only_labels = target_format is not None and not target_format.holds_images
    as_labels = choice.labels or choice.image is not None or only_labels
    if as_labels or is_label_file(source):
        return _labels(source, target, choice)
    image = _image(source, choice, suv=choice.suv, exact=True)
    return write_image(target, image) + ".", image.notes


def _image(path: Path, choice: ConvertOptions, *, suv: bool, exact: bool = False) -> ImageFile:
    return read_image(
        path,
        series=choice.series,
        frame=choice.frame,
        spacing_xyz=choice.spacing_xyz,
        suv=suv,
        exact=exact,
    )


def _labels(source: Path, target: Path, choice: ConvertOptions) -> tuple[str, tuple[str, ...]]:
    target_format = BY_SUFFIX.get(suffix_of(target))
    if choice.image is not None:
        grid = _image(choice.image, choice, suv=False).grid
        file = read_label_file(source, grid, resample=choice.resample, fill_gaps=choice.fill_gaps)
    elif target_format is not None and target_format.made_for == "series":
        raise SaveError(
            f"{target.name} refers to the DICOM series of its image: name it with --image."
        )
    elif (choice.series, choice.frame, choice.spacing_xyz) != (None, None, None):
        raise ReadError(
            f"{source.name} is read as labels without an image; a series, a frame or a spacing can "
            f"only be chosen for an image."
        )
    else:
        file, grid = read_labels_without_image(source)
    table = read_label_table(choice.names) if choice.names is not None else file.table
    if not choice.one_a_label:
        saved = write_labels(target, file.labels, grid, table, description=choice.description)
        return saved.checked, file.notes
    each = write_label_files(target, file.labels, grid, table, description=choice.description)
    if not each:
        raise SaveError(f"{source.name} holds no label, so no file was written.")
    names = ", ".join(saved_file.path.name for saved_file in each)
    return f"{names}: {each[0].checked}", file.notes
