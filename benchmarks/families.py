"""Compare every family with its reference vectors, and measure its cost on this machine.

    python benchmarks/families.py REFERENCE [--family NAME ...] [--json FILE] [--threads N]

REFERENCE is a folder in the layout of ``reference/`` (see ``check_reference.py``). For each family
a checkpoint is made from its list of tensors, in the form ``torch.save`` writes, and a separate
process reads it, builds the network and compiles it. The table shows for each family: the largest
difference of the embedding and of the logits from the original code's; the encoder's GMACs, counted
on the graph; the time of an encode, and its ratio to LiteMedSAM's in float32 (both measured in
turns in one process); the checkpoint's size; the seconds to build and to compile the graphs; the
peak memory of building, above what the process used before, in MB and as a multiple of the
checkpoint; the peak memory with compiling (it includes the runtime's own buffers); and the memory
that reading copies (``read_mb``: the process's own memory, without the mapped file).
Exits 1 if building takes 20 s or more, or memory of three times the checkpoint or more, or if a
vector is over its tolerance.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from check_reference import (  # noqa: E402
    FAMILIES,
    check_family,
    load_module,
    reference_state,
)

from napari_medsam.models.checkpoints.identify import plain_keys  # noqa: E402
from napari_medsam.models.checkpoints.read import read_checkpoint  # noqa: E402
from napari_medsam.models.loading import build_networks, open_model  # noqa: E402
from napari_medsam.models.runtime.sam_model import SamModel  # noqa: E402
from napari_medsam.models.specs.catalogue import LITE_MEDSAM, spec  # noqa: E402
from napari_medsam.models.store import store  # noqa: E402

MAX_BUILD_SECONDS, MAX_PEAK_SHARE = 20.0, 3.0
N_ENCODES = 5
COLUMNS = {
    "family": "family",
    "embedding": "embedding off by",
    "logits": "logits off by",
    "gmacs": "encoder GMAC",
    "encode_ms": "encode ms",
    "relative": "encode, of LiteMedSAM's",
    "checkpoint_mb": "checkpoint MB",
    "build_s": "build s",
    "compile_s": "compile s",
    "peak_mb": "build peak MB",
    "peak_share": "build peak, of the checkpoint",
    "compiled_mb": "compiled peak MB",
    "read_mb": "copied by reading, MB",
}


def main() -> int:
    arguments = _parse()
    rows: list[dict[str, Any]] = []
    print(f"| {' | '.join(COLUMNS.values())} |\n|{'---|' * len(COLUMNS)}")
    for family in arguments.family or FAMILIES:
        row = _measure_in_child(arguments.reference / family, arguments.threads)
        rows.append(row)
        print(f"| {' | '.join(_cell(row[key]) for key in COLUMNS)} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"families": rows}, indent=1))
    bad = [row["family"] for row in rows if not row["is_good"]]
    print(f"\n{len(rows)} families, over a limit: {', '.join(bad) or 'none'}.")
    return 1 if bad else 0


def _measure_in_child(folder: Path, threads: int | None) -> dict[str, Any]:
    """Measure a family in a child process, because peak memory is known only per process."""
    with tempfile.TemporaryDirectory() as temporary:
        path = write_checkpoint(folder, Path(temporary))
        command = [sys.executable, __file__, str(folder), "--measure", str(path)]
        command += [] if threads is None else ["--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{folder.name} failed:\n{done.stderr}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def write_checkpoint(folder: Path, into: Path) -> Path:
    """Write a family's tensors, filled by the reference's rule, in the format of ``torch.save``."""
    from tests.models.checkpoint_files import STORAGES, pickle_dict, pickle_tensor, write_torch_zip

    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if manifest["family"] == "litemedsam":
        return store.installed_path(spec("litemedsam"))
    state = reference_state(manifest, load_module(folder.parent / "fill.py"))
    items = {
        key: pickle_tensor(str(n), array.shape, storage=STORAGES[array.dtype.str[1:]])
        for n, (key, array) in enumerate(state.items())
    }
    numbers = {str(n): np.ascontiguousarray(a).tobytes() for n, a in enumerate(state.values())}
    return write_torch_zip(into / f"{folder.name}.pth", pickle_dict(items), numbers)


def measure(folder: Path, path: Path, threads: int | None) -> dict[str, Any]:
    """Measure what a family costs, then how well it agrees; call it in a fresh process."""
    model_spec = spec(FAMILIES[folder.name])
    size, peak_before, own_before = path.stat().st_size, _peak(), _own_memory()
    began = time.perf_counter()
    arrays = plain_keys(read_checkpoint(path).arrays)
    read = _own_memory() - own_before
    networks = build_networks(model_spec.family, arrays, path.name)
    built = time.perf_counter()
    peak = _peak() - peak_before
    gmacs = count_macs(networks.encoder) / 1e9
    del arrays
    started = time.perf_counter()
    model = SamModel(networks, model_spec.contract, folder.name, threads=threads)
    compiled = time.perf_counter()
    compiled_peak = _peak() - peak_before
    encode_s, lite_encode_s = _encode_in_turns(model, threads)
    del model, networks
    lines, share = check_family(folder, threads), peak / size
    exact = _exact_arrays(folder)
    return {
        "family": folder.name,
        "embedding": _largest_difference(lines, "embedding", exact),
        "logits": _largest_difference(lines, "logits", exact),
        "gmacs": gmacs,
        "encode_ms": encode_s * 1e3,
        "relative": encode_s / lite_encode_s,
        "checkpoint_mb": size / 1e6,
        "build_s": built - began,
        "compile_s": compiled - started,
        "peak_mb": peak / 1e6,
        "peak_share": share,
        "compiled_mb": compiled_peak / 1e6,
        "read_mb": read / 1e6,
        "is_good": built - began < MAX_BUILD_SECONDS
        and share < MAX_PEAK_SHARE
        and all(line.is_good for line in lines),
    }


def _encode_in_turns(model: SamModel, threads: int | None) -> tuple[float, float]:
    """Seconds per encode of a model and of LiteMedSAM in float32, measured in turns.

    Each is the minimum of several runs.
    """
    lite = open_model(LITE_MEDSAM.name, threads=threads)
    models = (model, lite)
    inputs = [
        np.random.default_rng(0).random((3, each.contract.side, each.contract.side), np.float32)
        for each in models
    ]
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(N_ENCODES + 1):  # the first of each warms up
        for each, image, times in zip(models, inputs, seconds, strict=True):
            began = time.perf_counter()
            each.encode(image)
            times.append(time.perf_counter() - began)
    return min(seconds[0][1:]), min(seconds[1][1:])


def count_macs(graph: Any) -> int:
    """Count the multiply-accumulates of a graph's convolutions and matrix products."""
    total = 0
    for node in graph.get_ordered_ops():
        kind = node.get_type_name()
        if kind in ("Convolution", "GroupConvolution"):
            kernel = list(node.input(1).get_shape())  # (O, I, h, w) or (G, O/G, I/G, h, w)
            per_output = math.prod(kernel[2:] if kind == "GroupConvolution" else kernel[1:])
            total += math.prod(node.output(0).get_shape()) * per_output
        elif kind == "ConvolutionBackpropData":
            kernel = list(node.input(1).get_shape())  # (I, O, h, w)
            total += math.prod(node.input(0).get_shape()) * math.prod(kernel[1:])
        elif kind == "MatMul":
            shape = list(node.input(0).get_shape())
            inner = shape[-2] if node.get_attributes()["transpose_a"] else shape[-1]
            total += math.prod(node.output(0).get_shape()) * inner
    return int(total)


