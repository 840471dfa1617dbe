"""Every family against its reference vectors, with its cost on this machine.

    python benchmarks/families.py REFERENCE [--family NAME ...] [--json FILE] [--threads N]

REFERENCE is a folder in the layout of ``reference/`` (see ``check_reference.py``). For each family
a checkpoint is made from its list of tensors, in the form ``torch.save`` writes, and a process of
its own reads it, builds the network and compiles it. The table has, per family: the largest
difference of the embedding and of the logits from the original code's; GMACs of the encoder,
counted on the graph; the time of an encode, and relative to LiteMedSAM's in float32, both measured
in turns in one process; the checkpoint's size; seconds to build the graphs, and to compile them;
the most memory taken by building, over what the process had before, and as a multiple of the
checkpoint, then by compiling too (the runtime's own buffers among it); and what reading alone
copies (``read_mb``: memory of the process's own, not the mapped file).
Exits 1 where building takes 20 s or more, or three times the checkpoint, or a vector is off.
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

from check_reference import FAMILIES, _load, _state, check_family  # noqa: E402

from napari_medsam.models.checkpoints.identify import plain_keys  # noqa: E402
from napari_medsam.models.checkpoints.read import read_checkpoint  # noqa: E402
from napari_medsam.models.loading import build_networks, open_model  # noqa: E402
from napari_medsam.models.runtime.sam_model import SamModel  # noqa: E402
from napari_medsam.models.specs.catalogue import LITE_MEDSAM, spec  # noqa: E402
from napari_medsam.models.store import store  # noqa: E402

MOST_SECONDS, MOST_MEMORY = 20.0, 3.0
N_ENCODES = 5
COLUMNS = {
    "family": "family",
    "embedding": "embedding off by",
    "logits": "logits off by",
    "gmacs": "encoder GMAC",
    "encode_ms": "encode ms",
    "relative": "of LiteMedSAM's",
    "checkpoint_mb": "checkpoint MB",
    "build_s": "build s",
    "compile_s": "compile s",
    "peak_mb": "build peak MB",
    "peak_share": "of the checkpoint",
    "compiled_mb": "compiled peak MB",
    "read_mb": "copied by reading, MB",
}


def main() -> int:
    arguments = _parse()
    rows: list[dict[str, Any]] = []
    print(f"| {' | '.join(COLUMNS.values())} |\n|{'---|' * len(COLUMNS)}")
    for family in arguments.family or FAMILIES:
        row = _in_a_process(arguments.reference / family, arguments.threads)
        rows.append(row)
        print(f"| {' | '.join(_cell(row[key]) for key in COLUMNS)} |", flush=True)
    if arguments.json:
        arguments.json.write_text(json.dumps({"families": rows}, indent=1))
    bad = [row["family"] for row in rows if not row["is_good"]]
    print(f"\n{len(rows)} families, over a bar: {', '.join(bad) or 'none'}.")
    return 1 if bad else 0


def _in_a_process(folder: Path, threads: int | None) -> dict[str, Any]:
    """Memory is only told for a whole process, so each family has its own."""
    with tempfile.TemporaryDirectory() as kept:
        path = write_checkpoint(folder, Path(kept))
        command = [sys.executable, __file__, str(folder), "--measure", str(path)]
        command += [] if threads is None else ["--threads", str(threads)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{folder.name} failed:\n{done.stderr}")
    row: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return row


def write_checkpoint(folder: Path, into: Path) -> Path:
    """A family's tensors, filled by the rule of the reference, as ``torch.save`` writes them."""
    from tests.models.checkpoint_files import STORAGES, pickle_dict, pickle_tensor, write_torch_zip

    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    if manifest["family"] == "litemedsam":
        return store.installed_path(spec("litemedsam"))
    state = _state(manifest, _load(folder.parent / "fill.py"))
    items = {
        key: pickle_tensor(str(n), array.shape, storage=STORAGES[array.dtype.str[1:]])
        for n, (key, array) in enumerate(state.items())
    }
    numbers = {str(n): np.ascontiguousarray(a).tobytes() for n, a in enumerate(state.values())}
    return write_torch_zip(into / f"{folder.name}.pth", pickle_dict(items), numbers)


