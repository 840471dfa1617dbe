"""A JSON object is read completely or as empty; a failed write lasts until the program ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from napari_medsam.storage import json_file
from napari_medsam.storage.json_file import read_json
from napari_medsam.storage.json_store import JsonStore


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "a.json"


@pytest.fixture
def store(file: Path) -> JsonStore:
    return JsonStore(lambda: file)


def test_object_that_was_written_is_read(file: Path, store: JsonStore) -> None:
    assert store.read() == {}
    store.write({"a": 1})
    assert store.read() == json.loads(file.read_text()) == {"a": 1}
    assert JsonStore(lambda: file).read() == {"a": 1}


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '{"a": 1', "\x00"])
def test_damaged_file_and_other_json_are_an_empty_object(
    file: Path, store: JsonStore, content: str
) -> None:
    store.write({"a": 1})
    file.write_text(content)
    assert store.read() == {}
    store.write({"a": 2})
    assert store.read() == {"a": 2}


def test_unchanged_file_is_parsed_once(
    file: Path, store: JsonStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[Path] = []
    monkeypatch.setattr(
        json_file, "read_json", lambda path: (parsed.append(path), read_json(path))[1]
    )
    store.write({"a": 1})
    assert (store.read(), store.read()) == ({"a": 1}, {"a": 1})
    assert parsed == [file]
    file.write_text('{"a": 123}')
    assert store.read() == {"a": 123}
    file.unlink()
    assert store.read() == {}


def test_writes_of_one_moment_are_all_seen(store: JsonStore) -> None:
    for number in range(9):
        store.write({"a": number})
        assert store.read() == {"a": number}


def test_object_that_cannot_be_written_lasts_until_the_program_ends(
    file: Path, store: JsonStore
) -> None:
    file.parent.write_text("a file where the folder should be")
    with pytest.raises(OSError, match="folder"):
        store.write({"a": 1})
    assert store.read() == {"a": 1}
    assert JsonStore(lambda: file).read() == {}
    file.parent.unlink()
    store.write({"a": 2})
    file.write_text('{"a": 345}')
    assert store.read() == {"a": 345}, "the file counts again"


def test_each_path_has_its_own_object(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    store = JsonStore(lambda: path)
    store.write({"a": 1})
    assert store.read() == {"a": 1}
    path = tmp_path / "b.json"
    assert store.read() == {}
