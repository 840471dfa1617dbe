"""Files of earlier versions on disk are found and read: names, keys and files of commit 0a07a15.

All were equal on Python 3.11 with numpy 2.4.6 and on 3.13 with 2.5.5. If one of these tests fails,
users lose data: their cache is computed again, journals no longer match their models, a finished
cohort starts from the beginning. `tests/journal/test_versions.py` tests journals.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_medsam.batch.cohort.case_table import CohortCase, CohortRow
from napari_medsam.batch.cohort.task import Task
from napari_medsam.engine.data.intensity_window import Window
from napari_medsam.engine.data.prompts import Crop, SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.embedding_disk_cache import DiskCache, DiskPrecision
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.predictor import Predictor
from napari_medsam.headless.disk_cache_settings import CachePreferences, cache_preferences
from napari_medsam.input_contract import InputContract
from napari_medsam.models.loading import _own_rules
from napari_medsam.models.runtime import precision_choice
from napari_medsam.models.runtime.device import ComputeMode
from napari_medsam.models.specs.catalogue import CATALOGUE, spec
from napari_medsam.models.specs.errors import StoreError
from napari_medsam.models.store.model_record import FILE_NAME, read_model_record
from napari_medsam.storage.settings import settings
from tests.tiny_model import TinyMedSam, tiny_contract

KEY = "volume|window|z3"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("NAPARI_MEDSAM_HOME", "NAPARI_MEDSAM_CACHE"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.delenv("NAPARI_MEDSAM_SETTINGS", raising=False)
    return tmp_path


def volume(numbers: str = "<i2") -> Volume:
    voxels = np.arange(24).reshape(2, 3, 4).astype(numbers)
    return Volume(voxels, (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("numbers", "fingerprint"),
    [
        ("|u1", "24391986f6769b88d531497a3ed04deb"),
        ("<i2", "b2ad201154e8158f2f0e7c756d634182"),
        ("<u2", "f3e90e97928beafac8f95c130f3786d8"),
        ("<f4", "8a28b937cb49116c4548cc72e3b077d7"),
        ("<f8", "1f57ed9e92837f121d41763053797253"),
        ("|b1", "afcad33297ea93f668255886de6972ea"),
    ],
)
def test_an_image_finds_its_journal_and_its_cache(numbers: str, fingerprint: str) -> None:
    assert volume(numbers).fingerprint == fingerprint


def key_of(window: Window, view: SliceRef) -> str:
    return Predictor(volume(), TinyMedSam(), window, EmbeddingCache(1000)).key(view)


def test_a_slice_finds_its_embedding() -> None:
    window, of_volume = Window(-160.0, 240.5), "b2ad201154e8158f2f0e7c756d634182"
    assert key_of(window, SliceRef("y", 3)) == f"{of_volume}|-160.0,240.5,0|1|tiny|float16|y3"
    assert key_of(window, SliceRef("z", 1, Crop(0, 1, 2, 3))).endswith("|z1:0,1,2,3")
    assert DiskCache(Path("x"))._path(KEY) == Path(
        "x/e5488a645eae91fd2281112a/9a1f481a00a8ad625213f14b.emb"
    )


class OtherFloat(float):
    """A float with another repr, as in pydicom."""

    def __repr__(self) -> str:
        return f"'{float(self)}'"


@pytest.mark.parametrize("kind", [int, np.float64, np.float32, np.int16, OtherFloat])
def test_the_name_of_an_embedding_is_the_same_for_all_kinds_of_numbers(kind: type) -> None:
    """The repr of a float64 is 40.0 in numpy 1, np.float64(40.0) in numpy 2."""
    window = Window(kind(-160), kind(240))
    assert key_of(window, SliceRef("z", 0)) == key_of(Window(-160.0, 240.0), SliceRef("z", 0))
    assert type(window.lower) is type(window.upper) is float


@pytest.mark.parametrize(
    ("precision", "sha256"),
    [
        ("float16", "6950346a81223616cc9c8fef2b1cd58d526a78ded9aa695bddcd62aeccf6f750"),
        ("int8", "16ead66bfc3e3f43dc998224591c33735ca8ef976aa4e5a43702ac222fd9b829"),
    ],
)
def test_an_embedding_is_written_byte_for_byte_as_before(
    tmp_path: Path, precision: DiskPrecision, sha256: str
) -> None:
    features = np.linspace(-2, 2, 8, dtype=np.float16).reshape(2, 2, 2)
    cache = DiskCache(tmp_path, precision=precision)
    assert cache.put(Embedding(features, Frame.of((80, 100), tiny_contract()), KEY))
    (path,) = tmp_path.glob("*/*")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == sha256
    reread = cache.get(KEY)
    assert reread is not None
    np.testing.assert_allclose(reread.features, features, atol=0.01)


def test_a_model_with_rules_of_its_own_keeps_its_identity() -> None:
    """Journals store it with each mask; the cache and ways.json store it, too."""
    lite = spec("litemedsam")
    assert _own_rules(replace(lite, contract=own_contract())) == ":796517965c3a"
    assert {_own_rules(model) for model in CATALOGUE} == {""}


def own_contract() -> InputContract:
    lite = spec("litemedsam").contract
    return replace(lite, side=512, mean=(1.5, 2.0, 0.0), std=(1.0, 2.0, 3.0))


def test_an_imported_model_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / FILE_NAME).write_text(json.dumps(MODEL), encoding="utf-8")
    record = read_model_record(folder)
    assert record is not None
    assert record.contract == own_contract()
    assert (record.main_file, record.tried) == ("mine.pth", {"litemedsam": 0.97})
    assert _own_rules(record.spec(folder)) == ":796517965c3a"


def test_a_damaged_record_gives_a_short_error_without_its_content(tmp_path: Path) -> None:
    contract = {**MODEL["contract"], "side" * 2000: 1}
    record = {**MODEL, "contract": contract, "name": tmp_path.name}
    (tmp_path / FILE_NAME).write_text(json.dumps(record))
    with pytest.raises(StoreError, match="is damaged") as error:
        read_model_record(tmp_path)
    assert len(str(error.value)) < 600


MODEL: dict[str, Any] = {
    "version": 1,
    "name": "mine",
    "title": "Mine",
    "base": "litemedsam",
    "files": {"mine.pth": "ab" * 32},
    "contract": {
        "side": 512,
        "resize": "fit",
        "interpolation": "area",
        "prompt_side": 256.0,
        "mean": [1.5, 2.0, 0.0],
        "std": [1.0, 2.0, 3.0],
        "channels": "rgb",
        "prompt_scale": "long_side",
        "truncates_boxes": True,
        "enlarge": "cropped",
        "accepts_points": False,
        "accepts_negative_points": False,
        "max_points": 0,
        "accepts_mask": False,
        "mask_prompt": "logits",
        "box_masks": "first",
        "point_masks": "first",
        "original_3d": {
            "includes_last": True,
            "next_box": "resized_mask",
            "margin": 3.0,
            "followed": [],
            "voted": [],
        },
    },
    "modalities": ["CT"],
    "evidence": "names of its tensors",
    "source": "w.pth abab",
    "tried": {"litemedsam": 0.97},
}


def test_settings_are_read(home: Path) -> None:
    (home / "settings.json").write_text(
        '{"threads": 3, "memory_mb": 192, "idle_work": "never", "preview": true, "sound": false, '
        '"ask_on_close": true, "tour_seen": true, "opens_files": "yes", "keys": {"undo": "U"}}'
    )
    read = settings()
    assert (read.threads, read.idle_work, read.tour_seen) == (3, "never", True)
    assert (read.opens_files, read.keys, read.memory_mb) == ("yes", {"undo": "U"}, 192)


def test_preferences_of_the_cache_are_read(home: Path) -> None:
    (home / "preferences.json").write_text('{"max_bytes": 5000000, "precision": "int8"}')
    assert cache_preferences() == CachePreferences(5_000_000, "int8")


def test_measured_precision_is_read(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision_choice, "machine_id", lambda: "a processor; 2026.1")
    (home / "ways.json").write_text(
        '{"wish": "auto", "measured": {"a processor; 2026.1 | lite:abc": '
        '{"device": "CPU", "precision": "bf16", "found": "ok"}}}'
    )
    assert precision_choice.precision_preference() == "auto"
    assert precision_choice.recall("lite:abc") == ComputeMode("CPU", "bf16")


def test_a_finished_case_of_a_cohort_is_recognized(tmp_path: Path) -> None:
    path = tmp_path / "case.nii.gz"
    path.write_bytes(b"12345")
    os.utime(path, ns=(10**18, 10**18))
    corners = (1.0, 2.5, 30.0, 40.0)
    rows = (CohortRow(corners, "liver", "z", (3, 9)), CohortRow(corners, "2", None, None))
    task = Task(CohortCase(path.name, path, rows, path.name), tmp_path)
    assert task.fingerprint == "7ea2709dc24709f2119633bec389a3e5d4616e1db85db6d045fe6d264723cab6"
