"""What all tests share: the Qt binding, the reference material, weights, own folders."""

from __future__ import annotations

import gc
import importlib.util
import os
import tempfile
from pathlib import Path

import pytest

from tests.tiny_model import TinyMedSam
from tests.worker_screen import start_own_screen


def choose_binding() -> None:
    """Let qtpy, pytest-qt and the programs that tests start use one and the same Qt binding.

    Each has its own order of preference where both are installed. QT_API (or pytest-qt's own
    PYTEST_QT_API) chooses; otherwise PyQt6, or PySide6 where it is the only one. It must be set
    before pytest-qt is configured, so it is done while this file is imported.
    """
    there = [one for one in ("PyQt6", "PySide6") if importlib.util.find_spec(one)]
    chosen = os.environ.get("PYTEST_QT_API") or os.environ.get("QT_API") or "".join(there[:1])
    if chosen:
        os.environ["QT_API"] = os.environ["PYTEST_QT_API"] = chosen.lower()


choose_binding()

NAPARIS = tempfile.TemporaryDirectory(prefix="napari-of-the-tests-", ignore_cleanup_errors=True)
"""Of this run: where napari, in this process, keeps its settings and those of plugins."""
# napari reads it once, when it is imported.
os.environ["NAPARI_CONFIG"] = os.path.join(NAPARIS.name, "settings.yaml")

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """The folder with reference vectors and real cases; tests that need it skip without it."""
    path = Path(os.environ.get("NAPARI_MEDSAM_SHARED", PROJECT.parent / "shared"))
    if not (path / "reference").is_dir():
        pytest.skip("needs the reference material (../shared beside the project)")
    return path


@pytest.fixture(scope="session")
def weights_path() -> Path:
    """The installed LiteMedSAM checkpoint; tests that need it skip without it."""
    from napari_medsam.models.specs.catalogue import spec
    from napari_medsam.models.store.store import weights_path

    path = weights_path(spec("litemedsam"))
    if not path.is_file():
        pytest.skip("needs the weights: napari-medsam models install litemedsam")
    return path


@pytest.fixture(autouse=True)
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test, and no program that a test starts, reads or leaves anything of the user's.

    Only the installed weights are shared: NAPARI_MEDSAM_HOME is left as it is.
    """
    for name in ("JOURNALS", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"NAPARI_MEDSAM_{name}", str(tmp_path / name.lower()))
    monkeypatch.setenv("NAPARI_MEDSAM_SETTINGS", str(tmp_path / "settings.json"))
    monkeypatch.setenv("NAPARI_CONFIG", str(tmp_path / "napari" / "settings.yaml"))


@pytest.fixture
def tiny_model() -> TinyMedSam:
    return TinyMedSam()


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):  # a process of pytest-xdist
        config.add_cleanup(start_own_screen())


def pytest_collection_finish() -> None:
    """Leave what the imports made out of every garbage collection.

    napari's `make_napari_viewer` collects at the beginning and end of each test with a window. Over
    the million objects of all modules that takes as long as the test itself.
    """
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test with a viewer's window as `gui`, whether or not its file says so."""
    for item in items:
        if "make_napari_viewer" in getattr(item, "fixturenames", ()):
            item.add_marker("gui")
