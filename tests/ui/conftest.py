"""Fixtures of the tests of the screen: desks, and settings of their own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import napari.settings
import pytest

from tests.ui.desk import (
    DESKS,
    Desk,
    HeldJobs,
    image_layer,
    make_desk,
)


@pytest.fixture(autouse=True)
def every_desk_is_closed() -> Iterator[None]:
    """With its journal: from Python 3.13 on a database that is left open is an error here."""
    yield
    while DESKS:
        DESKS.pop().journals.close()


@pytest.fixture(autouse=True)
def own_plugin_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test finds what another one chose in napari's Preferences."""
    if hasattr(napari.settings, "get_plugin_settings"):  # napari 0.9 on keeps a copy of them
        monkeypatch.setattr(napari.settings, "_CFG_PATH", str(tmp_path / "napari" / "all.yaml"))
        monkeypatch.setattr(napari.settings, "_PLUGIN_SETTINGS", {})


@pytest.fixture
def desk() -> Iterator[Desk]:
    """A desk where everything happens at once, with the ellipsoid open."""
    made = make_desk()
    made.open(image_layer())
    yield made
    made.controller.close()


@pytest.fixture
def slow_desk() -> Iterator[Desk]:
    """A desk whose jobs run when the test releases them, with the ellipsoid open."""
    made = make_desk(HeldJobs)
    made.open(image_layer())
    yield made
    made.controller.close()
