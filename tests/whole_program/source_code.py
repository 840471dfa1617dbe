"""The package's modules, their imports and their calls, read from source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import napari_medsam

PACKAGE = Path(napari_medsam.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def nodes(path: Path) -> Iterator[ast.AST]:
    yield from ast.walk(ast.parse(path.read_text(encoding="utf-8")))


def imported(path: Path) -> set[str]:
    """The top-level packages that a module imports."""
    packages = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            packages |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            packages.add(node.module.split(".")[0])
    return packages


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Each call in a module, with the name of what is called as it is written."""
    for node in nodes(path):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node
