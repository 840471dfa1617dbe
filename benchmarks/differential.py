"""Compare places and values of every reference file with dcm2niix, pydicom, nibabel and SimpleITK.

    python benchmarks/differential.py [--install] [--only TEXT] [--verbose] [FOLDER ...]

FOLDER are ../shared/data/readers and ../shared/faults unless given. Each volume that this program
reads is sought among those of each library that reads the format: the same voxel grid in the
patient (all eight corners, to 0.02 mm, in LPS) and the same values at 400 voxels (to 1e-4 of the
range), both whatever the order of the array. pydicom gives single frames: each slice of ours must
be one of them, at its place, with the values of its modality transform. A library that cannot read
a file is counted by itself. Pictures without a place are compared by their values in array order.

Each disagreement needs a line in `EXPLAINED`: whom we follow, and why. Prints a table; exits 1 if
one is not explained. `--install` installs Debian's dcm2niix (for this benchmark only); without it,
dcm2niix is compared where it is present.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import io
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import SimpleITK as sitk
from numpy.typing import NDArray

HERE = Path(__file__).resolve().parent
SHARED = HERE.parents[1] / "shared"
if str(HERE.parent) not in sys.path:
    sys.path.append(str(HERE.parent))

from napari_medsam.formats.common.errors import ReadError  # noqa: E402 - needs the path above
from napari_medsam.formats.common.image_file import ImageFile  # noqa: E402
from napari_medsam.formats.images.read import found_images, kind_of  # noqa: E402

CORNER_MM, VALUE_PART, N_POINTS = 0.02, 1e-4, 400
MIRROR = np.diag([-1.0, -1.0, 1.0, 1.0])
"""From RAS (NIfTI, nibabel) to LPS."""
LOSSY = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 53, 55, 81, 91))
"""Transfer syntaxes whose decoders may differ by rounding (PS3.5 annex A.4)."""
LOSSY_PART = 0.02
STACK_MM = 0.1
"""pydicom's slices and ours may be so far apart: headers round positions, stacks are even."""


@dataclass(frozen=True, eq=False)
class Placed:
    """A volume: `voxels[x, y, z]`, with colours as a fourth axis, and index to LPS mm."""

    voxels: NDArray[Any]
    affine: NDArray[np.float64]
    name: str = ""
    has_place: bool = True

    @property
    def corners(self) -> NDArray[np.float64]:
        """(8, 3) LPS mm of the outermost voxels' centres, in an order of their own."""
        ends = [(0, n - 1) for n in self.voxels.shape[:3]]
        indices = [(x, y, z, 1) for x in ends[0] for y in ends[1] for z in ends[2]]
        points = (np.array(indices) @ self.affine.T)[:, :3].round(3)
        return np.asarray(points[np.lexsort(points.T)])


@dataclass(frozen=True)
class Verdict:
    """How a library compares: "same", "failed", "place", "values" or "none", and details."""

    word: str
    detail: str = ""


# -- this program ---------------------------------------------------------------------------------


def our_volumes(path: Path) -> list[Placed]:
    """Every volume of a file or folder; raises ReadError if nothing can be read."""
    volumes: list[Placed] = []
    refusals: list[ReadError] = []
    with found_images(path, suv=False) as images:
        for image in images:
            for frame in range(image.n_frames):
                try:
                    read = image.read(frame)
                except ReadError as error:
                    refusals.append(error)
                    continue
                volume = read.volume
                affine = np.eye(4)
                affine[:3, :3] = np.asarray(volume.direction) * np.asarray(volume.spacing_xyz)
                affine[:3, 3] = volume.origin_xyz
                voxels = np.moveaxis(volume.voxels, (0, 1, 2), (2, 1, 0))
                volumes.append(Placed(voxels, affine, read.name, _has_place(read, affine)))
    if refusals and not volumes:
        raise refusals[0]
    return volumes


def _has_place(image: ImageFile, affine: NDArray[np.float64]) -> bool:
    """Whether the file states a place; a DICOM picture without one lies at 0, 0, 0 for us."""
    is_flat = image.grid.kind == "dicom" and image.volume.voxels.shape[0] == 1
    at_zero = not affine[:3, 3].any() and np.count_nonzero(affine[:3, :3]) == 3
    return image.grid.has_position and not (is_flat and at_zero)


# -- the others -----------------------------------------------------------------------------------


