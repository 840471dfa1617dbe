"""The source series of an image, opened again to save labels that refer to it.

DICOM SEG and RTSTRUCT name the slices they were drawn on, their patient and their study. None of
that is stored while the image is open; it is read from the files when it is needed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.labels import Label
from napari_medsam.formats.common.errors import ReadError, SaveError, reason
from napari_medsam.formats.common.found_image import choose
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.common.label_table import complete_table
from napari_medsam.formats.dicom.header.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.header.slice_header import SliceHeader
from napari_medsam.formats.dicom.read import found_dicom

IDENTITY = ("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID")
"""What references name (PS3.3 table 10-11 and C.7.3.1); blank in some anonymised files."""
MAY_BE_EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
"""What an object must state and may leave empty (type 2 in PS3.3 C.7.1.1 and C.7.2.1)."""
UNWRITABLE = (ValueError, TypeError, KeyError, AttributeError, IndexError)
"""What highdicom and pydicom raise on source headers that lack what the standard requires."""


@dataclass(frozen=True, eq=False)
class SourceSeries:
    """The slices of a volume, as headers and as whole datasets without pixels.

    `headers[k]` is the slice at place k of the file's order, None where it is missing;
    `datasets[k]` is its file, the same one for all slices of a multi-frame file.
    """

    geometry: Geometry
    headers: Sequence[SliceHeader | None]
    datasets: Sequence[Any]

    @property
    def first(self) -> Any:
        return next(dataset for dataset in self.datasets if dataset is not None)

    @property
    def is_multi_frame(self) -> bool:
        return any(header is not None and header.frame is not None for header in self.headers)

    @property
    def slice_distance(self) -> float:
        """Millimetres between the planes of neighbouring slices, at right angles to them."""
        i, j, k = self.geometry.affine[:3, :3].T
        normal = np.cross(i, j)
        return round(abs(float(k @ normal)) / float(np.linalg.norm(normal)), 6)

    def corner(self, k: int) -> NDArray[np.float64]:
        """LPS mm of the first pixel's centre of slice k: its own, or its place if missing."""
        header = self.headers[k]
        if header is not None and header.position is not None:
            return header.position
        return self.geometry.affine[:3, :3] @ [0, 0, k] + self.geometry.affine[:3, 3]


@contextmanager
def labelled_series(
    what: str, labels_kji: NDArray[Any], table: Sequence[Label], grid: SourceGrid, use: str = ""
) -> Iterator[tuple[SourceSeries, list[Label]]]:
    """The series of (K, J, I) labels and a row for each label, to write an object from both.

    Parameters
    ----------
    what
        The object, as "a DICOM SEG".
    use
        What it needs the frame of reference for, as the end of the clause that says so.

    Raises
    ------
    SaveError
        There is no label, `source_of` or the block fails, or the series states no place.
    """
    present = [n for n in np.unique(labels_kji).tolist() if n]
    if not present:
        raise SaveError(f"There is no label to save yet; {what} cannot be empty.")
    if grid.ndim != 3:
        raise SaveError(
            f"The image states no place in the patient, which {what} needs: save as .png."
        )
    rows = [label for label in complete_table(labels_kji, table) if label.number in present]
    with source_of(grid) as source:
        if not source.first.get("FrameOfReferenceUID"):
            raise SaveError(
                f"The series states no frame of reference, which {what} needs{use}: save as "
                f".nii.gz or .seg.nrrd."
            )
        try:
            yield source, rows
        except SaveError:  # is a ValueError too
            raise
        except UNWRITABLE as error:
            raise SaveError(
                f"The series' headers lack what {what} needs ({reason(error)}); save as "
                f".nii.gz or .seg.nrrd."
            ) from error


