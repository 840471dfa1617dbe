"""The command ./script/matrix."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from script.cells.environments import SetupError, prepare, prepare_uv
from script.cells.plan import PYTHONS, Cell, all_cells, is_requested, select_cells
from script.cells.pythons import find_pythons
from script.cells.runs import Outcome, run
from script.cells.table import table

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".venv-matrix"


def main(arguments: Sequence[str]) -> int:
    """Run the requested cells; 0 if all passed, 1 if not, 2 for wrong usage."""
    own_arguments, pytest_arguments = _split(arguments)
    options = _parser().parse_args(own_arguments)
    try:
        cells = select_cells(options.cells)
        pythons = find_pythons()
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    for version in PYTHONS:
        print(f"Python {version}: {pythons.get(version, 'not found')}", flush=True)
    if options.list:
        print("\n".join(cell.name for cell in all_cells()))
        return 0
    runnable, missing = assign_pythons(cells, pythons, options.cells)
    outcomes = [Outcome(cell, {}, reason=reason) for cell, reason in missing]
    if runnable:
        outcomes += _run_all(runnable, options.jobs, pytest_arguments)
    if not outcomes:
        print("Nothing was run.", file=sys.stderr)
        return 1
    print(f"\n{table(outcomes)}\n\nLogs and junit files: {FOLDER / 'results'}", flush=True)
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split into our own arguments and those after ``--``, which go to pytest."""
    words = list(arguments)
    if "--" not in words:
        return words, []
    separator = words.index("--")
    return words[:separator], words[separator + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/matrix",
        description="Run the tests on other Pythons, Qt bindings and versions.",
        epilog="Arguments after -- go to pytest: ./script/matrix newest -- tests/formats -x",
    )
    parser.add_argument("cells", nargs="*", help="names or patterns; default: all cells")
    parser.add_argument("--list", action="store_true", help="list the Pythons and cells")
    parser.add_argument(
        "--jobs", type=int, default=1, help="cells that run at the same time (default 1)"
    )
    return parser


def assign_pythons(
    cells: Sequence[Cell], pythons: dict[str, Path], patterns: list[str]
) -> tuple[list[tuple[Cell, Path]], list[tuple[Cell, str]]]:
    """Return each cell with its interpreter, and each requested cell that has none with the reason.

    Cells that were not requested and have no interpreter are skipped; a line is printed for each
    Python version that was not found.
    """
    runnable, missing, skipped = [], [], []
    for cell in cells:
        version = cell.python or _any_python(cell, pythons)
        if version in pythons:
            runnable.append((cell, pythons[version]))
        elif is_requested(cell, patterns) or not pythons:
            missing.append((cell, f"Python {version or '3.11 to 3.13'} was not found here"))
        else:
            skipped.append(cell)
    for version in sorted({cell.python for cell in skipped}):
        n = sum(cell.python == version for cell in skipped)
        print(f"Python {version} was not found: {n} cells are skipped.", flush=True)
    return runnable, missing


def _any_python(cell: Cell, pythons: dict[str, Path]) -> str:
    versions = list(pythons) or [""]
    return versions[0] if cell.versions == "lowest" else versions[-1]


def _run_all(
    runnable: list[tuple[Cell, Path]], jobs: int, pytest_arguments: list[str]
) -> list[Outcome]:
    results = FOLDER / "results"
    results.mkdir(parents=True, exist_ok=True)
    try:
        uv = prepare_uv(FOLDER)
    except SetupError as error:
        reason = f"the resolver could not be installed: {error}"
        return [Outcome(cell, {}, reason=reason) for cell, _ in runnable]

    def install_and_test(cell: Cell, interpreter: Path) -> Outcome:
        print(f"{cell.name}: installing", flush=True)
        try:
            environment = prepare(cell, interpreter, uv, ROOT, FOLDER)
        except SetupError as error:
            return Outcome(cell, {}, reason=f"could not be installed: {error}")
        print(f"{cell.name}: testing", flush=True)
        outcome = run(cell, environment, pytest_arguments, ROOT, results)
        print(f"{cell.name}: {'passed' if outcome.is_good else 'FAILED'}", flush=True)
        return outcome

    with ThreadPoolExecutor(max(1, jobs)) as pool:
        return list(pool.map(install_and_test, *zip(*runnable, strict=True)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