def by_nibabel(path: Path) -> list[Placed]:
    image = nib.load(path)
    voxels = _colours(np.asanyarray(image.dataobj))  # type: ignore[attr-defined]
    if voxels.ndim == 4 and image.get_data_dtype().names:  # type: ignore[attr-defined]
        return [Placed(voxels, MIRROR @ np.asarray(image.affine))]  # type: ignore[attr-defined]
    voxels = voxels[(...,) + (None,) * (3 - voxels.ndim)] if voxels.ndim < 3 else voxels
    affine = MIRROR @ np.asarray(image.affine)  # type: ignore[attr-defined]
    flat = voxels.reshape(*voxels.shape[:3], -1)
    return [Placed(flat[..., t], affine) for t in range(flat.shape[3])]


def _colours(array: NDArray[Any]) -> NDArray[Any]:
    """Red, green and blue as a last axis, from NIfTI's type of three named bytes."""
    if array.dtype.names is None:
        return array
    return np.stack([array[name] for name in array.dtype.names[:3]], axis=-1)


def by_simpleitk(path: Path) -> list[Placed]:
    if path.is_dir():
        volumes = []
        for folder in [path, *(p for p in path.rglob("*") if p.is_dir())]:
            for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(os.fsdecode(folder)):
                names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid)
                volumes.append(sitk.ReadImage(names))
    else:
        volumes = [sitk.ReadImage(str(path))]
    return [placed for image in volumes for placed in _of_simpleitk(image)]


def _of_simpleitk(image: sitk.Image) -> Iterator[Placed]:
    if image.GetDimension() == 4:
        for t in range(image.GetSize()[3]):
            yield from _of_simpleitk(image[:, :, :, t])
        return
    array = sitk.GetArrayFromImage(image)
    spatial = image.GetDimension()
    affine = np.eye(4)
    direction = np.reshape(image.GetDirection(), (spatial, spatial))
    affine[:spatial, :spatial] = direction * np.asarray(image.GetSpacing())
    affine[:spatial, 3] = image.GetOrigin()
    if spatial == 2:
        array = array[None]
    array = np.moveaxis(array, (0, 1, 2), (2, 1, 0))
    if array.ndim == 4 and array.shape[3] != 3:  # components are time points for us
        for component in range(array.shape[3]):
            yield Placed(array[..., component], affine)
        return
    yield Placed(array, affine)


