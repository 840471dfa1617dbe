"""Read a small JSON file of this program's own as data, whoever wrote it last."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

MOST_BYTES = 2**20


def read_json(path: Path, most_bytes: int = MOST_BYTES) -> Any:
    """The content of a JSON file.

    Raises
    ------
    ValueError
        Where it is larger than `most_bytes`, nested deeper than Python can follow, or no JSON.
    OSError
        Where it cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise ValueError(f"it is larger than {most_bytes:,} bytes")
    try:
        return json.loads(data)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
