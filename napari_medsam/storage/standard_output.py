"""Printing that does not fail on a character that the console lacks, or without a console."""

from __future__ import annotations

import io
import sys

from napari_medsam.storage.file_names import READABLE


def print_anything() -> None:
    r"""From now on, print a character that the code page lacks as an escape, instead of failing.

    Windows' consoles can print all characters, but a pipe or a file has a code page like cp1252:
    a Japanese file name would end the command with a UnicodeEncodeError after its work was done.
    Escaped as ``\u808c``, the file can still be identified. Under ``pythonw`` there are no streams
    and nothing is done.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=READABLE)
