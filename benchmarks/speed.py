"""What a click, a propagation and a start cost on this machine, and what share of its peak.

    python benchmarks/speed.py [--threads N] [--json FILE] [--skip-screen]

Figures are medians of several runs in one process; compare ratios within one run, not
milliseconds between machines. Prints a markdown table; a figure that cannot be measured here is
null in the JSON, with its reason under "notes".
"""

from __future__ import annotations

import argparse
import compileall
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino

import napari_medsam
from napari_medsam.engine.annotation import Annotation
from napari_medsam.engine.embeddings import EmbeddingCache
from napari_medsam.engine.events import PlacedBox
from napari_medsam.engine.prompt import BoxPrompt, SliceRef, box_prompt
from napari_medsam.engine.propagate import Seed
from napari_medsam.engine.session import Session
from napari_medsam.engine.volume import Volume
from napari_medsam.models import device
from napari_medsam.models.catalogue import DEFAULT, spec
from napari_medsam.models.errors import Cancelled
from napari_medsam.models.loading import open_model

SHAPE = (40, 512, 512)
GEMM = 2048
KEYS = (
    "gemm_gflops",
    "encode_ms",
    "encode_share_of_peak",
    "decode1_ms",
    "decode8_ms",
    "cold_click_ms",
    "warm_click_ms",
    "click_during_prefetch_ms",
    "propagate1_s",
    "propagate8_s",
    "repropagate_s",
    "fast_encode_ms",
    "fast_precision",
    "first_mask_s",
    "gui_delay_p99_ms",
    "gui_baseline_p99_ms",
    "rss_mb",
)
SCREEN_KEYS = ("gui_delay_p99_ms", "gui_baseline_p99_ms", "rss_mb")


