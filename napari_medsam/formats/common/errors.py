"""Errors of files, each with one sentence for the person who opened or saved the file."""

from __future__ import annotations

import struct
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from napari_medsam.formats.common.image_description import Description
    from napari_medsam.storage.errors import FileInUse


DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What libraries raise on damaged files: none of them foresees every byte. A mistake of ours in a
reader is taken for damage too, so readers call a library in as few lines as they can."""


class ReadError(ValueError):
    """A file or folder cannot be read as an image; the message states why and what to do."""


@contextmanager
def damage_reported(path: Path, kind: str, damage: tuple[type[Exception], ...]) -> Iterator[None]:
    """Report what a library raises on a damaged file as a ReadError, with its reason."""
    try:
        yield
    except ReadError:
        raise
    except damage as error:
        raise ReadError(f"{path.name} is not a readable {kind} file ({reason(error)}).") from error


@contextmanager
def damage_as(sentence: str, damage: tuple[type[Exception], ...] = DAMAGE) -> Iterator[None]:
    """Report what a library raises on a damaged file as a ReadError of this sentence."""
    try:
        yield
    except ReadError:
        raise
    except damage as error:
        raise ReadError(sentence) from error


class SeveralFrames(ReadError):
    """The file holds several volumes and none was chosen; `n_frames` is their number.

    `words` tell each from the others, where that is known.
    """

    def __init__(self, name: str, n_frames: int, words: Sequence[str] = ()) -> None:
        self.name = name
        self.n_frames = n_frames
        self.words = tuple(words)
        super().__init__(
            f"{name} holds {n_frames} volumes (time points, directions or channels) and one at "
            f"a time is segmented: choose one, frame 0 to {n_frames - 1}{self.listed()}."
        )

    def listed(self, most: int = 6) -> str:
        """The first volumes in words, after a colon; "" if there are none."""
        lines = [f"{n} {told}" for n, told in enumerate(self.words[:most])]
        more = "; ..." if len(self.words) > most else ""
        return f": {'; '.join(lines)}{more}" if lines else ""


class SeveralSeries(ReadError):
    """The folder holds several DICOM series and none was chosen; `series` lists them."""

    def __init__(self, name: str, series: Sequence[Description]) -> None:
        lines = "; ".join(item.one_line() for item in series)
        super().__init__(f"{name} holds {len(series)} series, choose one by its UID: {lines}")
        self.name = name
        self.series = tuple(series)


class UnknownFormat(ReadError):
    """The file is in no format that can be read as an image."""


class OtherGrid(ReadError):
    """Labels are on another grid than their image; the user decides whether to resample them.

    `difference` states what differs, "" if that is not known. `sizes_xyz` are the voxels of the
    image and of the labels along x, y, z, if they differ; else None. `can_resample` is False if
    either file states no position in the patient.
    """

    def __init__(
        self,
        sentence: str,
        difference: str = "",
        sizes_xyz: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
        *,
        can_resample: bool,
    ) -> None:
        super().__init__(sentence)
        self.difference = difference
        self.sizes_xyz = sizes_xyz
        self.can_resample = can_resample


class SaveError(ValueError):
    """Labels were not saved; what was in the target's place before is untouched."""


def in_use(error: FileInUse) -> str:
    """Why a file was not replaced on Windows while another program shows it."""
    return (
        f"{error.path.name} {error.state}; close it there and save again. The file that was there "
        f"before is unchanged."
    )


def one_line(error: BaseException) -> str:
    """The message of an error on one line; its type if it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def reason(error: Exception, longest: int = 140) -> str:
    """A library's message, as a short clause without line breaks or raw bytes."""
    plain = "".join(letter if letter.isprintable() else "?" for letter in one_line(error))
    return plain if len(plain) <= longest else plain[: longest - 4] + " ..."
