"""How long a click and a propagation take on this machine, and the model's share of its peak.

Medians of a few runs in one process, without crops (`Session` with ``views=False``), on a
synthetic volume. To compare two machines, use the figures. On one machine under changing load use
their ratios, which stay valid because the runs that are compared alternate.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from napari_medsam.diagnostics import matmul_peak
from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PlacedBox
from napari_medsam.engine.data.prompts import BoxPrompt, SliceRef, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.embedding_disk_cache import DiskCache
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.engine.propagation.propagation_seeds import Seed
from napari_medsam.engine.session import Session
from napari_medsam.models.specs.errors import Cancelled
from napari_medsam.storage.temporary_folder import temporary_folder

SLICE_SHAPE = (512, 512)
N_SLICES = 10
N_RODS = 8


@dataclass(frozen=True)
class Figure:
    """One measurement: its key in the JSON object, its description, and its value."""

    key: str
    what: str
    value: float
    unit: str


N_FIGURES = 12


def figures(
    model: PromptableModel,
    gmacs: float,
    *,
    n_slices: int = N_SLICES,
    threads: int | None = None,
) -> Iterator[Figure]:
    """The figures of `docs/command-line.md`, each as soon as it is measured.

    Parameters
    ----------
    gmacs
        Of the model's encoder, in 10**9 multiply-add pairs per slice.
    n_slices
        Number of slices to propagate over.
    threads
        Of the matrix product the model is compared with; the model has its own setting.
    """
    volume, boxes = rods(n_slices)
    volume.fingerprint  # noqa: B018 - once an image, when it is opened
    yield from _model_figures(model, gmacs, boxes, threads)

    def fresh() -> Session:
        return Session(volume, model, views=False)

    cold = _median_ms(lambda: click(fresh(), boxes[0]), 3)
    yield Figure("cold_click_ms", "click on a slice never seen", cold, "ms")
    ready = fresh()
    warm = _median_ms(lambda: click(ready, boxes[0]), 9)
    yield Figure("warm_click_ms", "click on a slice seen before", warm, "ms")
    from_disk = _disk_click(volume, model, boxes[0])
    yield Figure("disk_click_ms", "click if the embedding is on disk", from_disk, "ms")
    busy = 1e3 * median([_click_during_prefetch(fresh(), boxes[0], run) for run in range(5)])
    yield Figure("click_during_prefetch_ms", "click while other slices are embedded", busy, "ms")
    session = fresh()
    over = f"over {n_slices} slices"
    seconds = _seconds(lambda: propagate(session, boxes[:1]))
    yield Figure("propagate1_s", f"propagate 1 label {over}", seconds, "s")
    seconds = _seconds(lambda: propagate(fresh(), boxes))
    yield Figure("propagate8_s", f"propagate {N_RODS} labels {over}", seconds, "s")
    seconds = _seconds(lambda: propagate(session, boxes[:1]))
    yield Figure("repropagate_s", f"propagate 1 label again {over}", seconds, "s")


def _model_figures(
    model: PromptableModel, gmacs: float, boxes: Sequence[BoxPrompt], threads: int | None
) -> Iterator[Figure]:
    """The time of the model only, without conversion from and to the image's pixels."""
    side = model.contract.side
    image = np.random.default_rng(0).random((3, side, side), np.float32)

    def encode() -> NDArray[np.floating]:
        [embedding] = model.encode_many([image])
        return embedding

    product, embedding = matmul_peak.matrix_product(threads), encode()
    product()
    pairs = [(_seconds(product), _seconds(encode)) for _ in range(9)]  # in turns
    product_s, encode_s = (median(column) for column in zip(*pairs, strict=True))
    peak_rate = matmul_peak.FLOPS / product_s
    yield Figure("gemm_gflops", "product of 2048 x 2048 matrices", peak_rate / 1e9, "GFLOP/s")
    yield Figure("encode_ms", "encode a slice", encode_s * 1e3, "ms")
    share = 2e9 * gmacs / encode_s / peak_rate
    yield Figure("encode_share_of_peak", "share of the matrix product's speed", share, "")
    prompts = Frame.of(SLICE_SHAPE, model.contract, None).boxes(boxes)
    one_box = _median_ms(lambda: model.decode(embedding, prompts[:1]), 9)
    yield Figure("decode1_ms", "decode 1 box", one_box, "ms")
    all_boxes = _median_ms(lambda: model.decode(embedding, prompts), 5)
    yield Figure(f"decode{N_RODS}_ms", f"decode {N_RODS} boxes", all_boxes, "ms")


def click(session: Session, box: BoxPrompt) -> None:
    """From the release of a box to its mask in the labels array."""
    annotation = Annotation(session.volume.shape_zyx)
    annotation.add_label()
    annotation.apply_box(PlacedBox(1, 1, box), session.segment([box])[0])


def _disk_click(volume: Volume, model: PromptableModel, box: BoxPrompt) -> float:
    """Milliseconds of a click whose slice another run of the program stored on disk."""
    with temporary_folder("napari-medsam-") as folder:

        def today() -> Session:
            cache = EmbeddingCache(disk=DiskCache(folder))
            return Session(volume, model, views=False, cache=cache)

        click(today(), box)
        return _median_ms(lambda: click(today(), box), 5)


def _click_during_prefetch(session: Session, box: BoxPrompt, run: int) -> float:
    """Seconds of a click on an embedded slice during prefetch, which the click stops at once."""
    session.segment([box])
    others = [SliceRef("z", i) for i in range(session.volume.n_slices("z"))]
    worker = threading.Thread(target=_embed_until_cancelled, args=(session, others))
    worker.start()
    time.sleep(0.25 + 0.1 * run)  # somewhere inside an encode
    started = time.perf_counter()
    session.cancel()
    worker.join()
    click(session, box)
    return time.perf_counter() - started


def _embed_until_cancelled(session: Session, slices: Sequence[SliceRef]) -> None:
    with contextlib.suppress(Cancelled):
        for _ in session.embed(slices):
            pass


def propagate(session: Session, boxes: Sequence[BoxPrompt]) -> None:
    """Propagate one label per box over all slices, painted into one annotation."""
    annotation = Annotation(session.volume.shape_zyx)
    for _ in boxes:
        annotation.add_label()
    last = session.volume.n_slices("z") - 1
    seeds = [Seed(box, 0, last, n) for n, box in enumerate(boxes, start=1)]
    with annotation.edit("propagate") as edit:
        for n, mask in session.propagate(seeds):
            edit.paint(mask, n + 1)


def rods(n_slices: int = N_SLICES) -> tuple[Volume, list[BoxPrompt]]:
    """Eight bright rods through slices of noise, and a box on each in the middle slice."""
    rng = np.random.default_rng(0)
    voxels = rng.normal(0, 15, (n_slices, *SLICE_SHAPE)).astype(np.int16)
    rows, columns = np.mgrid[: SLICE_SHAPE[0], : SLICE_SHAPE[1]]
    boxes = []
    for n in range(N_RODS):
        y, x, radius = 130 + 250 * (n // 4), 70 + 124 * (n % 4), 40 + 2 * n
        voxels[:, (rows - y) ** 2 + (columns - x) ** 2 < radius**2] += 150
        corners = (x - radius - 2, y - radius - 2, x + radius + 2, y + radius + 2)
        boxes.append(box_prompt(SliceRef("z", n_slices // 2), corners, SLICE_SHAPE))
    return Volume(voxels, modality="CT"), boxes


def _median_ms(call: Callable[[], object], runs: int) -> float:
    """The median, after one run that is not counted."""
    call()
    return median([_seconds(call) for _ in range(runs)]) * 1e3


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
