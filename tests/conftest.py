"""What all tests share: where the reference material and the real weights are, and a tiny model."""

from __future__ import annotations

import gc
import importlib.util
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from napari_medsam.input_contract import InputContract
from napari_medsam.models.specs.contracts import LITE


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


def tiny_contract(**changes: Any) -> InputContract:
    """LiteMedSAM's rules at 64 pixels, or at any other side, with some of them changed."""
    return replace(TINY, **changes)


TINY = replace(LITE, side=64, prompt_side=64.0)


class TinyDecoded(NamedTuple):
    logits: NDArray[np.float32]
    iou: NDArray[np.float32]


@dataclass
class TinyMedSam:
    """A model that needs no weights: inside the box, what is brighter than half is the mask.

    It counts its calls, so that tests can say what was encoded and what was not.
    """

    contract: InputContract = TINY
    identity: str = "tiny"
    n_encoded: int = 0
    decode_sizes: list[int] = field(default_factory=list)
    n_cancelled: int = 0
    asked_points: list[Any] = field(default_factory=list)

    def encode_many(self, images: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        for image in images:
            self.n_encoded += 1
            yield image.mean(axis=0, keepdims=True).copy()

    def decode(self, embedding: NDArray[np.floating], boxes: NDArray[np.float32]) -> TinyDecoded:
        self.decode_sizes.append(len(boxes))
        side = embedding.shape[-1]
        rows, columns = np.mgrid[:side, :side]
        logits = np.full((len(boxes), 1, side, side), -8, dtype=np.float32)
        for n, (x_min, y_min, x_max, y_max) in enumerate(boxes):
            inside = (columns >= x_min) & (columns <= x_max) & (rows >= y_min) & (rows <= y_max)
            logits[n, 0][inside & (embedding[0] > 0.5)] = 8
        return TinyDecoded(logits, np.full((len(boxes), 1), 0.9, dtype=np.float32))

    def decode_points(
        self,
        embedding: NDArray[np.floating],
        points: NDArray[np.float32],
        labels: NDArray[np.int32],
        *,
        boxes: NDArray[np.float32] | None = None,
        mask: NDArray[np.float32] | None = None,
    ) -> TinyDecoded:
        """What is bright and joined to a point inside, and not to one outside."""
        self.asked_points.append((points, labels, boxes, mask))
        blobs, _ = ndimage.label(embedding[0] > 0.5)
        rows, columns = points[0].round().astype(int).clip(0, blobs.shape[0] - 1).T[::-1]
        here = blobs[rows, columns]
        chosen = set(here[labels[0] == 1].tolist()) - set(here[labels[0] == 0].tolist()) - {0}
        logits = np.where(np.isin(blobs, list(chosen)), 8, -8).astype(np.float32)
        several = np.stack([np.full_like(logits, -8), logits])
        return TinyDecoded(several[None], np.array([[0.2, 0.8]], np.float32))

    def cancel(self) -> None:
        self.n_cancelled += 1


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


def pytest_collection_finish() -> None:
    """Leave what the imports made out of every garbage collection.

    napari's `make_napari_viewer` collects at the beginning and end of each test with a window. Over
    the million objects of all modules that takes as long as the test itself.
    """
    gc.collect()
    gc.freeze()
