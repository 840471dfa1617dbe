"""Compare the networks with recorded outputs of the original PyTorch code.

    python benchmarks/check_reference.py DIR ... [--json FILE] [--threads N]

Each DIR is one family in the layout of ``reference/``: ``manifest.json`` (keys, shapes, weights,
tolerance) and ``vectors.npz``; ``fill.py`` and ``compare.py`` lie beside the folders and are
loaded from there. Prints a table of the largest differences; exits 1 where one is over its
tolerance or a family could not be checked. Pictures, boxes and masks go through the engine's own
`Frame` and `preprocess` under the catalogue's contract: what is checked here is what runs there.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.engine.inference.preprocess import model_input, resize_view
from napari_medsam.models.checkpoints.read import read_checkpoint
from napari_medsam.models.loading import build_networks
from napari_medsam.models.runtime.sam_model import SamModel
from napari_medsam.models.specs.catalogue import spec
from napari_medsam.models.specs.errors import CheckpointError, NotInstalled
from napari_medsam.models.store import store

Array = NDArray[Any]

# The folders of ``reference/`` and the model of the catalogue whose rules each was recorded with.
FAMILIES = {
    "litemedsam": "litemedsam",
    "repmedsam": "repmedsam",
    "daft": "daft-general",
    "medficientsam_l0": "medficientsam-l0",
    "medficientsam_l1": "medficientsam-l1",
    "medficientsam_l2": "medficientsam-l2",
    "efficientsam_vitt": "efficientsam-ti",
    "efficientsam_vits": "efficientsam-s",
    "sammed2d": "sam-med2d",
    "mobilesam": "mobilesam",
}
# The vectors of SAM-Med2D were recorded from pictures handed over as they are; its notebook
# reads BGR. That is the caller's choice there and a rule of the contract here.
HANDED_OVER_AS_IS = {"sammed2d"}


# -- comparing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One compared array."""

    family: str
    array: str
    largest_difference: float
    off: int  # elements over the tolerance (masks: pixels that differ)
    is_good: bool


def main() -> int:
    arguments = _parse()
    lines: list[Line] = []
    failed: dict[str, str] = {}
    print("| family | array | largest difference | elements off | |\n|---|---|---|---|---|")
    for folder in arguments.folders:
        try:
            for line in check_family(folder, arguments.threads):
                lines.append(line)
                print(
                    f"| {line.family} | {line.array} | {line.largest_difference:.3g} | {line.off}"
                    f" | {'ok' if line.is_good else '**BAD**'} |",
                    flush=True,
                )
        except (CheckpointError, NotInstalled, KeyError, OSError) as error:
            failed[folder.name] = str(error)
            print(f"| {folder.name} | - | - | - | **{error}** |", flush=True)
        gc.collect()  # the larger families take gigabytes
    if arguments.json:
        report = {"lines": [vars(line) for line in lines], "failed": failed}
        arguments.json.write_text(json.dumps(report, indent=1))
    bad = sum(not line.is_good for line in lines)
    print(f"\n{len(lines)} arrays compared, {bad} over tolerance, {len(failed)} families failed.")
    return 1 if bad or failed or not lines else 0