def median_ms(call: Callable[[], object], runs: int) -> float:
    call()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def gemm_gflops(threads: int | None) -> float:
    """The machine's f32 peak, as far as OpenVINO's own matrix product of 2048 reaches it."""
    ops = openvino.opset13
    x = ops.parameter([GEMM, GEMM], np.float32)
    weight = ops.constant(np.random.default_rng(0).random((GEMM, GEMM), np.float32))
    options = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
    if threads:
        options["INFERENCE_NUM_THREADS"] = threads
    graph = openvino.Model([ops.matmul(x, weight, False, False)], [x])
    request = openvino.Core().compile_model(graph, "CPU", options).create_infer_request()
    data = np.random.default_rng(1).random((GEMM, GEMM), np.float32)
    request.infer([data])
    best = min(_timed(lambda: request.infer([data])) for _ in range(10))
    return 2 * GEMM**3 / best / 1e9


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def phantom_volume() -> tuple[Volume, list[BoxPrompt]]:
    """Eight bright rods through 40 slices of noise, and a box on each in the middle slice."""
    rng = np.random.default_rng(0)
    voxels = rng.normal(0, 15, SHAPE).astype(np.int16)
    rows, columns = np.mgrid[: SHAPE[1], : SHAPE[2]]
    boxes = []
    for n in range(8):
        y, x, radius = 130 + 250 * (n // 4), 70 + 124 * (n % 4), 40 + 2 * n
        inside = (rows - y) ** 2 + (columns - x) ** 2 < radius**2
        voxels[:, inside] += 150
        corners = (x - radius - 2, y - radius - 2, x + radius + 2, y + radius + 2)
        boxes.append(box_prompt(SliceRef("z", 20), corners, SHAPE[1:]))
    return Volume(voxels, modality="CT"), boxes


def click(session: Session, box: BoxPrompt) -> None:
    """A box released to its mask in the labels array."""
    annotation = Annotation(session.volume.shape_zyx)
    annotation.add_label()
    annotation.apply_box(PlacedBox(1, 1, box), session.segment([box])[0])


def propagate(session: Session, boxes: list[BoxPrompt]) -> None:
    """All labels over all slices, painted into one annotation."""
    annotation = Annotation(session.volume.shape_zyx)
    for _ in boxes:
        annotation.add_label()
    seeds = [Seed(box, 0, SHAPE[0] - 1, n) for n, box in enumerate(boxes, start=1)]
    with annotation.edit("propagate") as edit:
        for n, mask in session.propagate(seeds):
            edit.paint(mask, n + 1)


def click_during_prefetch(model: object, volume: Volume, box: BoxPrompt) -> float:
    """A click on a ready slice while others are being embedded: that stops at once."""
    times = []
    for run in range(5):
        session = Session(volume, model, views=False, cache=EmbeddingCache())
        session.segment([box])
        ahead = [SliceRef("z", i) for i in range(21, 40)]
        worker = threading.Thread(target=_embed_until_cancelled, args=(session, ahead))
        worker.start()
        time.sleep(0.25 + 0.1 * run)  # somewhere inside an encode
        start = time.perf_counter()
        session.cancel()
        worker.join()
        click(session, box)
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3


def _embed_until_cancelled(session: Session, slices: list[SliceRef]) -> None:
    try:
        for _ in session.embed(slices):
            pass
    except Cancelled:
        return


def engine_figures(threads: int | None) -> dict[str, object]:
    model = open_model(threads=threads)
    volume, boxes = phantom_volume()
    image = np.random.default_rng(0).random((3, 256, 256), np.float32)
    embedding = model.encode(image)
    frame_boxes = np.array([b.corners for b in boxes], np.float32) / 2
    peak = gemm_gflops(threads)
    encode = median_ms(lambda: model.encode(image), 9)
    figures: dict[str, object] = {"gemm_gflops": peak, "encode_ms": encode}
    flops = 2 * spec(DEFAULT).gmacs * 1e9
    figures["encode_share_of_peak"] = flops / (encode / 1e3) / 1e9 / peak
    figures["decode1_ms"] = median_ms(lambda: model.decode(embedding, frame_boxes[:1]), 15)
    figures["decode8_ms"] = median_ms(lambda: model.decode(embedding, frame_boxes), 7)

    def session() -> Session:
        return Session(volume, model, views=False, cache=EmbeddingCache())

    ready = session()
    volume.fingerprint  # noqa: B018  once a volume, when it is opened
    figures["cold_click_ms"] = median_ms(lambda: click(session(), boxes[0]), 5)
    figures["warm_click_ms"] = median_ms(lambda: click(ready, boxes[0]), 15)
    figures["click_during_prefetch_ms"] = click_during_prefetch(model, volume, boxes[0])
    one, eight = session(), session()
    figures["propagate1_s"] = _timed(lambda: propagate(one, boxes[:1]))
    figures["propagate8_s"] = _timed(lambda: propagate(eight, boxes))
    figures["repropagate_s"] = _timed(lambda: propagate(one, boxes[:1]))
    return figures


def fast_precision(threads: int | None) -> tuple[dict[str, object], str]:
    if not device.supports_bf16():
        return {"fast_encode_ms": None, "fast_precision": None}, "this CPU has no bfloat16"
    model = open_model(precision="bf16", threads=threads)
    image = np.random.default_rng(0).random((3, 256, 256), np.float32)
    return {
        "fast_encode_ms": median_ms(lambda: model.encode(image), 9),
        "fast_precision": "bf16",
    }, ""


def first_mask_s() -> float:
    """`napari-medsam segment` on a small image, from start to saved labels."""
    import nibabel

    # As installed: pip compiles a package, a fresh checkout is not.
    compileall.compile_dir(Path(napari_medsam.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        image, labels = Path(folder) / "image.nii.gz", Path(folder) / "labels.nii.gz"
        pixels = np.zeros((64, 64, 3), np.int16)
        pixels[20:40, 20:40] = 200
        nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), image)
        command = [sys.executable, "-m", "napari_medsam", "segment", str(image)]
        command += ["--no-cache", "--box", "z:1:18,18,42,42", "-o", str(labels)]
        return float(np.median([_timed(lambda: _run(command, labels)) for _ in range(3)]))


def _run(command: list[str], labels: Path) -> None:
    labels.unlink(missing_ok=True)
    subprocess.run(command, check=True, capture_output=True)


def screen_figures(threads: int | None) -> tuple[dict[str, object], str]:
    """Delays of the window's event loop and memory, measured by a child with a screen."""
    child = Path(__file__).with_name("speed_screen.py")
    command = [sys.executable, str(child)] + (["--threads", str(threads)] if threads else [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        last = (done.stderr.strip().splitlines() or ["no screen"])[-1]
        return dict.fromkeys(SCREEN_KEYS), last
    measured = json.loads(lines[-1])
    return {key: measured[key] for key in SCREEN_KEYS}, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--skip-screen", action="store_true", help="leave the window out")
    given = parser.parse_args()
    figures = engine_figures(given.threads)
    notes: dict[str, str] = {}
    parts = [(fast_precision, ("fast_encode_ms",))]
    if not given.skip_screen:
        parts.append((screen_figures, SCREEN_KEYS))
    for measure, keys in parts:
        more, note = measure(given.threads)
        figures |= more
        notes |= dict.fromkeys(keys, note) if note else {}
    figures["first_mask_s"] = first_mask_s()
    result = {key: figures.get(key) for key in KEYS}
    if given.skip_screen:
        notes |= dict.fromkeys(SCREEN_KEYS, "left out by --skip-screen")
    print(markdown(result))
    if given.json:
        given.json.write_text(json.dumps({**result, "notes": notes}, indent=1))


def markdown(result: dict[str, object]) -> str:
    """A row a figure; times also as a share of one f32 encode."""
    encode = float(str(result["encode_ms"]))
    lines = ["| figure | value | of an encode |", "|---|---|---|"]
    for key, value in result.items():
        share = ""
        if isinstance(value, float):
            in_ms = value * 1e3 if key.endswith("_s") else value if key.endswith("_ms") else None
            share = "" if in_ms is None else f"{in_ms / encode:.3f}"
            value = f"{value:.3g}" if value < 100 else f"{value:.0f}"
        lines.append(f"| {key} | {value} | {share} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
