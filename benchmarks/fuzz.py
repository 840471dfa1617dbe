"""How many edited files a reader stands, how fast, and what memory it takes.

    python benchmarks/fuzz.py [--inputs 100000] [--reader NAME ...] [--seed N] [--json FILE]

Each reader of files (`tests/fuzzing.py`) is tried in a process of its own on files made from good
ones by one to eight random edits. Prints a markdown table: inputs tried, refused as promised,
faults (any other error), the slowest input, and how far the process's memory grew above what it
had after a hundred inputs. Exits 1 where there was a fault, with the edits that made it.
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

WARM_UP, MOST_EDITS, MOST_FAULTS = 100, 8, 5


def main() -> int:
    asked = _arguments()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        rows = [pool.apply(measure, (name, asked.inputs, asked.seed)) for name in asked.reader]
    print(
        "| reader | inputs | refused | faults | slowest, ms | memory grown, MB | inputs a second |"
    )
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print("|", " | ".join(str(row[key]) for key in COLUMNS), "|")
        for fault in row["details"]:
            print(fault, file=sys.stderr)
    if asked.json:
        asked.json.write_text(json.dumps({"seed": asked.seed, "readers": rows}, indent=1))
    return int(any(row["faults"] for row in rows))


COLUMNS = ("reader", "inputs", "refused", "faults", "slowest_ms", "grown_mb", "per_second")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000, help="for each reader")
    parser.add_argument("--reader", action="append", choices=READERS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    asked.reader = asked.reader or list(READERS)
    return asked


def measure(name: str, n_inputs: int, seed: int) -> dict[str, Any]:
    """Try one reader, in this process."""
    reader, rng = READERS[name], np.random.default_rng(seed)
    refused, slowest, faults, base = 0, 0.0, [], 0.0
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        for n in range(n_inputs):
            which = int(rng.integers(len(reader.good)))
            edits = random_edits(rng)
            data = edited(reader.good[which], edits)
            before = time.monotonic()
            try:
                refused += not reader.accepts(data, Path(folder))
            except Exception:  # noqa: BLE001 - a fault is what we look for
                faults.append(f"{name}: file {which}, edits {edits}\n{traceback.format_exc()}")
            slowest = max(slowest, time.monotonic() - before)
            if n == WARM_UP:
                base = _peak_mb()
    return {
        "reader": name,
        "inputs": n_inputs,
        "refused": refused,
        "faults": len(faults),
        "slowest_ms": round(1000 * slowest, 1),
        "grown_mb": round(_peak_mb() - base, 1),
        "per_second": round(n_inputs / (time.monotonic() - started)),
        "details": faults[:MOST_FAULTS],
    }


def random_edits(rng: np.random.Generator) -> list[Edit]:
    return [
        (int(rng.integers(N_KINDS)), float(rng.random()), int(rng.integers(2**16)))
        for _ in range(int(rng.integers(1, MOST_EDITS + 1)))
    ]


def _peak_mb() -> float:
    """The most memory this process ever had."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    sys.exit(main())
