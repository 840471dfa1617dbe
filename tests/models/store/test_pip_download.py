"""The progress of a download while pip creates and removes its own folders."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from napari_medsam.models.store.pip_download import _bytes_in


def test_folders_that_vanish_while_they_are_counted_are_skipped(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(bytes(100))
    has_ended = threading.Event()

    def come_and_go() -> None:
        while not has_ended.is_set():
            for n in range(20):
                (tmp_path / f"pip-{n}" / "deep").mkdir(parents=True)
                (tmp_path / f"pip-{n}" / "deep" / "file").write_bytes(bytes(10))
            for n in range(20):
                shutil.rmtree(tmp_path / f"pip-{n}")

    pip = threading.Thread(target=come_and_go)
    pip.start()
    try:
        counted = [_bytes_in(tmp_path) for _ in range(300)]
    finally:
        has_ended.set()
        pip.join()
    assert min(counted) >= 100
    assert max(counted) <= 100 + 20 * 10
    assert _bytes_in(tmp_path) == 100
