"""Turn an exception into one sentence for the person at the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

EXPECTED = (ValueError, RuntimeError, ImportError)
"""The exceptions that the packages raise on purpose, with a message for the user (OSError and
MemoryError have messages of their own).
"""

LONGEST = 600
OPTIONS = {
    "box": "--box",
    "points": "--point or --outside",
    "fixed mask": "--from",
    "range": "--propagate",
    "smoothing": "--smooth",
    "window": "--window",
}
"""The option that gave a part of a request (`headless.build_request.RequestError`)."""


@contextmanager
def usage(option: str = "") -> Iterator[None]:
    """Report a ValueError raised inside as wrong usage of an option, exit code 2.

    A RequestError names its option itself.
    """
    try:
        yield
    except ValueError as error:
        hint = OPTIONS.get(getattr(error, "part", ""), option)
        raise typer.BadParameter(str(error), param_hint=hint) from error


@contextmanager
def resample_hint(hint: str) -> Iterator[None]:
    """Add to the error of labels on another grid how this command line resamples them.

    An error of labels that cannot be resampled is raised unchanged.
    """
    try:
        yield
    except ValueError as error:
        from napari_medsam.formats.common.errors import OtherGrid

        if not isinstance(error, OtherGrid) or not error.can_resample:
            raise
        raise OtherGrid(
            f"{error} {hint}", error.difference, error.sizes_xyz, can_resample=True
        ) from error


def sentence(error: Exception) -> str:
    """The error message on one line.

    An exception that is not raised on purpose is a bug in the program and is reported as one.
    """
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return "There is not enough memory for this image. Close other programs, or crop it."
    if isinstance(error, OSError) and error.strerror:
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror}{where}."
    if isinstance(error, EXPECTED) and text:
        text = _with_option(error) or text
        return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return (
        f"Something went wrong inside napari-medsam ({type(error).__name__}: {text[:LONGEST]}). "
        f"Run the same command with --debug and report what it prints."
    )


def _with_option(error: Exception) -> str:
    """The sentence of a choice that the window offers as a list and the command line as an option.

    "" for every other error.
    """
    from napari_medsam.formats.common.errors import SeveralFrames, SeveralSeries

    if isinstance(error, SeveralFrames):
        return (
            f"{error.name} holds {error.n_frames} volumes (time points, directions or channels); "
            f"choose one with --frame, 0 to {error.n_frames - 1}{error.listed()}."
        )
    if isinstance(error, SeveralSeries):
        lines = "; ".join(item.one_line() for item in error.series)
        return (
            f"{error.name} holds {len(error.series)} series; choose one with --series UID: {lines}"
        )
    return ""
