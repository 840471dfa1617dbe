"""Compare the networks with recorded outputs of the original PyTorch code.

    python benchmarks/check_reference.py DIR ... [--json FILE] [--threads N]

Each DIR is one family in the layout of ``reference/``: ``manifest.json`` (keys, shapes, weights,
tolerance) and ``vectors.npz``; ``fill.py`` and ``compare.py`` lie beside the folders and are
loaded from there. Prints a table of the largest differences; exits 1 where one is over its
tolerance or a family could not be checked.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine import resize
from napari_medsam.engine.frame import Frame, resize_bilinear
from napari_medsam.engine.preprocess import model_input
from napari_medsam.engine.prompt import SliceRef, box_prompt
from napari_medsam.models import store
from napari_medsam.models.catalogue import LITE_MEDSAM, InputContract, spec
from napari_medsam.models.checkpoint import read_checkpoint
from napari_medsam.models.errors import CheckpointError, NotInstalled
from napari_medsam.models.layers import bicubic_weights
from napari_medsam.models.loading import build_networks
from napari_medsam.models.runtime import SamModel

Array = NDArray[Any]

RESIZE = {
    "area": resize.resize_area,
    "linear": resize.resize_linear,
    "antialias": resize.resize_antialias,
    "nearest": resize.resize_nearest,
}
IMAGE_NET_MEAN, IMAGE_NET_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)


# -- the original scripts' own steps --------------------------------------------------------------
# Where they differ from the program's one way it is by a grey level or a fraction of a pixel:
# nothing a user could see, but above the tolerance here.


def torch_linear_uint8(image: Array, height: int, width: int) -> Array:
    """Torch's ``interpolate(mode="bilinear")`` on uint8: columns first, 14-bit weights, rounded."""
    across = _linear_uint8(image.transpose(1, 0, 2), width).transpose(1, 0, 2)
    return _linear_uint8(across, height)


def _linear_uint8(image: Array, n_out: int) -> Array:
    """Resize the first axis."""
    low, high, weight = _taps(image.shape[0], n_out)
    fixed = np.round(weight * 2**14).astype(np.int64)[:, None, None]
    other = np.round((1 - weight) * 2**14).astype(np.int64)[:, None, None]
    total = image[low].astype(np.int64) * other + image[high].astype(np.int64) * fixed
    return ((total + 2**13) >> 14).astype(np.uint8)


def torch_linear_float(image: Array, height: int, width: int) -> Array:
    """Torch's ``interpolate(mode="bilinear")`` on floats: nothing is rounded to grey levels."""
    low, high, weight = _taps(image.shape[0], height)
    rows = image[low] + (image[high].astype(np.float64) - image[low]) * weight[:, None, None]
    low, high, weight = _taps(image.shape[1], width)
    return rows[:, low] + (rows[:, high] - rows[:, low]) * weight[:, None]


def _taps(n_in: int, n_out: int) -> tuple[Array, Array, Array]:
    centre = np.maximum((np.arange(n_out) + 0.5) * (n_in / n_out) - 0.5, 0)
    low = np.minimum(centre.astype(int), n_in - 1)
    return low, np.minimum(low + 1, n_in - 1), centre - low


def mask_by_frame(logits: Array, frame: Frame) -> Array:
    """The program's own way: crop the low-resolution logits, then bilinear."""
    return frame.to_view(logits) > 0


def mask_by_input(logits: Array, frame: Frame) -> Array:
    """SAM's way: bilinear to the whole input, crop there, bilinear to the view."""
    whole = resize_bilinear(logits, frame.side, frame.side)
    inside = whole[: frame.input_height, : frame.input_width]
    return resize_bilinear(inside, frame.height, frame.width) > 0


def mask_by_bicubic(logits: Array, frame: Frame) -> Array:
    """EfficientSAM's way: bicubic straight to the view, zero counts as inside."""
    rows, columns = (bicubic_weights(logits.shape[0], n) for n in (frame.height, frame.width))
    return rows @ logits @ columns.T >= 0


# -- families ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Family:
    """How one folder of ``reference/`` is built and fed."""

    builder: str  # a key of models.loading.FAMILIES
    contract: InputContract
    truncates_boxes: bool = False  # int() of the scaled box, as LiteMedSAM's script and its heirs
    rounds_scale: bool = False  # boxes are scaled by the rounded size over the size, per axis
    resize: Callable[[Array, int, int], Array] | None = None  # where not the contract's
    to_mask: Callable[[Array, Frame], Array] = mask_by_frame


