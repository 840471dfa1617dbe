"""Try each reader on many randomly edited files: faults, slowest input and memory growth.

    python benchmarks/fuzz.py [--inputs 100000] [--reader NAME ...] [--seed N] [--json FILE]

Each reader of files (`tests/fuzzing.py`) runs in a separate process on good files with one to eight
random edits. Prints a markdown table: inputs tried, inputs refused with a documented error, faults
(any other error), the slowest input, and the growth of the process's peak memory after the first
hundred inputs. Exits 1 if there was a fault, and prints the edits that caused it on stderr.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent)]

from tests.fuzzing import N_KINDS, READERS, Edit, edited  # noqa: E402 - needs the path above

WARM_UP_INPUTS, MAX_EDITS, MAX_PRINTED_FAULTS = 100, 8, 12


def main() -> int:
    options = _options()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        rows = [
            pool.apply(measure, (name, options.inputs, options.seed)) for name in options.reader
        ]
    print("| reader | inputs | refused | faults | slowest, ms | memory growth, MB | inputs/s |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print("|", " | ".join(str(row[key]) for key in COLUMNS), "|")
        for fault in row["details"]:
            print(fault, file=sys.stderr)
    if options.json:
        options.json.write_text(json.dumps({"seed": options.seed, "readers": rows}, indent=1))
    return int(any(row["faults"] for row in rows))


COLUMNS = ("reader", "inputs", "refused", "faults", "slowest_ms", "grown_mb", "per_second")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="for each reader")
    parser.add_argument("--reader", action="append", choices=READERS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    options.reader = options.reader or list(READERS)
    return options


def measure(name: str, n_inputs: int, seed: int) -> dict[str, Any]:
    """Try one reader, in this process."""
    reader, rng = READERS[name], np.random.default_rng(seed)
    refused, slowest, warm_peak = 0, 0.0, 0.0
    n_faults, examples = 0, dict[str, str]()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for n in range(n_inputs):
            file_number = int(rng.integers(len(reader.good)))
            edits = random_edits(rng)
            data = edited(reader.good[file_number], edits)
            began = time.monotonic()
            try:
                refused += not reader.accepts(data, Path(folder))
            except Exception:  # noqa: BLE001 - finding any fault is the purpose
                edit_list = f"{name}: file {file_number}, edits {edits}"
                n_faults += 1
                examples.setdefault(_origin(), f"{edit_list}\n{traceback.format_exc()}")
            slowest = max(slowest, time.monotonic() - began)
            if n == WARM_UP_INPUTS:
                warm_peak = _peak_mb()
    return {
        "reader": name,
        "inputs": n_inputs,
        "refused": refused,
        "faults": n_faults,
        "slowest_ms": round(1000 * slowest, 1),
        "grown_mb": round(_peak_mb() - warm_peak, 1),
        "per_second": round(n_inputs / (time.monotonic() - started)),
        "details": list(examples.values())[:MAX_PRINTED_FAULTS],
    }


def _origin() -> str:
    """Where in this program an exception came from: one example of each is enough."""
    kind, _, trace = sys.exc_info()
    own = [f for f in traceback.extract_tb(trace) if "napari_medsam" in f.filename]
    last = (own or traceback.extract_tb(trace))[-1]
    return f"{kind and kind.__name__} {last.filename}:{last.lineno}"


def random_edits(rng: np.random.Generator) -> list[Edit]:
    return [
        (int(rng.integers(N_KINDS)), float(rng.random()), int(rng.integers(2**16)))
        for _ in range(int(rng.integers(1, MAX_EDITS + 1)))
    ]


def _peak_mb() -> float:
    """Peak resident memory of this process in MB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    sys.exit(main())
