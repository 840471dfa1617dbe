"""The table at the end: one line per cell, with the versions that were installed."""

from __future__ import annotations

from collections.abc import Sequence

from script.cells.runs import Outcome

HEAD = ("cell", "python", "qt", "napari", "numpy", "passed", "failed", "skipped", "seconds")


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [HEAD, *(_row(one) for one in outcomes)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(HEAD))]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    for one in outcomes:
        if one.reason:
            lines += ["", f"{one.cell.name}: {one.reason}"]
        elif not one.is_good:
            lines += ["", f"{one.cell.name}: pytest's exit code is {one.exit_code}; see its log."]
    return "\n".join(lines)


def _row(one: Outcome) -> tuple[str, ...]:
    versions = tuple(one.versions.get(name, "-") for name in ("python", "qt", "napari", "numpy"))
    if one.reason:
        return (one.cell.name, *versions, "-", "-", "-", f"{one.seconds:.0f}")
    numbers = (one.passed, one.failed, one.skipped, round(one.seconds))
    return (one.cell.name, *versions, *(str(number) for number in numbers))
