"""The package indexes configured for pip, as settings of uv, which reads none of pip's."""

from __future__ import annotations

import ast
import subprocess
import sys

SECTIONS = ("global", "install", ":env:")
"""Of pip's settings; of two the later counts, as for `pip install`."""
VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
}
"""The variable of each setting, and what uv wants between several values."""


def as_uv(listing: str) -> dict[str, str]:
    """Variables for uv from what `pip config list` writes, such as ``global.no-index='1'``."""
    found: dict[str, str] = {}
    lines = [line.partition("=") for line in listing.splitlines()]
    settings = {name: value for name, _, value in lines if value}
    for section in SECTIONS:
        for name, (variable, between) in VARIABLES.items():
            if value := settings.get(f"{section}.{name}"):
                # pip separates several by lines or spaces.
                found[variable] = between.join(str(ast.literal_eval(value)).split())
    if "UV_INDEX" in found:
        # As pip does: the best version of all indexes, and not of the first that has any.
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return found


def of_pip() -> dict[str, str]:
    """Variables for uv from this Python's pip; none if it has no pip.

    They may hold passwords: they go into the environment of uv, and are never printed or stored.
    """
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "list"]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    return as_uv(done.stdout) if done.returncode == 0 else {}
