"""Headers that announce far more than there is: refused with numbers, at once, in little memory.

All run in a process of their own, whose peak memory is theirs alone.
"""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
import tifffile
from PIL import Image

from tests.conftest import PROJECT
from tests.formats.dicom_files import write_slice

VOXELS = np.random.default_rng(1).integers(0, 900, (6, 7, 8)).astype(np.int16)
MOST_SECONDS, MOST_MB = 5, 500

READ_ALL = """
import json, resource, sys, time
from pathlib import Path
from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.images.read import read_image
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
read_image(Path(sys.argv[1]) / "good.nii")
found = {}
for path in sorted((Path(sys.argv[1]) / "lies").iterdir()):
    before, started, said = peak(), time.monotonic(), ""
    try:
        read_image(path, frame=0)
    except ReadError as error:
        said = str(error)
    found[path.name] = said, time.monotonic() - started, peak() - before
print(json.dumps(found))
"""


def patched(data: bytes, offset: int, new: bytes) -> bytes:
    return data[:offset] + new + data[offset + len(new) :]


def nifti_bytes(folder: Path) -> bytes:
    nib.save(nib.Nifti1Image(VOXELS.T, np.eye(4)), folder / "good.nii")
    return (folder / "good.nii").read_bytes()


def lying_png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + checksum

    header = struct.pack(">IIBBBBB", 2_000_000, 2_000_000, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"0" * 99))


def lying_tiff(folder: Path) -> bytes:
    tifffile.imwrite(folder / "good.tif", VOXELS[0])
    with tifffile.TiffFile(folder / "good.tif") as file:
        places = [file.pages[0].tags[name].valueoffset for name in ("ImageWidth", "ImageLength")]
    data = (folder / "good.tif").read_bytes()
    for place in places:
        data = patched(data, place, struct.pack("<H", 65535))
    return data


def lying_npz() -> bytes:
    """The array's own header says more; its line is padded, so that the length stays."""
    array = io.BytesIO()
    np.save(array, VOXELS.astype(np.uint8))
    true, lie = b"(6, 7, 8), }           ", b"(60000, 70000, 9000), }"
    assert true in array.getvalue()
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("imgs.npy", array.getvalue().replace(true, lie))
    return stream.getvalue()


def lying_bmp() -> bytes:
    stream = io.BytesIO()
    Image.fromarray(VOXELS[0].astype(np.uint8)).save(stream, "BMP")
    return patched(stream.getvalue(), 18, struct.pack("<ii", 2_000_000, 2_000_000))


def lying_mgh(folder: Path) -> bytes:
    nib.save(nib.MGHImage(VOXELS.T.astype(np.float32), np.eye(4)), folder / "good.mgh")
    return patched((folder / "good.mgh").read_bytes(), 4, struct.pack(">iii", *(2_000_000,) * 3))


def lying_mha(folder: Path) -> bytes:
    sitk.WriteImage(sitk.GetImageFromArray(VOXELS), str(folder / "good.mha"), True)
    data = (folder / "good.mha").read_bytes()
    return data.replace(b"DimSize = 8 7 6", b"DimSize = 50000 40000 30000")


def lying_dicom(folder: Path, rows: int, columns: int) -> bytes:
    write_slice(folder / "good.dcm", VOXELS[0], np.zeros(3))
    data = (folder / "good.dcm").read_bytes()
    for element, value in (
        (b"\x28\x00\x10\x00\x02\x00\x00\x00", rows),
        (b"\x28\x00\x11\x00\x02\x00\x00\x00", columns),
    ):
        place = data.index(element) + len(element)
        data = patched(data, place, struct.pack("<H", value))
    return data


@pytest.fixture(scope="module")
def lies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lying")
    (folder / "lies").mkdir()
    nifti = nifti_bytes(folder)
    nrrd = b"NRRD0004\ntype: short\ndimension: 3\nsizes: 50000 40000 25000\nendian: little\n"
    made = {
        "dims.nii": patched(nifti, 42, struct.pack("<hhh", *(32767,) * 3)),
        "time.nii": patched(nifti, 40, struct.pack("<hhhhh", 4, 8, 7, 6, 32767)),
        "gzip.nrrd": nrrd + b"encoding: gzip\n\nabc",
        "raw.nrrd": nrrd + b"encoding: raw\n\nabc",
        "a.mha": lying_mha(folder),
        "a.png": lying_png(),
        "a.bmp": lying_bmp(),
        "a.tif": lying_tiff(folder),
        "a.npz": lying_npz(),
        "a.mgh": lying_mgh(folder),
        "a.dcm": lying_dicom(folder, 65535, 65535),
        "small.dcm": lying_dicom(folder, 3000, 3000),
    }
    for name, data in made.items():
        (folder / "lies" / name).write_bytes(data)
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="measures memory the POSIX way")
def test_every_lie_is_refused_quickly_in_little_memory_and_with_numbers(lies: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ_ALL, str(lies)],
        capture_output=True,
        text=True,
        check=True,
        cwd=PROJECT,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == 12
    for name, (said, seconds, megabytes) in found.items():
        assert name in said, f"{name} was read"
        assert any(unit in said for unit in (" TB", " GB", " MB")), said
        assert seconds < MOST_SECONDS, name
        assert megabytes < MOST_MB, name
