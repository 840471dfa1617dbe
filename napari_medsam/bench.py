"""What a click and a propagation cost on this machine, in well under a minute.

Medians of a few runs in one process. Of two machines compare the figures; of one machine under
changing load rather their ratios.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation import Annotation
from napari_medsam.engine.events import PlacedBox
from napari_medsam.engine.frame import Frame
from napari_medsam.engine.predictor import PromptableModel
from napari_medsam.engine.prompt import BoxPrompt, SliceRef, box_prompt
from napari_medsam.engine.propagate import Seed
from napari_medsam.engine.session import Session
from napari_medsam.engine.volume import Volume

SHAPE = (10, 512, 512)
MIDDLE = 5
N_RODS = 8


@dataclass(frozen=True)
class Figure:
    """One measurement: its key in the JSON object, in words, and its value."""

    key: str
    what: str
    value: float
    unit: str


N_FIGURES = 6


def figures(model: PromptableModel) -> Iterator[Figure]:
    """The figures of `docs/command-line.md`, each as soon as it is measured."""
    volume, boxes = rods()
    volume.fingerprint  # noqa: B018 - once an image, when it is opened

    def fresh() -> Session:
        return Session(volume, model, views=False)

    yield from _model_figures(model, boxes)
    cold = _milliseconds(lambda: click(fresh(), boxes[0]), 3)
    yield Figure("cold_click_ms", "click on a slice never seen", cold, "ms")
    ready = fresh()
    warm = _milliseconds(lambda: click(ready, boxes[0]), 7)
    yield Figure("warm_click_ms", "click on a slice seen before", warm, "ms")
    seconds = _seconds(lambda: propagate(fresh(), boxes[0]))
    yield Figure("propagate_s", f"propagate 1 label over {SHAPE[0]} slices", seconds, "s")


def _model_figures(model: PromptableModel, boxes: Sequence[BoxPrompt]) -> Iterator[Figure]:
    """The model alone, without the way from and to the image's pixels."""
    side = model.contract.side
    image = np.random.default_rng(0).random((3, side, side), np.float32)

    def encode() -> NDArray[np.floating]:
        [embedding] = model.encode_many([image])
        return embedding

    yield Figure("encode_ms", "encode a slice", _milliseconds(encode, 3), "ms")
    embedding = encode()
    asked = Frame.of(SHAPE[1:], model.contract, None).boxes(boxes)
    one = _milliseconds(lambda: model.decode(embedding, asked[:1]), 7)
    yield Figure("decode1_ms", "decode 1 box", one, "ms")
    all_of_them = _milliseconds(lambda: model.decode(embedding, asked), 5)
    yield Figure(f"decode{N_RODS}_ms", f"decode {N_RODS} boxes", all_of_them, "ms")


def click(session: Session, box: BoxPrompt) -> None:
    """A box released to its mask in the labels array."""
    annotation = Annotation(session.volume.shape_zyx)
    annotation.add_label()
    annotation.apply_box(PlacedBox(1, 1, box), session.segment([box])[0])


def propagate(session: Session, box: BoxPrompt) -> None:
    """One label over all slices, painted into an annotation."""
    annotation = Annotation(session.volume.shape_zyx)
    annotation.add_label()
    with annotation.edit("propagate") as edit:
        for _, mask in session.propagate([Seed(box, 0, SHAPE[0] - 1, 1)]):
            edit.paint(mask, 1)


def rods() -> tuple[Volume, list[BoxPrompt]]:
    """Eight bright rods through slices of noise, and a box on each in the middle slice."""
    rng = np.random.default_rng(0)
    voxels = rng.normal(0, 15, SHAPE).astype(np.int16)
    rows, columns = np.mgrid[: SHAPE[1], : SHAPE[2]]
    boxes = []
    for n in range(N_RODS):
        y, x, radius = 130 + 250 * (n // 4), 70 + 124 * (n % 4), 40 + 2 * n
        voxels[:, (rows - y) ** 2 + (columns - x) ** 2 < radius**2] += 150
        corners = (x - radius - 2, y - radius - 2, x + radius + 2, y + radius + 2)
        boxes.append(box_prompt(SliceRef("z", MIDDLE), corners, SHAPE[1:]))
    return Volume(voxels, modality="CT"), boxes


def _milliseconds(call: Callable[[], object], runs: int) -> float:
    """The median, after one run that is not counted."""
    call()
    return float(np.median([_seconds(call) for _ in range(runs)])) * 1e3


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
