"""Reads the headers of all files of a folder, and counts what is left out, by kind."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydicom.uid import UID

from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.dicom.header.dataset import quiet_pydicom, read_dataset
from napari_medsam.formats.dicom.header.file_validity import is_dicom, syntax_if_whole
from napari_medsam.formats.dicom.header.slice_header import SliceHeader, read_damaged_header
from napari_medsam.formats.dicom.volumes.series import SEGMENTATION_CLASSES, slices_in

AS_LABELS = "open as labels"
OBJECTS = {
    "1.2.840.10008.5.1.4.1.1.481.3": f"RTSTRUCT (contours; {AS_LABELS})",
    "1.2.840.10008.5.1.4.1.1.481.": "radiotherapy object",
    SEGMENTATION_CLASSES: f"segmentation ({AS_LABELS})",
    "1.2.840.10008.5.1.4.1.1.88.": "report",
    "1.2.840.10008.5.1.4.1.1.104.": "document",
    "1.2.840.10008.5.1.4.1.1.11.": "presentation state",
}
"""Starts of SOP classes (PS3.6 annex A) and what they are; the first that fits counts."""
OTHER_OBJECT, OTHER_OBJECTS = "DICOM object without a picture", "DICOM objects without a picture"
MOST_NAMES = 3
QUIET_NAMES = ("readme", "license", "thumbs.db", "desktop.ini", "autorun.inf")
"""Starts of names, in small letters, of files that lie in many folders and hold no data."""


@dataclass
class FolderScan:
    """The slices of a folder's files, and the files without any."""

    headers: list[SliceHeader] = field(default_factory=list)
    damaged: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    objects: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))

    def left_out(self, shown: Iterable[Path]) -> str:
        """One sentence for what is left out; "" if nothing is.

        Parameters
        ----------
        shown
            Damaged files that a note on their own volume names already.
        """
        told = set(shown)
        damaged = sorted(path.name for path in self.damaged if path not in told)
        others = sorted(path.name for path in self.others)
        parts = [_counted(len(damaged), "damaged file", damaged)] if damaged else []
        parts += [_of_kind(kind, paths) for kind, paths in sorted(self.objects.items())]
        if others:
            parts.append(_counted(len(others), "file", others, " that is not DICOM"))
        said = f"Not opened from this folder: {', '.join(parts)}." if parts else ""
        if damaged and self.headers:
            said += " A damaged file no longer says its place: a volume may end a slice too early."
        return said


def _of_kind(kind: str, paths: list[Path]) -> str:
    """How many there are; names only of those that can be opened in another way."""
    if AS_LABELS not in kind:
        return _counted(len(paths), kind)
    names = _listed(sorted(path.name for path in paths))
    return _counted(len(paths), kind.replace(AS_LABELS, f"{AS_LABELS}: {names}"))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:MOST_NAMES]) + (", ..." if len(names) > MOST_NAMES else "")


def _counted(n: int, what: str, names: list[str] | None = None, which: str = "") -> str:
    noun, _, rest = what.partition(" (")
    if n > 1:
        noun = OTHER_OBJECTS if noun == OTHER_OBJECT else f"{noun}s"
        which = which.replace("that is", "that are")
    listed = _listed(names or [])
    return f"{n} {noun}{which}" + (f" ({rest}" if rest else "") + (f" ({listed})" if listed else "")


def scan_files(files: Iterable[Path]) -> FolderScan:
    """The slices of these files, and what the others are."""
    scan = FolderScan()
    for path in files:
        try:
            _add(scan, path)
        except (ReadError, OSError):
            scan.damaged.append(path)
    places = (_place_of(path, scan.headers) for path in scan.damaged)
    scan.headers += [header for header in places if header is not None]
    return scan


def _add(scan: FolderScan, path: Path) -> None:
    slices = slices_in(path)
    if slices and slices[0].sop_class.startswith(SEGMENTATION_CLASSES):
        scan.objects[OBJECTS[SEGMENTATION_CLASSES]].append(path)
    elif slices:
        scan.headers += slices
    elif path.stat().st_size and not is_dicom(path):
        if not path.name.lower().startswith(QUIET_NAMES):
            scan.others.append(path)
    elif kind := _kind(path):
        scan.objects[kind].append(path)
    else:
        scan.damaged.append(path)


def _kind(path: Path) -> str:
    """What a DICOM file without a readable picture is; "" if it is damaged.

    A file can end, or go on in zeros, after whole elements: it then states no class or a part of
    it, or that of an image and has no pixels. Of a maker's own class, a file that ends where its
    pixels are described is one.
    """
    if syntax_if_whole(path) is None:
        return ""
    with quiet_pydicom():
        dataset = read_dataset(path)
        meta = getattr(dataset, "file_meta", {})
        stated = (dataset.get("SOPClassUID"), meta.get("MediaStorageSOPClassUID"))
        uid, *others = [UID(str(one)) for one in stated if one] or [UID("")]
        last = max(dataset.keys(), default=0) >> 16
        ends_early = "SeriesInstanceUID" not in dataset or ("Rows" in dataset and last <= 0x0028)
    if others not in ([], [uid]) or "Image Storage" in uid.name or (uid.name == uid and ends_early):
        return ""
    return next((kind for start, kind in OBJECTS.items() if uid.startswith(start)), OTHER_OBJECT)


def _place_of(path: Path, whole: Iterable[SliceHeader]) -> SliceHeader | None:
    """The slice that a damaged file was, where it still says so; else None.

    A size that it no longer states is that of its series.
    """
    try:
        header = read_damaged_header(path)
    except OSError:
        return None
    if header is None or header.rows:
        return header
    own = (h for h in whole if h.series_uid == header.series_uid and h.frame is None)
    like = next(own, None)
    if like is None or header.position is None:
        return None
    return replace(
        like,
        path=path,
        position=header.position,
        row=header.row,
        column=header.column,
        instance_uid=header.instance_uid,
        instance_number=header.instance_number,
        image_type=header.image_type,
        distinctions=header.distinctions,
        damaged=True,
    )
