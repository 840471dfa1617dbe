"""The result of a check: the part, its state, the finding, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """One part: whether it works, the finding, and what to do ("" if nothing)."""

    name: str
    state: State
    found: str
    advice: str = ""


def first_line(error: Exception) -> str:
    """The first line of an error's message, or its type if it has no message."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))


def are_ok(checks: Sequence[Check], *names: str) -> bool:
    """Whether all parts of these names were checked and work."""
    states = {check.name: check.state for check in checks}
    return all(states.get(name) == "ok" for name in names)
