"""Keep the console from failing on a character it lacks; also works without a console."""

from __future__ import annotations

import io
import sys


def print_anything() -> None:
    r"""Print a character that the console's code page lacks as an escape, instead of failing.

    Windows' consoles can print all characters, but a pipe or a file gets a code page like cp1252:
    a Japanese file name would end the command with a UnicodeEncodeError after its work was done.
    Escaped as ``\u808c`` the file can still be identified. Under ``pythonw`` there are no streams,
    and nothing to do.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