def by_dcm2niix(path: Path) -> list[Placed]:
    with tempfile.TemporaryDirectory() as out, tempfile.TemporaryDirectory() as single:
        source = path
        if not path.is_dir():
            source = Path(single)
            shutil.copy(path, source / "one.dcm")
        ran = subprocess.run(
            ["dcm2niix", "-p", "n", "-z", "n", "-b", "n", "-f", "v%s_%t", "-o", out, str(source)],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
        )
        files = sorted(Path(out).glob("*.nii"))
        if not files:
            lines = [line for line in ran.stdout.splitlines() if "rror" in line or "nable" in line]
            raise OSError((lines or ["no output"])[0][:120])
        volumes = []
        for file in files:
            volumes += [Placed(np.array(v.voxels), v.affine, "dcm2niix") for v in by_nibabel(file)]
        return volumes


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame as pydicom reads it: `pixels[row, column]`, place or None."""

    pixels: NDArray[Any]
    affine: NDArray[np.float64] | None
    """(3, 3): mm along a column index, along a row index, and the position."""
    is_lossy: bool = False


def by_pydicom(path: Path) -> list[Frame]:
    files = [p for p in path.rglob("*") if p.is_file()] if path.is_dir() else [path]
    frames: list[Frame] = []
    errors: list[Exception] = []
    for file in sorted(files):
        try:
            header = pydicom.dcmread(file, force=path.is_file())
            if "PixelData" in header:
                frames += _frames(header)
        except Exception as error:  # noqa: BLE001 - one column counts them all
            errors.append(error)
    if not frames:
        raise errors[0] if errors else OSError("no pixels")
    return frames


def _frames(header: Any) -> Iterator[Frame]:
    pixels = header.pixel_array
    if header.PhotometricInterpretation == "PALETTE COLOR":
        table = pydicom.pixels.apply_color_lut(pixels, header)
        pixels = table >> 8 if table.dtype == np.uint16 else table
    is_lossy = str(header.file_meta.get("TransferSyntaxUID", "")) in LOSSY
    n_frames = int(header.get("NumberOfFrames", 1) or 1)
    if n_frames == 1:
        pixels = pixels[None]
    for n in range(n_frames):
        groups = [header]
        for name, index in (
            ("PerFrameFunctionalGroupsSequence", n),
            ("SharedFunctionalGroupsSequence", 0),
        ):
            if name in header and len(header[name].value) > index:
                item = header[name].value[index]
                groups = [seq[0] for e in item if e.VR == "SQ" for seq in [e.value] if seq] + groups
        slope = _first(groups, "RescaleSlope")
        plane = pixels[n].astype(np.float64)
        if slope is not None:
            plane = plane * float(slope) + float(_first(groups, "RescaleIntercept") or 0)
        elif "ModalityLUTSequence" in header:
            plane = pydicom.pixels.apply_modality_lut(pixels[n], header)
        yield Frame(plane, _plane(groups), is_lossy)


def _first(groups: Sequence[Any], keyword: str) -> Any:
    return next((g[keyword].value for g in groups if keyword in g), None)


def _plane(groups: Sequence[Any]) -> NDArray[np.float64] | None:
    position = _first(groups, "ImagePositionPatient")
    orientation = _first(groups, "ImageOrientationPatient")
    spacing = _first(groups, "PixelSpacing")
    if not position or not orientation or not spacing:
        return None
    row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
    return np.array(
        [row * float(spacing[1]), column * float(spacing[0]), np.array(position, float)]
    )


# -- comparing ------------------------------------------------------------------------------------


def compare(ours: Sequence[Placed], theirs: Sequence[Placed]) -> Verdict:
    """Whether each of our volumes is among theirs, and they have no others."""
    if len(ours) > 1 and all(v.voxels.shape[2] == 1 for v in ours):
        theirs = [page for other in theirs for page in _pages(other)]
    words = Counter(_sought(volume, theirs) for volume in ours)
    word = next((w for w in ("place", "values", "shape") if words[w]), "same")
    detail = f"{words['same']} of our {len(ours)} volumes are among its {len(theirs)}"
    if word == "same" and len(theirs) != len(ours):
        return Verdict("number", detail)
    return Verdict("place" if word == "shape" else word, "" if word == "same" else detail)


def _pages(volume: Placed) -> list[Placed]:
    """The frames of a film that a library gives as one volume."""
    pages = []
    for z in range(volume.voxels.shape[2]):
        affine = volume.affine.copy()
        affine[:3, 3] += z * affine[:3, 2]
        pages.append(Placed(volume.voxels[:, :, z : z + 1], affine, volume.name))
    return pages


def _sought(volume: Placed, theirs: Sequence[Placed]) -> str:
    best = "shape"
    for other in theirs:
        if volume.has_place:
            mapped = _their_indices(volume, other)
            if mapped is None:
                continue
            best = "values"
            mine, indices = mapped
        else:
            if volume.voxels.shape != other.voxels.shape:
                continue
            mine = indices = _some_voxels(volume)
            best = "values"
            if "dcm2niix" in other.name:  # it turns some pictures upside down
                last = other.voxels.shape[1] - 1
                turned = np.column_stack([mine[:, 0], last - mine[:, 1], mine[:, 2]])
                values = other.voxels[tuple(turned.T)]
                if _are_equal(volume.voxels[tuple(mine.T)], values):
                    return "same"
        if _are_equal(volume.voxels[tuple(mine.T)], other.voxels[tuple(indices.T)]):
            return "same"
    return "place" if best == "shape" else best


def _some_voxels(volume: Placed) -> NDArray[np.int64]:
    rng = np.random.default_rng(7)
    size = np.array(volume.voxels.shape[:3])
    return np.asarray(rng.integers(size, size=(N_POINTS, 3)))


def _their_indices(
    volume: Placed, other: Placed
) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Some of our voxels and theirs at the same points; None if the grids differ."""
    if sorted(volume.voxels.shape[:3]) != sorted(other.voxels.shape[:3]):
        return None
    if np.abs(volume.corners - other.corners).max() > CORNER_MM:
        # Corners are sorted by rounded numbers: compare each with the nearest.
        apart = np.linalg.norm(volume.corners[:, None] - other.corners[None], axis=2)
        if max(apart.min(0).max(), apart.min(1).max()) > CORNER_MM:
            return None
    mine = _some_voxels(volume)
    points = np.c_[mine, np.ones(len(mine))] @ volume.affine.T
    try:
        there = (points @ np.linalg.inv(other.affine).T)[:, :3]
    except np.linalg.LinAlgError:
        return None
    indices = np.rint(there).astype(np.int64)
    size = np.array(other.voxels.shape[:3])
    if np.abs(there - indices).max() > 0.1 or np.any((indices < 0) | (indices >= size)):
        return None
    return mine, indices