def measure(folder: Path, path: Path, threads: int | None) -> dict[str, Any]:
    """What one family costs, then how well it agrees; in a fresh process."""
    model_spec = spec(FAMILIES[folder.name])
    size, before, own = path.stat().st_size, _peak(), _own_memory()
    began = time.perf_counter()
    arrays = plain_keys(read_checkpoint(path).arrays)
    read = _own_memory() - own
    networks = build_networks(model_spec.family, arrays, path.name)
    built = time.perf_counter()
    peak = _peak() - before
    gmacs = count_macs(networks.encoder) / 1e9
    del arrays
    started = time.perf_counter()
    model = SamModel(networks, model_spec.contract, folder.name, threads=threads)
    compiled = time.perf_counter()
    compiled_peak = _peak() - before
    ours, lite = _encode_in_turns(model, threads)
    del model, networks
    lines, share = check_family(folder, threads), peak / size
    exact = _exact_arrays(folder)
    return {
        "family": folder.name,
        "embedding": _worst(lines, "embedding", exact),
        "logits": _worst(lines, "logits", exact),
        "gmacs": gmacs,
        "encode_ms": ours * 1e3,
        "relative": ours / lite,
        "checkpoint_mb": size / 1e6,
        "build_s": built - began,
        "compile_s": compiled - started,
        "peak_mb": peak / 1e6,
        "peak_share": share,
        "compiled_mb": compiled_peak / 1e6,
        "read_mb": read / 1e6,
        "is_good": built - began < MOST_SECONDS
        and share < MOST_MEMORY
        and all(line.is_good for line in lines),
    }


def _encode_in_turns(model: SamModel, threads: int | None) -> tuple[float, float]:
    """Seconds an encode of a model and of LiteMedSAM in float32; least of several, in turns."""
    lite = open_model(LITE_MEDSAM.name, threads=threads)
    pictures = [
        np.random.default_rng(0).random((3, one.contract.side, one.contract.side), np.float32)
        for one in (model, lite)
    ]
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(N_ENCODES + 1):  # the first of each warms up
        for one, picture, taken in zip((model, lite), pictures, seconds, strict=True):
            began = time.perf_counter()
            one.encode(picture)
            taken.append(time.perf_counter() - began)
    return min(seconds[0][1:]), min(seconds[1][1:])


def count_macs(graph: Any) -> int:
    """Multiply-accumulates of a graph's convolutions and matrix products."""
    total = 0
    for node in graph.get_ordered_ops():
        kind = node.get_type_name()
        if kind in ("Convolution", "GroupConvolution"):
            kernel = list(node.input(1).get_shape())  # (O, I, h, w) or (G, O/G, I/G, h, w)
            each = math.prod(kernel[2:] if kind == "GroupConvolution" else kernel[1:])
            total += math.prod(node.output(0).get_shape()) * each
        elif kind == "ConvolutionBackpropData":
            kernel = list(node.input(1).get_shape())  # (I, O, h, w)
            total += math.prod(node.input(0).get_shape()) * math.prod(kernel[1:])
        elif kind == "MatMul":
            shape = list(node.input(0).get_shape())
            inner = shape[-2] if node.get_attributes()["transpose_a"] else shape[-1]
            total += math.prod(node.output(0).get_shape()) * inner
    return int(total)


def _worst(lines: list[Any], word: str, exact: set[str]) -> float:
    return max(one.largest_difference for one in lines if word in one.array and one.array in exact)


def _exact_arrays(folder: Path) -> set[str]:
    """The recorded arrays that were not rounded to float16."""
    with np.load(folder / "vectors.npz") as vectors:
        return {name for name in vectors.files if vectors[name].dtype != np.float16}


def _peak() -> int:
    """The most memory this process had, in bytes (Linux).

    Not ``ru_maxrss``: that remembers what the process was before it became this program.
    """
    return _status("VmHWM")


def _own_memory() -> int:
    """Memory of this process that is no mapped file, in bytes (Linux)."""
    return _status("RssAnon")


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"this system does not tell {key}")


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
    asked = _parse()
    if asked.measure:
        print(json.dumps(measure(asked.reference, asked.measure, asked.threads)))
        sys.exit(0)
    sys.exit(main())
