"""Only one process holds a lock, also on Windows; a disk that cannot lock is an error."""

from __future__ import annotations

import errno
import importlib.util
import sys
import types
from pathlib import Path

import pytest

from napari_medsam.storage import locking
from napari_medsam.storage.errors import Cancelled


class Msvcrt(types.ModuleType):
    """Windows' module: locks one byte; two handles of one process also exclude each other."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self) -> None:
        super().__init__("msvcrt")
        self.held_by: int | None = None
        self.refusal: OSError = PermissionError(errno.EACCES, "Permission denied")

    def locking(self, descriptor: int, mode: int, n_bytes: int) -> None:
        assert n_bytes == 1
        if mode == self.LK_UNLCK:
            assert self.held_by == descriptor
            self.held_by = None
        elif self.held_by is not None:
            raise self.refusal
        else:
            self.held_by = descriptor


@pytest.fixture
def msvcrt(monkeypatch: pytest.MonkeyPatch) -> Msvcrt:
    fake = Msvcrt()
    monkeypatch.setitem(sys.modules, "msvcrt", fake)
    return fake


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch, msvcrt: Msvcrt) -> types.ModuleType:
    """The module as Windows imports it."""
    spec = importlib.util.spec_from_file_location("locking_on_windows", str(locking.__file__))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "platform", "win32")
    spec.loader.exec_module(module)
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    return module


@pytest.fixture(params=["here", "windows"])
def module(request: pytest.FixtureRequest) -> types.ModuleType:
    return locking if request.param == "here" else request.getfixturevalue("windows")


def test_second_holder_waits_until_cancelled(module: types.ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.lock"
    with (
        module.locked(path, lambda: True),
        pytest.raises(Cancelled),
        module.locked(path, lambda: True),
    ):
        pass
    with module.locked(path, lambda: True):
        assert path.exists()


def test_lock_is_free_after_a_failure_inside(module: types.ModuleType, tmp_path: Path) -> None:
    with pytest.raises(KeyError), module.locked(tmp_path / "a.lock", lambda: True):
        raise KeyError
    with module.locked(tmp_path / "a.lock", lambda: True):
        pass


def test_share_that_cannot_lock_is_an_error_and_no_endless_wait(
    windows: types.ModuleType, msvcrt: Msvcrt, tmp_path: Path
) -> None:
    msvcrt.held_by, msvcrt.refusal = -1, OSError(errno.EINVAL, "Invalid function")
    with (
        pytest.raises(OSError, match="Invalid function"),
        windows.locked(tmp_path / "a.lock", lambda: False),
    ):
        pass