def _largest_difference(lines: list[Any], word: str, exact: set[str]) -> float:
    """Over the exact arrays whose name contains a word."""
    return max(
        line.largest_difference for line in lines if word in line.array and line.array in exact
    )


def _exact_arrays(folder: Path) -> set[str]:
    """Names of the recorded arrays that were not rounded to float16."""
    with np.load(folder / "vectors.npz") as vectors:
        return {name for name in vectors.files if vectors[name].dtype != np.float16}


def _peak() -> int:
    """Peak resident memory of this process in bytes (Linux).

    Not ``ru_maxrss``: that includes the process from before it executed this program.
    """
    return _status("VmHWM")


def _own_memory() -> int:
    """Resident memory of this process without mapped files, in bytes (Linux)."""
    return _status("RssAnon")


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {key} on this system")


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    return (
        f"{value:.1e}" if abs(value) < 0.01 else f"{value:.3g}" if value < 100 else f"{value:.0f}"
    )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("reference", type=Path, metavar="REFERENCE")
    parser.add_argument("--family", action="append", choices=list(FAMILIES), metavar="NAME")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--threads", type=int, metavar="N")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    options = _parse()
    if options.measure:
        print(json.dumps(measure(options.reference, options.measure, options.threads)))
        sys.exit(0)
    sys.exit(main())
