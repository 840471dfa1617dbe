"""The table of results: one line per cell, with the installed versions."""

from __future__ import annotations

from collections.abc import Sequence

from script.cells.runs import Outcome

HEAD = ("cell", "python", "qt", "napari", "numpy", "passed", "failed", "skipped", "seconds")


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [HEAD, *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    for outcome in outcomes:
        if outcome.reason:
            lines += ["", f"{outcome.cell.name}: {outcome.reason}"]
        elif not outcome.is_good:
            lines += [
                "",
                f"{outcome.cell.name}: pytest's exit code is {outcome.exit_code}; see its log.",
            ]
    return "\n".join(lines)


def _row(outcome: Outcome) -> tuple[str, ...]:
    versions = tuple(
        outcome.versions.get(name, "-") for name in ("python", "qt", "napari", "numpy")
    )
    if outcome.reason:
        return (outcome.cell.name, *versions, "-", "-", "-", f"{outcome.seconds:.0f}")
    numbers = (outcome.passed, outcome.failed, outcome.skipped, round(outcome.seconds))
    return (outcome.cell.name, *versions, *(str(number) for number in numbers))
