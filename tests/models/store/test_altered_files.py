"""A file that was altered after it was installed is not used, and the error says so."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.cli import main
from napari_medsam.models import import_model, loading
from napari_medsam.models.specs import catalogue
from napari_medsam.models.specs.catalogue import LITE_MEDSAM
from napari_medsam.models.specs.errors import StoreError
from napari_medsam.models.specs.model_spec import WeightsFile
from napari_medsam.models.store import store
from tests.models import released_graphs as released

NOT_USED = r"was altered after it was installed .* so it is not used\. Install or import it again"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))


def flip(path: Path, at: int = -9) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.fixture
def published(
    tmp_path: Path, save_state: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A weights file in the store, of a model whose SHA-256 the catalogue knows."""
    path = save_state(tmp_path / "tiny.pth", {"a": np.arange(9, dtype=np.float32)})
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    file = WeightsFile("tiny.pth", digest, path.stat().st_size)
    model = dataclasses.replace(LITE_MEDSAM, name="tiny", title="Tiny", file=file)
    monkeypatch.setattr(catalogue, "CATALOGUE", (model,))
    store.import_published(path)
    return store.weights_path(model)


def test_altered_published_weights_are_not_even_parsed(
    published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[Path] = []
    monkeypatch.setattr(loading, "read_checkpoint", parsed.append)
    flip(published)
    with pytest.raises(StoreError, match=rf"tiny\.pth of Tiny {NOT_USED}"):
        loading.prepare("tiny")
    assert parsed == []


def test_identity_of_altered_weights_is_refused_too(published: Path) -> None:
    assert loading.identity_of("tiny").startswith("litemedsam:")
    flip(published)
    with pytest.raises(StoreError, match=NOT_USED):
        loading.identity_of("tiny")


def test_weights_the_user_names_are_not_held_to_the_catalogue(published: Path) -> None:
    flip(published)
    assert loading.identity_of("tiny", published).startswith("litemedsam:")


def test_each_file_of_an_imported_pair_is_checked(tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the extra [test]")
    folder = tmp_path / "m"
    folder.mkdir()
    released.encoder("hwc", 256).save(folder / "encoder.xml")
    released.unit_box_decoder(256).save(folder / "decoder.xml")
    (taken,) = import_model.import_path(folder, name="mine")
    assert taken.record is not None
    loading.prepare("mine")
    for name in taken.record.files:
        path = store.folder_of("mine") / name
        whole = path.read_bytes()
        flip(path)
        with pytest.raises(StoreError, match=f"{name} of .* {NOT_USED}"):
            loading.prepare("mine")
        path.write_bytes(whole)
    loading.prepare("mine")


def test_command_line_says_it_in_one_line(
    published: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(published)
    assert main(["demo", "--headless", str(tmp_path / "out"), "--model", "tiny"]) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert "was altered after it was installed" in line