MEDFICIENT = InputContract(512, "fit", "linear", 512.0)
EFFICIENT_SAM = InputContract(
    1024, "stretch", "linear", 1024.0, mean=IMAGE_NET_MEAN, std=IMAGE_NET_STD
)


def _medficient(size: str) -> Family:
    return Family(
        f"medficientsam_{size}",
        MEDFICIENT,
        truncates_boxes=True,
        resize=torch_linear_uint8,
        to_mask=mask_by_input,
    )


def _efficient_sam(size: str) -> Family:
    return Family(
        f"efficientsam_{size}",
        EFFICIENT_SAM,
        resize=torch_linear_float,
        to_mask=mask_by_bicubic,
    )


FAMILIES = {
    "litemedsam": Family("litemedsam", LITE_MEDSAM.contract, truncates_boxes=True),
    "repmedsam": Family("repmedsam", LITE_MEDSAM.contract, truncates_boxes=True),
    "daft": Family("daft", LITE_MEDSAM.contract, truncates_boxes=True),
    **{f"medficientsam_{size}": _medficient(size) for size in ("l0", "l1", "l2")},
    **{f"efficientsam_{size}": _efficient_sam(size) for size in ("vitt", "vits")},
    "sammed2d": Family(
        "sammed2d",
        InputContract(256, "stretch", "nearest", 256.0, mean=IMAGE_NET_MEAN, std=IMAGE_NET_STD),
        to_mask=mask_by_input,
    ),
    "mobilesam": Family(
        "mobilesam",
        InputContract(1024, "fit", "antialias", 1024.0, mean=IMAGE_NET_MEAN, std=IMAGE_NET_STD),
        rounds_scale=True,
        to_mask=mask_by_input,
    ),
}


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
    manifest = json.loads((folder / "manifest.json").read_text())
    fill, compare = (_load(folder.parent / name) for name in ("fill.py", "compare.py"))
    family = FAMILIES[manifest["family"]]
    began = time.perf_counter()
    model = SamModel(
        build_networks(family.builder, _state(manifest, fill), folder.name),
        family.contract,
        folder.name,
        threads=threads,
    )
    print(f"built {folder.name} in {time.perf_counter() - began:.1f} s", file=sys.stderr)
    tolerance = manifest["tolerance"]["relative_to_largest"]
    with np.load(folder / "vectors.npz") as vectors:
        wanted = {name: vectors[name] for name in vectors.files}
    found = _image0(model, family, fill, manifest["seed"])
    found |= _image1(model, family, fill, manifest["seed"], wanted)
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


def _image0(model: SamModel, family: Family, fill: ModuleType, seed: int) -> dict[str, Array]:
    """Image 0 has the model's size: encoder, and the decoder with every kind of prompt."""
    contract = family.contract
    image = model_input(fill.make_image(seed, 0, contract.side, contract.side), contract)
    embedding = model.encode(image)
    prompts = fill.make_prompts(seed, contract.side)
    box, none = prompts["boxes"][:1], (np.zeros((1, 0, 2)), np.zeros((1, 0)))
    kinds = {
        "box": (model.decode(embedding, box), model.decode(embedding, box, masks="all")),
        "boxes3": tuple(
            model.decode(embedding, prompts["boxes"], masks=masks) for masks in ("first", "all")
        ),
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
    model: SamModel, family: Family, fill: ModuleType, seed: int, wanted: dict[str, Array]
) -> dict[str, Array]:
    """Image 1 goes the whole way: resize, pad, encode, decode, back to its own pixels."""
    contract = family.contract
    pixels = fill.make_image(seed, 1, 180, 300)
    frame = Frame.of(pixels.shape[:2], contract)
    resize_to = family.resize or RESIZE[contract.interpolation]
    resized = resize_to(pixels, frame.input_height, frame.input_width)
    image = model_input(pixels if family.resize is None else resized, contract)
    embedding = model.encode(image)
    x_min, y_min, x_max, y_max = map(float, wanted["image1_box"])
    slice_box = box_prompt(SliceRef("z", 0), (x_min, y_min, x_max, y_max), pixels.shape[:2])
    if family.rounds_scale:
        frame = replace(
            frame,
            prompt_x=frame.input_width / frame.width,
            prompt_y=frame.input_height / frame.height,
        )
    boxes = frame.boxes([slice_box], truncate=family.truncates_boxes)
    first, every = (model.decode(embedding, boxes, masks=masks) for masks in ("first", "all"))
    mask = family.to_mask(first.logits[0, 0], frame)
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
