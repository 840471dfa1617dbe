"""Paths written on another system, paths for SQLite, and whether a folder is writable."""

from __future__ import annotations

import tempfile
import unicodedata
from pathlib import Path, PurePath, PureWindowsPath
from urllib.parse import quote

from napari_medsam.storage.file_names import as_unicode, readable


def listed_path(folder: Path, text: str) -> Path:
    r"""The file that a table names; the table may have been written on another system.

    A path that exists as written is used. Otherwise a backslash counts as a separator, and a name
    matches one that differs only in spaces at its ends or in the encoding of its accents: macOS
    writes an umlaut as two characters, which is invisible; an old disk may have bytes of Latin-1,
    which Python and this program's tables write as an escape, and Qt as a replacement character.
    Case is not ignored: two files may differ only in case.

    Parameters
    ----------
    folder
        The folder to which relative paths refer.
    text
        "a/scan.nii.gz", "a\\scan.nii.gz", or an absolute path.
    """
    path = folder / text
    if path.exists() or (path := _as_encoded_there(path)).exists():
        return path
    if "\\" in text and not PureWindowsPath(text).drive:
        path = folder / PureWindowsPath(text).as_posix()
    return path if path.exists() else _as_encoded_there(path)


def _as_encoded_there(path: Path) -> Path:
    """The path with each part as encoded on disk; unchanged if a part has no single match."""
    found = Path(path.anchor) if path.anchor else Path()
    for part in path.parts[1:] if path.anchor else path.parts:
        if not (found / part).exists():
            wanted = _composed(part)
            try:
                names = [entry.name for entry in found.iterdir()]
            except OSError:
                return path
            matches = [name for name in names if wanted in _spellings(name)]
            if len(matches) != 1:
                return path
            part = matches[0]
        found /= part
    return found


def _spellings(name: str) -> set[str]:
    """What a table or a dialog may call a file of this name."""
    text = readable(name)
    raw = text.encode("utf-8", "surrogateescape")
    decoded = {
        text,
        raw.decode("utf-8", "replace"),
        text.encode("utf-8", "backslashreplace").decode(),
        raw.decode("utf-8", "backslashreplace"),
    }
    if as_unicode(text) is None:
        decoded.add(raw.decode("cp1252", "replace"))
    return {_composed(spelling) for spelling in decoded}


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", readable(name)).strip()


def sqlite_uri(path: PurePath, query: str) -> str:
    r"""The URI of a database for `sqlite3.connect(..., uri=True)`.

    SQLite accepts no host: `as_uri` turns ``\\server\share\x`` into ``file://server/share/x``,
    which SQLite refuses ("invalid uri authority"). With an empty host and a path that begins with
    two slashes, Windows finds the share.

    Parameters
    ----------
    path
        An absolute path.
    query
        For example "mode=ro".
    """
    plain = path.as_posix()
    if path.drive and not plain.startswith("//"):  # a drive letter
        plain = f"/{plain}"
    # Python represents the bytes of a name that is not UTF-8 as surrogates.
    return f"file://{quote(plain, safe='/:', errors='surrogateescape')}?{query}"


def can_write(folder: Path) -> bool:
    """Whether a file can be created in a folder; `os.access` ignores Windows' permissions."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
