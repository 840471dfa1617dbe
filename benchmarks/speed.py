"""Measure clicks, propagations and a start on this machine, and the encoder's share of its peak.

    python benchmarks/speed.py [--threads N] [--json FILE] [--skip-screen]

Figures are medians of several runs in one process. Compare ratios within one run, not milliseconds
between machines. Prints a markdown table. A figure that cannot be measured on this machine is null
in the JSON, and the reason is under "notes".
"""

from __future__ import annotations

import argparse
import compileall
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import napari_medsam
from napari_medsam.diagnostics import benchmark
from napari_medsam.models.loading import open_model
from napari_medsam.models.runtime import device
from napari_medsam.models.specs.catalogue import DEFAULT, spec

N_SLICES = 40
KEYS = (
    "gemm_gflops",
    "encode_ms",
    "encode_share_of_peak",
    "decode1_ms",
    "decode8_ms",
    "cold_click_ms",
    "warm_click_ms",
    "disk_click_ms",
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


def engine_figures(threads: int | None) -> dict[str, object]:
    """Measure the figures of `napari-medsam bench`, over 40 slices."""
    model = open_model(threads=threads)
    gmacs = spec(DEFAULT).gmacs
    measured = benchmark.figures(model, gmacs, n_slices=N_SLICES, threads=threads)
    return {figure.key: figure.value for figure in measured}


def fast_precision(threads: int | None) -> tuple[dict[str, object], str]:
    """Measure an encode in bfloat16; also return a note, which is empty unless it cannot run."""
    if not device.supports_bf16():
        return {"fast_encode_ms": None, "fast_precision": None}, "this CPU has no bfloat16"
    model = open_model(precision="bf16", threads=threads)
    image = np.random.default_rng(0).random((3, 256, 256), np.float32)
    return {
        "fast_encode_ms": median_ms(lambda: model.encode(image), 9),
        "fast_precision": "bf16",
    }, ""


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def first_mask_s() -> float:
    """Time `napari-medsam segment` on a small image, from start to saved labels."""
    import nibabel

    # pip compiles an installed package; a fresh checkout is not compiled.
    compileall.compile_dir(Path(napari_medsam.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory() as folder:
        image, labels = Path(folder) / "image.nii.gz", Path(folder) / "labels.nii.gz"
        pixels = np.zeros((64, 64, 3), np.int16)
        pixels[20:40, 20:40] = 200
        nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), image)
        command = [sys.executable, "-m", "napari_medsam", "segment", str(image)]
        command += ["--no-cache", "--box", "z:1:18,18,42,42", "-o", str(labels)]
        return float(np.median([_seconds(lambda: _segment(command, labels)) for _ in range(3)]))


def _segment(command: list[str], labels: Path) -> None:
    labels.unlink(missing_ok=True)
    subprocess.run(command, check=True, capture_output=True)


def screen_figures(threads: int | None) -> tuple[dict[str, object], str]:
    """Measure delays of the window's event loop, and memory, in a child process with a screen."""
    child = Path(__file__).with_name("speed_screen.py")
    command = [sys.executable, str(child)] + (["--threads", str(threads)] if threads else [])
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        reason = (done.stderr.strip().splitlines() or ["no screen"])[-1]
        return dict.fromkeys(SCREEN_KEYS), reason
    measured = json.loads(lines[-1])
    return {key: measured[key] for key in SCREEN_KEYS}, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--skip-screen", action="store_true", help="do not measure the window")
    options = parser.parse_args()
    figures = engine_figures(options.threads)
    notes: dict[str, str] = {}
    parts = [(fast_precision, ("fast_encode_ms",))]
    if not options.skip_screen:
        parts.append((screen_figures, SCREEN_KEYS))
    for measure, keys in parts:
        measured, note = measure(options.threads)
        figures |= measured
        notes |= dict.fromkeys(keys, note) if note else {}
    figures["first_mask_s"] = first_mask_s()
    result = {key: figures.get(key) for key in KEYS}
    if options.skip_screen:
        notes |= dict.fromkeys(SCREEN_KEYS, "skipped by --skip-screen")
    print(markdown(result))
    if options.json:
        options.json.write_text(json.dumps({**result, "notes": notes}, indent=1))


def markdown(result: dict[str, object]) -> str:
    """Format one row per figure; times also as multiples of one f32 encode."""
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
