"""The running program as a wheel, built from its own files without a build tool.

Format: packaging.python.org, "Binary distribution format": a zip of the package and a
``.dist-info`` folder whose RECORD lists every file with its SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import napari_medsam
from napari_medsam import __version__
from napari_medsam.offline_kit.tested_versions import constraints_file

NAME = "napari_medsam"
ABOUT_WHEEL = """\
Wheel-Version: 1.0
Generator: napari-medsam kit
Root-Is-Purelib: true
Tag: py3-none-any
"""
PACKED = frozenset({".py", ".pyi", ".yaml", ".png", ".txt", ".typed", ".bat", ".sh"})
"""Suffixes of the package's files. A checkout's folder may hold other files, such as an image that
somebody put there, and those must not end up in a kit.
"""
_COPIED = ("METADATA", "entry_points.txt", "licenses/")
_TIME = (2020, 1, 1, 0, 0, 0)  # the same files give the same wheel


def write_own_wheel(folder: Path) -> Path:
    """Write this program's wheel into `folder`.

    Raises
    ------
    ValueError
        If the program is not installed, so that its requirements are unknown.
    """
    about = f"{NAME}-{__version__}.dist-info"
    members = {**_package_files(), **{f"{about}/{k}": v for k, v in _metadata().items()}}
    members[f"{about}/WHEEL"] = ABOUT_WHEEL.encode()
    record = "".join(f"{name},{_hash(data)},{len(data)}\n" for name, data in members.items())
    members[f"{about}/RECORD"] = f"{record}{about}/RECORD,,\n".encode()
    path = folder / f"{NAME}-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, _TIME), data, zipfile.ZIP_DEFLATED)
    return path


def _package_files() -> dict[str, bytes]:
    package = Path(napari_medsam.__file__).parent
    files = [path for path in sorted(package.rglob("*")) if path.is_file()]
    found = {
        f"{NAME}/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in files
        if "__pycache__" not in path.parts and path.suffix in PACKED
    }
    return {**found, f"{NAME}/constraints.txt": constraints_file().read_bytes()}


def _metadata() -> dict[str, bytes]:
    """The metadata pip wrote at this program's installation, without machine-specific entries."""
    try:
        installed = distribution(NAME)
    except PackageNotFoundError as error:
        raise ValueError(f"{NAME} is not installed here: pip install it first.") from error
    if installed.version != __version__:
        raise ValueError(
            f"Version {installed.version} is installed but {__version__} is running; install again."
        )
    found = {}
    for file in installed.files or ():
        inside = file.as_posix().partition(".dist-info/")[2]
        if inside.startswith(_COPIED):
            found[inside] = Path(str(file.locate())).read_bytes()
    return found


def _hash(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest())
    return f"sha256={digest.rstrip(b'=').decode()}"
