"""Settings and records are small JSON files; anything else counts as damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from napari_medsam.headless import disk_cache_settings
from napari_medsam.models.runtime import precision_choice
from napari_medsam.models.specs.errors import StoreError
from napari_medsam.models.store import model_record
from napari_medsam.storage.json_file import MOST_BYTES, read_json

DEEP = b"[" * 100_000
LARGE = b" " * (MOST_BYTES + 1)


@pytest.mark.parametrize(
    ("content", "words"), [(DEEP, "nested too deeply"), (LARGE, "larger than"), (b"\xff", "decode")]
)
def test_file_that_is_none_is_a_value_error(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=words):
        read_json(tmp_path / "a.json")


@pytest.mark.parametrize("content", [DEEP, LARGE], ids=["deep", "large"])
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("ways.json", lambda: precision_choice.precision_preference() == "f32"),
        (
            "preferences.json",
            lambda: (
                disk_cache_settings.cache_preferences() == disk_cache_settings.CachePreferences()
            ),
        ),
    ],
)
def test_settings_that_are_none_count_as_none(
    name: str,
    read: Callable[[], bool],
    content: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path))
    monkeypatch.setenv("NAPARI_MEDSAM_CACHE", str(tmp_path))
    (tmp_path / name).write_bytes(content)
    assert read()


@pytest.mark.parametrize("content", [DEEP, LARGE], ids=["deep", "large"])
def test_record_that_is_none_says_what_to_do(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "model.json").write_bytes(content)
    with pytest.raises(StoreError, match="import the model again"):
        model_record.read_model_record(tmp_path / "mine")
