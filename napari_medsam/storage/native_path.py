"""`native_path`: a path as text that libraries in C++ can bear.

Linux allows any bytes in a name. Python represents bytes that are not text in the encoding of file
names as surrogates. SimpleITK aborts the whole process for such a path, Pillow's TIFF encoder
raises UnicodeEncodeError, and OpenVINO's messages about such a file raise UnicodeDecodeError.
MetaIO takes a backslash for the end of a folder's name on every system. They get a path of plain
text that leads to the same file: through a link in a temporary folder.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import os
import re
import sys
import tempfile
import threading
from pathlib import Path

from napari_medsam.storage.operating_system import is_windows
from napari_medsam.storage.temporary_folder import temporary_folder

_PREFIX = "napari-medsam-links-"
_HEADERS = (".mhd", ".nhdr", ".hdr", ".img", ".xml", ".onnx")
"""Extensions of files that name others beside them."""
_EXTENSIONS = re.compile(r"(\.[A-Za-z0-9]{1,10}){0,2}$")
_lock = threading.Lock()
_folders: dict[str, Path] = {}
_files: dict[Path, Path] = {}
"""By what they lead to: the links to folders, and the folders of links to files."""


def native_path(path: Path) -> str:
    """A path to the same file that libraries can bear; `str(path)` for all but the rarest names.

    It is valid until the program ends, and may be written to. If the name itself is not text, the
    path has another name with the same extension; files that a header may name are then beside
    it as well, unless the header names them by ``..``.

    Raises
    ------
    OSError
        No link can be made; the message says to rename the file or folder.
    """
    if (text := _borne(str(path))) is not None:
        return text
    place = path.absolute()
    folder, name = str(place.parent), _borne(place.name)
    try:
        with _lock:
            if name is None:
                return _linked_file(place)
            return os.path.join(_borne(folder) or str(_linked_folder(folder)), name)
    except OSError as error:
        raise OSError(
            error.errno or errno.EINVAL,
            "Its name or a folder's holds bytes that are no text, or a backslash, and libraries "
            f"cannot read it; rename it ({error.strerror or error})",
            str(path),
        ) from error


def _borne(text: str) -> str | None:
    """A path or name as libraries can bear it; None if they cannot."""
    if "\\" in text and not is_windows():
        return None
    if text.isascii():
        return text
    try:
        # SimpleITK takes UTF-8, OpenVINO the encoding of file names: only where both are one.
        text.encode(sys.getfilesystemencoding())
    except UnicodeError:
        return None
    return text


def _linked_folder(folder: str) -> Path:
    if folder not in _folders:
        link = _root() / f"folder{len(_folders)}"
        os.symlink(folder, link, target_is_directory=True)
        _folders[folder] = link
    return _folders[folder]


def _linked_file(path: Path) -> str:
    """A link with a plain name and the extensions of `path`, in a folder of its own."""
    if path not in _files:
        folder = _root() / f"file{len(_files)}"
        folder.mkdir()
        _files[path] = folder
    folder = _files[path]
    found = _EXTENSIONS.search(path.name)
    ending = found.group() if found else ""
    _link(path, folder / f"file{ending}")
    if ending.lower().endswith(_HEADERS):
        stem = path.name.removesuffix(ending)
        for entry in path.parent.iterdir():
            _link(entry, folder / entry.name)
            if entry.name.startswith(f"{stem}."):  # the other half of a pair
                _link(entry, folder / f"file{entry.name.removeprefix(stem)}")
    return str(folder / f"file{ending}")


def _link(target: Path, link: Path) -> None:
    with contextlib.suppress(FileExistsError):
        os.symlink(target, link)


@functools.cache
def _root() -> Path:
    """The folder of this process's links, made at first use and removed when the program ends."""
    usual = tempfile.gettempdir()
    places = [usual, "/tmp", "/var/tmp", "/dev/shm"]
    within = next((p for p in places if _borne(p) and os.access(p, os.W_OK)), None)
    if within is None:
        raise OSError(errno.ENOENT, "there is no folder for temporary files with a plain name")
    held = contextlib.ExitStack()
    folder = held.enter_context(temporary_folder(_PREFIX, Path(within)))
    atexit.register(held.close)
    return folder
