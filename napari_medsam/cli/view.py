"""`view`: napari with the dock open. The only command, with `demo`, that loads napari and Qt."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NO_BINDING = (
    "No Qt binding is installed, so no window can be opened. Install one into this Python "
    'environment: pip install PyQt6 (or PySide6_Essentials). "segment" and "demo --headless" need '
    "none."
)


def view(
    paths: Annotated[
        list[Path] | None, typer.Argument(metavar="PATH", help="Images or DICOM folders.")
    ] = None,
) -> None:
    """Open napari with the segmentation dock and the given files."""
    given = paths or []
    for path in given:
        if not path.exists():
            raise FileNotFoundError(2, "There is no such file or folder", str(path))
    require_window()
    from napari_medsam.ui.plugin.app import open_viewer

    open_viewer(given)


def require_window() -> None:
    """Check for a display and a Qt binding before any part of Qt is loaded.

    Raises
    ------
    RuntimeError
        Naming what is missing, and what works without it.
    """
    from napari_medsam.diagnostics import display_probe

    problem = display_probe.problem()
    if problem:
        raise RuntimeError(
            f'{problem} Use "napari-medsam segment" or "napari-medsam demo --headless DIR", '
            f"which need none."
        )
    try:
        import qtpy  # noqa: F401 - importing it is what looks for a binding
    except (ImportError, RuntimeError) as error:
        raise RuntimeError(NO_BINDING) from error
