"""What a check gives: the part, its state, what was found, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Check:
    """One part: whether it works, what was found, and what to do ("" where nothing)."""

    name: str
    state: State
    found: str
    advice: str = ""


def first_line(error: Exception) -> str:
    """What an error says first, or its kind where it says nothing."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), repr(error))


def are_ok(checks: Sequence[Check], *names: str) -> bool:
    """Whether all parts of these names were looked at and work."""
    states = {check.name: check.state for check in checks}
    return all(states.get(name) == "ok" for name in names)
