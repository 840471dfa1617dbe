"""The formats that labels are saved in: one table for everything that offers, writes or lists them.

A format names its module and its reader, which are imported when they are called, so that importing
the table loads no library.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Literal

from napari_medsam.formats.common.optional_libraries import has

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from napari_medsam.engine.data.labels import Label
    from napari_medsam.formats.common.grid import SourceGrid
    from napari_medsam.formats.common.label_file import LabelFile

_FORMATS = "napari_medsam.formats"


@dataclass(frozen=True)
class LabelFormat:
    """A format of label files: its title, what it can hold, and its functions.

    Parameters
    ----------
    title
        As dialogs and reports call it, unique in the table.
    suffixes
        In lower case; the first is proposed for new files.
    made_for
        The images it is made for: volumes, pictures of one plane, or DICOM series, to whose
        slices it refers.
    module
        The module with its functions `write` and `check`, below `napari_medsam.formats`.
    reader
        ``module:function`` of `read`, also below that; "" if its labels are read as an image is.
    largest
        The highest label number it can hold.
    needs
        Libraries of the extra [dicom], without which it cannot be written.
    """

    title: str
    suffixes: tuple[str, ...]
    made_for: Literal["volume", "picture", "series"]
    module: str
    reader: str = ""
    largest: int = 65535
    needs: tuple[str, ...] = ()

    @property
    def holds_images(self) -> bool:
        """Whether files with its suffixes may also be images."""
        return not self.reader

    @property
    def file_filter(self) -> str:
        """As file dialogs take it: "NIfTI (*.nii.gz *.nii)"."""
        return f"{self.title} ({' '.join(f'*{suffix}' for suffix in self.suffixes)})"

    @property
    def is_available(self) -> bool:
        """Whether the libraries that it needs are installed."""
        return all(has(library) for library in self.needs)

    def write(
        self, path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label]
    ) -> None:
        """Write labels, which are in the file order of the image."""
        resolve_name(f"{_FORMATS}.{self.module}:write")(path, labels_kji, grid, table)

    def check(
        self, path: Path, labels_kji: NDArray[Any], grid: SourceGrid, table: Sequence[Label]
    ) -> str:
        """Read a written file back and compare it; a clause that says what was compared."""
        check = resolve_name(f"{_FORMATS}.{self.module}:check")
        checked: str = check(path, labels_kji, grid, table)
        return checked

    def read(self, path: Path, grid: SourceGrid) -> LabelFile:
        """Read labels onto the image's grid; only for formats that have a `reader`."""
        file: LabelFile = resolve_name(f"{_FORMATS}.{self.reader}")(path, grid)
        return file


NIFTI = LabelFormat(
    "NIfTI",
    (".nii.gz", ".nii"),
    made_for="volume",
    module="nifti.write_labels",
    largest=2**32 - 1,
)
SEG_NRRD = LabelFormat(
    "3D Slicer segmentation",
    (".seg.nrrd",),
    made_for="volume",
    module="itk.seg_nrrd",
    reader="labels.read:read_seg_nrrd",
)
NRRD = LabelFormat(
    "NRRD",
    (".nrrd",),
    made_for="volume",
    module="itk.write_labels",
    largest=2**32 - 1,
)
MHA = LabelFormat(
    "MetaImage",
    (".mha",),
    made_for="volume",
    module="itk.write_labels",
    largest=2**32 - 1,
)
DICOM_SEG = LabelFormat(
    "DICOM SEG",
    (".seg.dcm", ".dcm"),
    made_for="series",
    module="dicom.labels.seg_write",
    reader="dicom.labels.seg_read:read_segmentation",
    needs=("highdicom",),
)
DICOM_LABEL_MAP = LabelFormat(
    "DICOM label map",
    (".labelmap.dcm",),
    made_for="series",
    module="dicom.labels.labelmap_write",
    reader="dicom.labels.seg_read:read_segmentation",
    needs=("highdicom",),
)
RTSTRUCT = LabelFormat(
    "DICOM RTSTRUCT",
    (".rtstruct.dcm",),
    made_for="series",
    module="dicom.labels.rtstruct_write",
    reader="dicom.labels.rtstruct_read:read_structures",
)
PNG = LabelFormat(
    "PNG picture",
    (".png",),
    made_for="picture",
    module="raster.write_labels",
)
TIFF = LabelFormat(
    "TIFF picture",
    (".tif", ".tiff"),
    made_for="picture",
    module="raster.write_labels",
)
COCO = LabelFormat(
    "COCO objects",
    (".json",),
    made_for="picture",
    module="raster.coco",
    reader="raster.coco:read_coco",
)

LABEL_FORMATS = (
    NIFTI,
    SEG_NRRD,
    NRRD,
    MHA,
    DICOM_SEG,
    DICOM_LABEL_MAP,
    RTSTRUCT,
    PNG,
    TIFF,
    COCO,
)
"""All of them, the most fitting for a volume first."""
BY_SUFFIX: dict[str, LabelFormat] = {
    suffix: label_format for label_format in LABEL_FORMATS for suffix in label_format.suffixes
}
"""The format that each suffix (`images.read.suffix_of`) chooses."""
