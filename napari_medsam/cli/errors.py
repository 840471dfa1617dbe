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


@contextmanager
def usage(option: str) -> Iterator[None]:
    """Report a ValueError raised inside as wrong usage of an option, exit code 2."""
    try:
        yield
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


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
        return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return (
        f"Something went wrong inside napari-medsam ({type(error).__name__}: {text[:LONGEST]}). "
        f"Run the same command with --debug and report what it prints."
    )
