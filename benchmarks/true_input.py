"""Try every kind of ordinary input that once went wrong, with variants, on the program of a tree.

    python benchmarks/true_input.py [--tree FOLDER] [--kind N ...] [--match TEXT] [--markdown]

For each input the right answer is known, or one clear sentence is right. The program is tried as a
user tries it: `info`, `convert` and `measure` in processes of their own. Prints a table: kind,
input, what came out, right or wrong. Kind 0 are plain inputs, which must open without a new word.
Exits 1 if anything is wrong. With --tree, another version of the program is tried ("before").

Kinds 10, 11 and 12 (layers of napari changed from outside) are shown by
tests/ui/layers/test_outside_changes.py, test_image_changes.py and tests/ui/test_one_truth.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE)]

import true_input_images  # noqa: E402, F401 - adds its cases
import true_input_labels  # noqa: E402, F401 - adds its cases
from true_input_judge import CASES, Case, Result  # noqa: E402 - needs the path above
from true_input_program import Program  # noqa: E402


def main() -> int:
    options = _options()
    chosen = [
        c
        for c in sorted(CASES, key=lambda c: c.kind)
        if (options.kind is None or c.kind in options.kind) and options.match in c.name
    ]
    results: list[tuple[Case, Result]] = []
    with tempfile.TemporaryDirectory() as folder:
        program = Program(options.tree.resolve(), Path(folder))
        for n, one in enumerate(chosen):
            place = Path(folder, f"case{n}")
            place.mkdir()
            began = time.monotonic()
            try:
                result = one.trial(program, place)
            except Exception as error:  # noqa: BLE001 - the table is to be finished
                result = Result(False, f"the benchmark failed: {error!r}")
                if options.debug:
                    traceback.print_exc()
            shutil.rmtree(os.fsencode(place), ignore_errors=True)
            results.append((one, result))
            _print_row(one, result, time.monotonic() - began, options.markdown)
        program.close()
    _print_sum(results)
    return int(any(not result.right for _, result in results))


def _print_row(one: Case, result: Result, seconds: float, markdown: bool) -> None:
    verdict = "right" if result.right else "WRONG"
    came = result.came_out.replace("\n", " ").encode("ascii", "backslashreplace").decode()
    if markdown:
        print(f"| {one.kind} | {one.name} | {came.replace('|', '/')} | {verdict} |", flush=True)
    else:
        print(f"{one.kind:2} {verdict} {seconds:5.1f} s  {one.name}\n        {came}", flush=True)


def _print_sum(results: list[tuple[Case, Result]]) -> None:
    total, right = (
        Counter(c.kind for c, _ in results),
        Counter(c.kind for c, r in results if r.right),
    )
    print("\n| kind | right | of |\n|---|---|---|")
    for kind in sorted(total):
        print(f"| {kind} | {right[kind]} | {total[kind]} |")
    print(f"| all | {right.total()} | {total.total()} |")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tree", type=Path, default=HERE.parent, help="the program to try")
    parser.add_argument("--kind", type=int, action="append")
    parser.add_argument("--match", default="", help="a part of the names of inputs")
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--debug", action="store_true", help="tracebacks of the benchmark itself")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