def _are_equal(one: NDArray[Any], other: NDArray[Any], part: float = VALUE_PART) -> bool:
    if one.ndim != other.ndim:
        one, other = (a if a.ndim == 1 else a[..., 0] for a in (one, other))
    if one.shape != other.shape:
        return False
    one, other = one.astype(np.float64), other.astype(np.float64)
    scale = max(float(np.nanmax(np.abs(other), initial=0.0)), 1e-12)
    return bool(np.allclose(one, other, rtol=0, atol=part * scale, equal_nan=True))


def compare_frames(ours: Sequence[Placed], frames: Sequence[Frame]) -> Verdict:
    """Whether each of our slices is one of pydicom's frames, at its place, and none is left."""
    left = list(range(len(frames)))
    absent: Counter[str] = Counter()
    n_slices = 0
    for volume in ours:
        counts = Counter[int]()
        matched: dict[int, list[int]] = defaultdict(list)
        reasons: dict[int, Counter[str]] = defaultdict(Counter)
        for axis in (2, 1, 0):
            for k in range(volume.voxels.shape[axis]):
                word, frame = _frame_of(volume, axis, k, frames, left)
                reasons[axis][word] += 1
                if frame is not None:
                    counts[axis] += 1
                    matched[axis].append(frame)
            if counts[axis] == volume.voxels.shape[axis]:
                break
        axis = max((2, 1, 0), key=lambda a: counts[a] / volume.voxels.shape[a])
        left = [n for n in left if n not in matched[axis]]
        size = volume.voxels.shape[axis]
        n_slices += size
        if counts[axis] < size:
            absent.update({w: c for w, c in reasons[axis].items() if w != "same"})
    if not absent and not left:
        return Verdict("same")
    word = "place" if absent["place"] > absent["values"] else "values" if absent else "number"
    return Verdict(
        word,
        f"{absent.total()} of our {n_slices} slices are no frame; {len(left)} of {len(frames)} "
        f"frames are in no volume",
    )


def _frame_of(
    volume: Placed, axis: int, k: int, frames: Sequence[Frame], left: Sequence[int]
) -> tuple[str, int | None]:
    """The frame that is this plane, or "place" or "values" for why none is."""
    best = "place"
    plane = np.take(volume.voxels, k, axis)
    others = [a for a in range(3) if a != axis]
    rng = np.random.default_rng(k)
    some = rng.integers([volume.voxels.shape[a] for a in others], size=(60, 2))
    index = np.empty((len(some), 4))
    index[:, others], index[:, axis], index[:, 3] = some, k, 1
    points = (index @ volume.affine.T)[:, :3]
    values = plane[tuple(some.T)]
    for n in left:
        frame = frames[n]
        if frame.affine is None or not volume.has_place:
            if axis != 2 or plane.shape[:2] != frame.pixels.shape[1::-1]:
                continue
            there = frame.pixels[some[:, 1], some[:, 0]]
        else:
            along_x, along_y, position = frame.affine
            normal = np.cross(along_x, along_y)
            normal /= np.linalg.norm(normal)
            relative = points - position
            if np.abs(relative @ normal).max() > STACK_MM:
                continue
            x = relative @ along_x / (along_x @ along_x)
            y = relative @ along_y / (along_y @ along_y)
            columns, rows = np.rint(x).astype(int), np.rint(y).astype(int)
            size = frame.pixels.shape
            if (
                max(np.abs(x - columns).max(), np.abs(y - rows).max()) > 0.1
                or columns.min() < 0
                or rows.min() < 0
                or columns.max() >= size[1]
                or rows.max() >= size[0]
            ):
                continue
            there = frame.pixels[rows, columns]
        best = "values"
        if _are_equal(values, there, LOSSY_PART if frame.is_lossy else VALUE_PART):
            return "same", n
    return best, None


# -- what is compared -----------------------------------------------------------------------------


def sources(folders: Sequence[Path]) -> Iterator[Path]:
    """Folders of single slices as a whole, every other file by itself."""
    for folder in folders:
        for place in [folder, *sorted(p for p in folder.rglob("*") if p.is_dir())]:
            files = sorted(p for p in place.iterdir() if p.is_file() and p.name != "make.sh")
            if files and all(_is_slice(p) for p in files) and _one_series(files):
                yield place
            else:
                yield from (p for p in files if _is_image(p))