def check_family(folder: Path, threads: int | None = None) -> list[Line]:
    """Build, run and compare one family; one line for each recorded array."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    fill, compare = (_load(folder.parent / name) for name in ("fill.py", "compare.py"))
    model_spec = spec(FAMILIES[manifest["family"]])
    contract = model_spec.contract
    if manifest["family"] in HANDED_OVER_AS_IS:
        contract = replace(contract, channels="rgb")
    began = time.perf_counter()
    model = SamModel(
        build_networks(model_spec.family, _state(manifest, fill), folder.name),
        contract,
        folder.name,
        threads=threads,
    )
    print(f"built {folder.name} in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    tolerance = manifest["tolerance"]["relative_to_largest"]
    with np.load(folder / "vectors.npz") as vectors:
        wanted = {name: vectors[name] for name in vectors.files}
    found = _image0(model, fill, manifest["seed"])
    found |= _image1(model, fill, manifest["seed"], wanted)
    return [
        _line(manifest["family"], name, want, found, compare, tolerance)
        for name, want in wanted.items()
    ]


def _state(manifest: dict[str, Any], fill: ModuleType) -> dict[str, Array]:
    if manifest["family"] == "litemedsam":
        path = store.installed_path(spec("litemedsam"))
        state = read_checkpoint(path).arrays
    else:
        state = fill.fill_state(manifest["family"], manifest["seed"], manifest["tensors"])
    if fill.state_sha256(state, manifest["tensors"]) != manifest["state_sha256"]:
        raise CheckpointError("The state dict is not the one the vectors were recorded with.")
    return state


def _image0(model: SamModel, fill: ModuleType, seed: int) -> dict[str, Array]:
    """Image 0 has the model's size: encoder, and the decoder with every kind of prompt."""
    contract = model.contract
    image = model_input(fill.make_image(seed, 0, contract.side, contract.side), contract)
    embedding = model.encode(image)
    prompts = fill.make_prompts(seed, contract.side)
    box, none = prompts["boxes"][:1], (np.zeros((1, 0, 2)), np.zeros((1, 0)))
    kinds = {
        name: tuple(model.decode(embedding, boxes, masks=masks) for masks in ("first", "all"))
        for name, boxes in (("box", box), ("boxes3", prompts["boxes"]))
    }
    kinds |= {
        "point": _points(model, embedding, prompts["point"], 1),
        "box_neg": _points(model, embedding, prompts["negative"], 0, boxes=box),
    }
    if "points+mask" in model.prompt_kinds:
        mask = fill.make_mask_prompt(seed, kinds["box"][0].logits.shape[-1])
        kinds["box_mask"] = tuple(
            model.decode_points(embedding, *none, boxes=box, mask=mask, masks=masks)
            for masks in ("first", "all")
        )
    found = {"input0": image[None], "embedding0": embedding[None]}
    for name, (first, every) in kinds.items():
        found |= {f"{name}_logits": first.logits, f"{name}_iou": every.iou}
    return found | {"box_multi_logits": kinds["box"][1].logits[:, 1:]}


def _points(
    model: SamModel, embedding: Array, points: Array, label: int, boxes: Array | None = None
) -> tuple[Any, Any]:
    labels = np.full(points.shape[:2], label)
    first, every = (
        model.decode_points(embedding, points, labels, boxes=boxes, masks=masks)
        for masks in ("first", "all")
    )
    return first, every


def _image1(
    model: SamModel, fill: ModuleType, seed: int, wanted: dict[str, Array]
) -> dict[str, Array]:
    """Image 1 goes the whole way: resize, pad, encode, decode, back to its own pixels."""
    contract = model.contract
    pixels = fill.make_image(seed, 1, 180, 300)
    frame = Frame.of(pixels.shape[:2], contract)
    resized = resize_view(pixels, contract, frame)
    image = model_input(pixels, contract, frame)
    embedding = model.encode(image)
    x_min, y_min, x_max, y_max = map(float, wanted["image1_box"])
    slice_box = box_prompt(SliceRef("z", 0), (x_min, y_min, x_max, y_max), pixels.shape[:2])
    boxes = frame.boxes([slice_box], truncate=True)
    first, every = (model.decode(embedding, boxes, masks=masks) for masks in ("first", "all"))
    mask = frame.to_view(first.logits[0, 0]) > 0
    return {
        "image1_resized": resized,
        "input1": image[None],
        "embedding1": embedding[None],
        "image1_box": wanted["image1_box"],
        "image1_box_model": boxes,
        "image1_box_logits": first.logits,
        "image1_box_iou": every.iou,
        "image1_mask_packed": np.packbits(mask),
    }


def _line(
    family: str,
    name: str,
    want: Array,
    found: dict[str, Array],
    compare: ModuleType,
    tolerance: float,
) -> Line:
    """Compare one array; ``NAME_grid`` and ``NAME_half`` are picked from ``NAME``."""
    base = name.replace("_grid", "").replace("_half", "")
    got = found[name] if name in found else found[base]
    if want.shape != got.shape and base != name:
        step = compare.step_of(name)
        got = got[..., ::step, ::step]
    off, worst, is_good = compare.check(name, want, got, tolerance)
    return Line(family, name, worst, off, is_good)


def _load(path: Path) -> ModuleType:
    """Load a module by its path."""
    found = importlib.util.spec_from_file_location(path.stem, path)
    if found is None or found.loader is None:
        raise FileNotFoundError(f"{path} is missing; it belongs beside the family folders.")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--threads", type=int, metavar="N")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
