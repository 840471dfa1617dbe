"""Compare the networks with recorded outputs of the original PyTorch code.

    python benchmarks/check_reference.py DIR ... [--json FILE] [--threads N]

Each DIR holds one family in the layout of ``reference/``: ``manifest.json`` (keys, shapes, weights,
tolerance) and ``vectors.npz``. ``fill.py`` and ``compare.py`` are beside the folders and are loaded
from there. Prints a table of the largest differences. Exits 1 if a difference is over its tolerance
or a family could not be checked. Images, boxes and masks pass through the engine's own `Frame` and
`preprocess` under the catalogue's contract, so the code that is checked is the code that runs.
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

# Each folder of ``reference/`` and the catalogue's model whose rules it was recorded with.
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
# The vectors of SAM-Med2D were recorded from RGB images, although its notebook reads BGR. There the
# caller chooses the order of channels; here it is a rule of the contract.
RECORDED_IN_RGB = {"sammed2d"}


# -- comparing -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Line:
    """One compared array."""

    family: str
    array: str
    largest_difference: float
    off: int  # elements over the tolerance; for masks, pixels that differ
    is_good: bool


def main() -> int:
    arguments = _parse()
    lines: list[Line] = []
    failed: dict[str, str] = {}
    print(
        "| family | array | largest difference | elements over tolerance | |\n|---|---|---|---|---|"
    )
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
    """Build, run and compare one family; return one line for each recorded array."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    fill, compare = (load_module(folder.parent / name) for name in ("fill.py", "compare.py"))
    model_spec = spec(FAMILIES[manifest["family"]])
    contract = model_spec.contract
    if manifest["family"] in RECORDED_IN_RGB:
        contract = replace(contract, channels="rgb")
    began = time.perf_counter()
    model = SamModel(
        build_networks(model_spec.family, reference_state(manifest, fill), folder.name),
        contract,
        folder.name,
        threads=threads,
    )
    print(f"built {folder.name} in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    tolerance = manifest["tolerance"]["relative_to_largest"]
    with np.load(folder / "vectors.npz") as vectors:
        expected = {name: vectors[name] for name in vectors.files}
    computed = _compute_image0(model, fill, manifest["seed"])
    computed |= _compute_image1(model, fill, manifest["seed"], expected)
    return [
        _compare_array(manifest["family"], name, array, computed, compare, tolerance)
        for name, array in expected.items()
    ]


def reference_state(manifest: dict[str, Any], fill: ModuleType) -> dict[str, Array]:
    """Return the state dict of the reference: real weights of LiteMedSAM, else filled by a rule."""
    if manifest["family"] == "litemedsam":
        path = store.installed_path(spec("litemedsam"))
        state = read_checkpoint(path).arrays
    else:
        state = fill.fill_state(manifest["family"], manifest["seed"], manifest["tensors"])
    if fill.state_sha256(state, manifest["tensors"]) != manifest["state_sha256"]:
        raise CheckpointError("This is not the state dict that the vectors were recorded with.")
    return state


def _compute_image0(model: SamModel, fill: ModuleType, seed: int) -> dict[str, Array]:
    """Image 0, of the model's size: run the encoder, and the decoder with every kind of prompt."""
    contract = model.contract
    image = model_input(fill.make_image(seed, 0, contract.side, contract.side), contract)
    embedding = model.encode(image)
    prompts = fill.make_prompts(seed, contract.side)
    box, no_points = prompts["boxes"][:1], (np.zeros((1, 0, 2)), np.zeros((1, 0)))
    outputs = {
        name: tuple(model.decode(embedding, boxes, masks=masks) for masks in ("first", "all"))
        for name, boxes in (("box", box), ("boxes3", prompts["boxes"]))
    }
    outputs |= {
        "point": _decode_points(model, embedding, prompts["point"], 1),
        "box_neg": _decode_points(model, embedding, prompts["negative"], 0, boxes=box),
    }
    if "points+mask" in model.prompt_kinds:
        mask = fill.make_mask_prompt(seed, outputs["box"][0].logits.shape[-1])
        outputs["box_mask"] = tuple(
            model.decode_points(embedding, *no_points, boxes=box, mask=mask, masks=masks)
            for masks in ("first", "all")
        )
    computed = {"input0": image[None], "embedding0": embedding[None]}
    for name, (first, every) in outputs.items():
        computed |= {f"{name}_logits": first.logits, f"{name}_iou": every.iou}
    return computed | {"box_multi_logits": outputs["box"][1].logits[:, 1:]}


def _decode_points(
    model: SamModel, embedding: Array, points: Array, label: int, boxes: Array | None = None
) -> tuple[Any, Any]:
    """Decode points of one label: the output with the first mask, and with all masks."""
    labels = np.full(points.shape[:2], label)
    first, every = (
        model.decode_points(embedding, points, labels, boxes=boxes, masks=masks)
        for masks in ("first", "all")
    )
    return first, every


def _compute_image1(
    model: SamModel, fill: ModuleType, seed: int, expected: dict[str, Array]
) -> dict[str, Array]:
    """Image 1: resize, pad, encode, decode, and map the mask back to the image's own pixels."""
    contract = model.contract
    pixels = fill.make_image(seed, 1, 180, 300)
    frame = Frame.of(pixels.shape[:2], contract)
    resized = resize_view(pixels, contract, frame)
    image = model_input(pixels, contract, frame)
    embedding = model.encode(image)
    x_min, y_min, x_max, y_max = map(float, expected["image1_box"])
    slice_box = box_prompt(SliceRef("z", 0), (x_min, y_min, x_max, y_max), pixels.shape[:2])
    boxes = frame.boxes([slice_box], truncate=True)
    first, every = (model.decode(embedding, boxes, masks=masks) for masks in ("first", "all"))
    mask = frame.to_view(first.logits[0, 0]) > 0
    return {
        "image1_resized": resized,
        "input1": image[None],
        "embedding1": embedding[None],
        "image1_box": expected["image1_box"],
        "image1_box_model": boxes,
        "image1_box_logits": first.logits,
        "image1_box_iou": every.iou,
        "image1_mask_packed": np.packbits(mask),
    }


def _compare_array(
    family: str,
    name: str,
    expected: Array,
    computed: dict[str, Array],
    compare: ModuleType,
    tolerance: float,
) -> Line:
    """Compare one array; ``NAME_grid`` and ``NAME_half`` are every few elements of ``NAME``."""
    base = name.replace("_grid", "").replace("_half", "")
    actual = computed[name] if name in computed else computed[base]
    if expected.shape != actual.shape and base != name:
        step = compare.step_of(name)
        actual = actual[..., ::step, ::step]
    off, largest, is_good = compare.check(name, expected, actual, tolerance)
    return Line(family, name, largest, off, is_good)


def load_module(path: Path) -> ModuleType:
    """Load a module by its path."""
    module_spec = importlib.util.spec_from_file_location(path.stem, path)
    if module_spec is None or module_spec.loader is None:
        raise FileNotFoundError(f"{path} is missing; it belongs beside the family folders.")
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--threads", type=int, metavar="N")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
