"""Weights from a plain address: over HTTPS, complete, and cancellable."""

from __future__ import annotations

import io
import urllib.error
from pathlib import Path
from typing import Any

import pytest

from napari_medsam.models.specs.errors import Cancelled, StoreError
from napari_medsam.models.store.url_download import download_url

URL = "https://example.org/weights/tiny.pt?download=1"
DATA = bytes(range(256)) * 4000


class Answer(io.BytesIO):
    def __init__(self, url: str = URL, length: int | None = len(DATA)) -> None:
        super().__init__(DATA)
        self.url = url
        self.headers = {} if length is None else {"Content-Length": str(length)}


def fetch(into: Path, answer: Any, url: str = URL, **how: Any) -> tuple[Path, list[Any]]:
    seen: list[Any] = []

    def open_url(requested: str, timeout: float) -> Any:
        assert requested == url
        assert timeout > 0
        if isinstance(answer, Exception):
            raise answer
        return answer

    stop = how.get("is_cancelled", lambda: False)
    path = download_url(url, into, lambda *done: seen.append(done), stop, open_url)
    return path, seen


def test_file_has_its_own_name_and_every_byte(tmp_path: Path) -> None:
    path, seen = fetch(tmp_path, Answer())
    assert path == tmp_path / "tiny.pt"
    assert path.read_bytes() == DATA
    assert seen[-1] == (len(DATA), len(DATA))


def test_length_need_not_be_told(tmp_path: Path) -> None:
    assert fetch(tmp_path, Answer(length=None))[0].read_bytes() == DATA


@pytest.mark.parametrize("address", ["http://example.org/x.pt", "file:///etc/passwd"])
def test_only_https_is_fetched(tmp_path: Path, address: str) -> None:
    with pytest.raises(StoreError, match="not an HTTPS address"):
        fetch(tmp_path, Answer(), address)
    with pytest.raises(StoreError, match="not an HTTPS address"):
        fetch(tmp_path, Answer(url=address))


def test_short_answer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"ended after 1,024,000 of 2,000,000 bytes"):
        fetch(tmp_path, Answer(length=2_000_000))


def test_no_network_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        StoreError, match=r"could not be downloaded \(.*no route.*Check the network"
    ):
        fetch(tmp_path, urllib.error.URLError("no route"))


def test_download_can_be_cancelled(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        fetch(tmp_path, Answer(), is_cancelled=lambda: True)