def _is_slice(path: Path) -> bool:
    with contextlib.suppress(Exception):
        header = pydicom.dcmread(path, stop_before_pixels=True)
        return "Rows" in header and int(header.get("NumberOfFrames", 1) or 1) == 1
    return False


def _one_series(files: Sequence[Path]) -> bool:
    uids = {pydicom.dcmread(p, stop_before_pixels=True).get("SeriesInstanceUID") for p in files}
    return len(uids) == 1 and len(files) > 1


def _is_image(path: Path) -> bool:
    with contextlib.suppress(Exception):
        return kind_of(path) != "npz" and path.suffix not in (".raw", ".json", ".md", ".csv")
    return False


Library = Callable[[Path], Any]


def libraries_for(path: Path) -> dict[str, Library]:
    kind = kind_of(path)
    if kind == "dicom":
        found: dict[str, Library] = {"pydicom": by_pydicom, "SimpleITK": by_simpleitk}
        if shutil.which("dcm2niix"):
            found["dcm2niix"] = by_dcm2niix
        return found
    if kind == "nifti":
        is_itk = path.suffix not in (".mgz", ".mgh", ".mnc")
        return {"nibabel": by_nibabel} | ({"SimpleITK": by_simpleitk} if is_itk else {})
    return {"SimpleITK": by_simpleitk}


def verdict_of(name: str, library: Library, path: Path, ours: Sequence[Placed]) -> Verdict:
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            theirs = library(path)
    except Exception as error:  # noqa: BLE001 - any failure of a library is one column
        said = (str(error).strip().splitlines() or [""])[-1]
        return Verdict("failed", f"{type(error).__name__}: {said[:90]}")
    return compare_frames(ours, theirs) if name == "pydicom" else compare(ours, theirs)


INDICES = "it keeps the indices of a palette, without their colours"
GAPS = "a missing slice is an empty place for us; others close up or move what follows"
PASSES = "volumes of one series are told apart by their headers; it makes one of all slices"
FRAMES = "it stacks frames of one place (times, contrasts) as if they lay above each other"
EXPLAINED: list[tuple[str, str, str, str]] = [
    ("*/dicom_mr_enhanced/IM_0027*", "SimpleITK", "pydicom", FRAMES),
    ("*/dicom_mr_missing_slice", "*", "the positions", GAPS),
    ("*/emri_small_jpeg_2k*", "dcm2niix", "pydicom", "it decodes the first frame alone"),
    ("*/dicom_mr_siemens_mosaic", "pydicom", "dcm2niix", "a mosaic is one picture for pydicom"),
    ("*/dicom_mr_siemens_mosaic", "SimpleITK", "dcm2niix", "a mosaic is one picture for it"),
    ("*/dx_image.dcm", "SimpleITK", "pydicom", "GDCM inverts MONOCHROME1; values stay for us"),
    (
        "*/CT0012.fragmented*",
        "SimpleITK",
        "pydicom",
        "GDCM gives it 1024 lower; no rescale is stated",
    ),
    ("*/CTImage*4.50.dcm", "dcm2niix", "pydicom", "decoders of lossy JPEG round differently"),
    ("*/TestPattern_JPEG-Baseline*", "dcm2niix", "pydicom", "it keeps YBR, without RGB"),
    ("*/SC_ybr_full*", "dcm2niix", "pydicom", "it keeps YBR, without RGB"),
    ("*/OBXXXX1A*", "dcm2niix", "pydicom", INDICES),
    ("*/OT-PAL-8*", "dcm2niix", "pydicom", INDICES),
    ("*/no-pixel-spacing*", "dcm2niix", "pydicom", INDICES),
    ("*/TestPattern_Palette*", "dcm2niix", "pydicom", INDICES),
    ("*/SC_rgb_16bit.dcm", "*", "the screen", "colours of 16 bits are shown in 8, with a note"),
    ("*/nan_inf.nii.gz", "SimpleITK", "nibabel", "ITK makes NaN and infinity 0; ours stay"),
    ("*/zero_spacing_no_forms.nii", "SimpleITK", "nibabel", "a spacing of 0 is taken as 1, noted"),
    ("*/warp_t22mt1.nii.gz", "SimpleITK", "nibabel", "a vector is three volumes to choose from"),
    ("*/resampled_anat_moved.nii", "SimpleITK", "nibabel", "ITK makes NaN 0; ours stay"),
    ("*/minimal.nii.gz", "SimpleITK", "nibabel", "no form is stated: nibabel's guess, with a note"),
    ("*/CIT168.nii.gz", "SimpleITK", "nibabel", "colours: it gives four channels"),
    ("faults/01-*", "SimpleITK", "the headers", PASSES),
    ("faults/01-*", "dcm2niix", "the headers", PASSES),
    ("faults/03-*", "*", "the headers", PASSES),
    ("faults/04-*", "*", "the headers", PASSES),
    ("faults/05-*", "SimpleITK", "pydicom", "GDCM inverts MONOCHROME1; values stay for us"),
    ("faults/06-*", "*", "the header", "sizes are divided by the stated magnification"),
    ("faults/07-*", "*", "the positions", GAPS),
    ("faults/13-*", "*", "the header", "a segmentation is labels for us, an image for it"),
    ("faults/16-*", "SimpleITK", "nibabel", "ITK mirrors a negative pixdim; a note says so"),
    ("faults/17-*", "SimpleITK", "pydicom", "GDCM cannot hold the rescaled values"),
    ("faults/20-*", "*", "the identifiers", "a copied image is one image"),
    (
        "faults/21-*",
        "*",
        "the header",
        "places are in DetectorInformationSequence, which it ignores",
    ),
    ("faults/22-*", "*", "SliceLocation", "no position is stated: ours are stacked, with a note"),
    (
        "faults/23-*",
        "*",
        "the header",
        "HighBit: the values are in the upper bits; it does not shift them",
    ),
]
"""Pattern of the path, library, whom we follow, and why. The first that fits counts."""


