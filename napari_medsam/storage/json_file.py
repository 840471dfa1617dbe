"""Read and atomically replace small JSON files of this program; a reader validates the content."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from napari_medsam.storage.atomic_write import write_text

MOST_BYTES = 2**20  # of a file; a larger one is refused


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> Any:
    """The content of a JSON file.

    Raises
    ------
    ValueError
        It is larger than `most_bytes`, nested too deeply for Python, or not JSON.
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"it is larger than {most_bytes:,} bytes")
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def read_object(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if the file is missing, damaged or not an object."""
    with contextlib.suppress(OSError, ValueError):
        content = read_json(path)
        if isinstance(content, dict):
            return content
    return {}


def write_json(path: Path, content: Any, indent: int | None = 1) -> None:
    """Replace a JSON file, written in ASCII; a missing folder is created.

    Raises
    ------
    OSError
        It cannot be written; the file is then unchanged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(content, indent=indent) + "\n")
