"""The cells of the matrix: Python, Qt binding and napari of each, and how versions are chosen."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

PYTHONS = ("3.11", "3.12", "3.13")
BINDINGS = ("pyqt6", "pyside6")
TESTED = "0.9.2"
"""The napari of constraints.txt; its cells install what README.md tells people to install."""
NAPARIS = ("0.6.6", TESTED, "0.10.0rc1")

Versions = Literal["tested", "latest", "lowest", "unpinned"]
"""
tested    constraints.txt
latest    the cell's napari, and the newest versions of everything else that pip would install
lowest    the lower bounds of pyproject.toml
unpinned  the newest version of everything, napari's pre-releases included
"""


@dataclass(frozen=True)
class Cell:
    """One environment and one run of the tests.

    An empty `python` means the oldest or newest Python of this machine. An empty `napari` means
    that the resolver chooses the version.
    """

    name: str
    python: str
    binding: str
    napari: str
    versions: Versions


def all_cells() -> tuple[Cell, ...]:
    grid = itertools.product(PYTHONS, BINDINGS, NAPARIS)
    cells = [
        Cell(f"{python}-{binding}-{napari}", python, binding, napari, _versions(napari))
        for python, binding, napari in grid
    ]
    cells.append(Cell("oldest", "", "pyqt6", "", "lowest"))
    cells.append(Cell("newest", "", "pyside6", "", "unpinned"))
    return tuple(cells)


def _versions(napari: str) -> Versions:
    return "tested" if napari == TESTED else "latest"


def select_cells(patterns: list[str]) -> list[Cell]:
    """Return the cells that match any pattern, in the matrix's order; without patterns, all cells.

    Raises
    ------
    ValueError
        If a pattern matches no cell; the message names the pattern.
    """
    cells = all_cells()
    for pattern in patterns:
        if not any(fnmatchcase(cell.name, pattern) for cell in cells):
            raise ValueError(f"No cell is called {pattern!r}; ./script/matrix --list names them.")
    wanted = patterns or ["*"]
    return [cell for cell in cells if any(fnmatchcase(cell.name, pattern) for pattern in wanted)]


def is_requested(cell: Cell, patterns: list[str]) -> bool:
    """Whether the patterns name this cell or its Python; such a cell must not be skipped."""
    return any(
        pattern == cell.name or (cell.python and pattern.startswith(f"{cell.python}-"))
        for pattern in patterns
    )
