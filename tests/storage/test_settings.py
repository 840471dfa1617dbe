"""The user's preferences are stored, and a damaged file has no effect."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_medsam.storage.json_file import read_json
from napari_medsam.storage.settings import Settings, set_settings, settings


@pytest.fixture(autouse=True)
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "deeper" / "settings.json"
    monkeypatch.setenv("NAPARI_MEDSAM_SETTINGS", str(path))
    return path


def test_what_was_chosen_is_there_the_next_time() -> None:
    set_settings(threads=2, keys={"undo": "Y"})
    set_settings(sound=True)
    assert settings() == Settings(threads=2, keys={"undo": "Y"}, sound=True)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"threads": "many", "keys": [1], "new": 1}'])
def test_damaged_file_counts_as_nothing_chosen(file: Path, content: str) -> None:
    file.parent.mkdir()
    file.write_text(content)
    assert settings() == Settings()


@pytest.mark.parametrize("change", [{"threads": -1}, {"idle_work": "often"}, {"nothing": 1}])
def test_nonsense_is_refused_with_a_sentence(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="cannot be"):
        set_settings(**change)


def test_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NAPARI_MEDSAM_SETTINGS", str(tmp_path / "file" / "settings.json"))
    assert set_settings(sound=True).sound
    assert settings().sound, "until the program ends"


def test_file_is_read_again_when_it_changed_and_not_before(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_settings(threads=3)
    assert settings().threads == 3
    read: list[Path] = []
    monkeypatch.setattr(
        "napari_medsam.storage.json_file.read_json",
        lambda path: (read.append(path), read_json(path))[1],
    )
    assert settings().threads == 3
    assert read == []
    file.write_text('{"threads": 12}', encoding="utf-8")
    assert settings().threads == 12
    assert read == [file]


def test_file_edited_with_notepad_still_counts(file: Path) -> None:
    set_settings(threads=3)
    file.write_text('{"threads": 7}\r\n', encoding="utf-8-sig", newline="")
    assert settings().threads == 7
    set_settings(sound=True)
    assert settings() == Settings(threads=7, sound=True)
