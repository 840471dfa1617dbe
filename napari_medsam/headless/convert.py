"""One file to another format, an image or labels, on the grid it lies on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_medsam.formats.common.errors import ReadError, SaveError
from napari_medsam.formats.common.grid import Triple
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
    """What to take from the source where there is a choice, as for `read_image`.

    `image` is the image that labels belong to (its grid is the result's), or None for their
    own grid; `labels` says that the source holds labels though its format could be an image's;
    `names` is a label table as a file; `one_a_label` writes a file for each label.
    """

    image: Path | None = None
    series: str | None = None
    frame: int | None = None
    spacing_xyz: Triple | None = None
    suv: bool = True
    labels: bool = False
    resample: bool = False
    description: bool = False
    names: Path | None = None
    one_a_label: bool = False


def convert_file(source: Path, target: Path, choice: ConvertOptions) -> tuple[str, tuple[str, ...]]:
    """Read `source`, write `target`; what was checked, and notes for the user.

    Raises
    ------
    ReadError, SaveError
        Nothing was written.
    """
    if not source.exists():
        raise ReadError(f"There is no file {source.name} in {source.parent}.")
    meant = BY_SUFFIX.get(suffix_of(target))
    only_labels = meant is not None and not meant.holds_images
    as_labels = choice.labels or choice.image is not None or only_labels
    if as_labels or is_label_file(source):
        return _labels(source, target, choice)
    image = read_image(
        source,
        series=choice.series,
        frame=choice.frame,
        spacing_xyz=choice.spacing_xyz,
        suv=choice.suv,
    )
    return write_image(target, image) + ".", image.notes


def _labels(source: Path, target: Path, choice: ConvertOptions) -> tuple[str, tuple[str, ...]]:
    if choice.image is not None:
        image = read_image(
            choice.image,
            series=choice.series,
            frame=choice.frame,
            spacing_xyz=choice.spacing_xyz,
            suv=False,
        )
        grid = image.grid
        file = read_label_file(source, grid, resample=choice.resample)
    elif (meant := BY_SUFFIX.get(suffix_of(target))) is not None and meant.made_for == "series":
        raise SaveError(
            f"{target.name} refers to the DICOM series of its image: name it with --image."
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
    names = ", ".join(one.path.name for one in each)
    return f"{names}: {each[0].checked}", file.notes