def main() -> int:
    options = _options()
    if options.install:
        _install()
    if not shutil.which("dcm2niix"):
        print("dcm2niix is not installed (--install): it is not compared.", file=sys.stderr)
    sitk.ProcessObject.SetGlobalWarningDisplay(False)
    folders = options.folders or [SHARED / "data" / "readers", SHARED / "faults"]
    table: dict[str, Counter[str]] = defaultdict(Counter)
    rows: list[tuple[str, str, Verdict, str, str]] = []
    refused = unexplained = 0
    for path in sources(folders):
        shown = str(path.relative_to(SHARED)) if path.is_relative_to(SHARED) else str(path)
        if options.only not in shown:
            continue
        try:
            ours = our_volumes(path)
        except ReadError as error:
            refused += 1
            if options.verbose:
                print(f"{shown}: refused: {error}", flush=True)
            continue
        for name, library in libraries_for(path).items():
            verdict = verdict_of(name, library, path, ours)
            table[name][verdict.word] += 1
            if options.verbose:
                print(f"{shown}: {name}: {verdict.word} {verdict.detail}", flush=True)
            if verdict.word in ("same", "failed"):
                continue
            follow, why = next(
                (
                    (f, w)
                    for p, lib, f, w in EXPLAINED
                    if lib in (name, "*") and fnmatch.fnmatch(shown, p)
                ),
                ("", ""),
            )
            unexplained += not why
            rows.append((shown, name, verdict, follow, why or "NOT EXPLAINED"))
    _print(table, rows, refused)
    return int(unexplained > 0)


def _print(
    table: dict[str, Counter[str]], rows: Sequence[tuple[str, str, Verdict, str, str]], refused: int
) -> None:
    words = ("same", "place", "values", "number", "failed")
    print("\n| library | same | other place | other values | other number | cannot read |")
    print("|---|---|---|---|---|---|")
    for name, counts in sorted(table.items()):
        print(f"| {name} |", " | ".join(str(counts[w]) for w in words), "|")
    print(f"\n{refused} inputs are refused by this program with a sentence.\n")
    print("| input | library | differs in | we follow | why |\n|---|---|---|---|---|")
    for shown, name, verdict, follow, why in rows:
        print(f"| {shown} | {name} | {verdict.word}: {verdict.detail} | {follow} | {why} |")


def _install() -> None:
    """Debian's package, by the system's package manager; asked for by --install only."""
    if not shutil.which("dcm2niix"):
        subprocess.run(["apt-get", "install", "-y", "dcm2niix"], check=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--install", action="store_true", help="install dcm2niix (Debian)")
    parser.add_argument("--only", default="", help="a part of the path")
    parser.add_argument("--verbose", action="store_true", help="a line for each file and library")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