@contextmanager
def source_of(grid: SourceGrid) -> Iterator[SourceSeries]:
    """Open the DICOM series of a grid again.

    Raises
    ------
    SaveError
        The image is no DICOM series, or its files are gone or have changed.
    """
    if grid.kind != "dicom":
        raise SaveError(
            "DICOM SEG and RTSTRUCT refer to the DICOM series of their image, and this image "
            f"comes from {grid.source.name}: save as .nii.gz or .seg.nrrd, or open the series."
        )
    if not grid.source.exists():
        raise SaveError(f"The series in {grid.source} is gone; its headers are needed to save.")
    with ExitStack() as opened:
        opened.enter_context(quiet_pydicom())
        try:
            images = opened.enter_context(found_dicom(grid.source))
            stack = choose(images, grid.series or None).stack
            headers = stack.slices[min(grid.frame, len(stack.slices) - 1)]
            files = {
                header.path: read_dataset(header.path) for header in headers if header is not None
            }
        except ReadError as error:
            raise SaveError(f"The series of the image cannot be read again: {error}") from error
        if not stack.placed and len(headers) > 1:
            raise SaveError(
                "The slices state no position in the patient, which objects that refer to them "
                "need: save as .nii.gz or .nrrd."
            )
        difference = grid.geometry.difference(stack.geometry)
        if difference:
            raise SaveError(f"The series in {grid.source.name} has changed: {difference}.")
        if stack.first.is_film or "MOSAIC" in stack.first.image_type:
            raise SaveError(
                "Frames of a film and tiles of a mosaic cannot be referred to one by one: save "
                "as .nii.gz or .seg.nrrd."
            )
        _restore_identity(list(files.values()))
        _require_identity(files.values(), grid)
        yield SourceSeries(
            stack.geometry,
            headers,
            [None if header is None else files[header.path] for header in headers],
        )


def _restore_identity(datasets: Sequence[Any]) -> None:
    """Fill identifiers that an anonymiser blanked, as far as the files themselves know them.

    Class and instance are in the file meta information too (PS3.10 section 7.1), which
    anonymisers often leave. What then still lacks is the series' own identifier; one made from
    that of its first instance is the same at every save and refers to nothing else.
    """
    for dataset in datasets:
        meta = getattr(dataset, "file_meta", {})
        for name in ("SOPClassUID", "SOPInstanceUID"):
            if not dataset.get(name) and (known := meta.get(f"MediaStorage{name}")):
                setattr(dataset, name, known)
    if any(dataset.get("SeriesInstanceUID") for dataset in datasets):
        return
    first = min((str(dataset.get("SOPInstanceUID") or "") for dataset in datasets), default="")
    for dataset in datasets if first else ():
        dataset.SeriesInstanceUID = _made_from(first, "series")


def _made_from(known: str, what: str) -> str:
    """An identifier that is always the same for what is known (PS3.5 annex B.2, UUID derived)."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, f'{known}/{what}').int}"


def _require_identity(datasets: Iterable[Any], grid: SourceGrid) -> None:
    """Raise if slices lack what an object that refers to them must name."""
    for dataset in datasets:
        blank = [name for name in IDENTITY if not dataset.get(name)]
        if blank:
            raise SaveError(
                f"The slices of {grid.source.name} state no {', '.join(blank)} (blanked by an "
                f"anonymiser?), so nothing can refer to them: save as .nii.gz or .seg.nrrd."
            )


def make_plain(dataset: Any, first: Any) -> None:
    """Remove differences by rounding only, and fill what an anonymiser blanked or deleted."""
    if "ImageOrientationPatient" in first:
        dataset.ImageOrientationPatient = first.ImageOrientationPatient
    # Names of labels may need letters that the series' own character set does not have.
    dataset.decode()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for name in MAY_BE_EMPTY:
        if name not in dataset:
            setattr(dataset, name, None)
    if not dataset.get("StudyInstanceUID"):
        # Anonymisers blank it; one derived from the series' own still links what belongs together.
        dataset.StudyInstanceUID = _made_from(str(dataset.get("SeriesInstanceUID", "")), "study")
