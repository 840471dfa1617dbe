"""Translate the package indexes configured for pip into variables of uv, which ignores them."""

from __future__ import annotations

import ast
import subprocess
import sys

SECTIONS = ("global", "install", ":env:")
"""Sections of pip's settings; a later one overrides an earlier one, as for `pip install`."""
VARIABLES = {
    "index-url": ("UV_DEFAULT_INDEX", " "),
    "extra-index-url": ("UV_INDEX", " "),
    "find-links": ("UV_FIND_LINKS", ","),
}
"""For each setting of pip: uv's variable, and the separator that uv expects between values."""


def uv_variables(listing: str) -> dict[str, str]:
    """Variables for uv from the output of `pip config list`, such as ``global.no-index='1'``."""
    found: dict[str, str] = {}
    lines = [line.partition("=") for line in listing.splitlines()]
    settings = {name: value for name, _, value in lines if value}
    for section in SECTIONS:
        for name, (variable, separator) in VARIABLES.items():
            if value := settings.get(f"{section}.{name}"):
                # pip separates values by line breaks or spaces.
                found[variable] = separator.join(str(ast.literal_eval(value)).split())
    if "UV_INDEX" in found:
        # As pip does: the best version of all indexes, not of the first index with the package.
        found["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return found


def pip_settings_for_uv() -> dict[str, str]:
    """Variables for uv from the settings of this Python's pip; empty if it has no pip.

    They may hold passwords: pass them to uv's environment, and never print or store them.
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
    return uv_variables(done.stdout) if done.returncode == 0 else {}
