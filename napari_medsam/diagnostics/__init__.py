"""What works on this machine: one `Check` per part, each with what to do if it does not work.

Parts that could end the process (a Qt binding with missing libraries) are tried in a separate
process. No check needs a display, and no check itself raises.
"""

from __future__ import annotations

from collections.abc import Callable

from napari_medsam.diagnostics import (
    display,
    file_checks,
    journals,
    machine,
    reference_slice,
    versions,
    weights,
)
from napari_medsam.diagnostics.check_result import Check, State, are_ok
from napari_medsam.models.specs.catalogue import DEFAULT

__all__ = ["Check", "State", "examine"]

PARTS: tuple[Callable[[], Check | list[Check]], ...] = (
    machine.program,
    machine.python,
    versions.versions,
    machine.machine,
    machine.openvino,
    machine.memory,
    machine.disk,
    machine.pip,
    weights.weights,
    file_checks.files,
    file_checks.cache,
    journals.journal,
    display.qt,
    display.a_screen,
)
"""In the order in which they are reported; to add a part, add a line here."""


def examine() -> list[Check]:
    """Run all checks, the test slice last; takes a few seconds."""
    checks: list[Check] = []
    for part in PARTS:
        found = part()
        checks += found if isinstance(found, list) else [found]
    if are_ok(checks, "Qt", "screen"):
        checks.append(display.opengl())
    if are_ok(checks, DEFAULT, "OpenVINO"):
        checks.append(reference_slice.reference_slice())
    return checks
