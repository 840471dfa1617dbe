"""Identify the network of a state dict from its keys and shapes, never from the file's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

from napari_medsam.models.specs.errors import UnknownWeights

Array = NDArray[Any]

PREFIXES = ("module.", "model.", "_orig_mod.")


def plain_keys(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The tensors under the keys of a bare state dict.

    Training wraps the model, perhaps several times, and each wrapper adds a prefix: ``model.``
    (Lightning), ``module.`` (several GPUs), ``_orig_mod.`` (compiled). Distilled checkpoints of
    MedficientSAM name the encoder ``student_encoder.`` and also contain the teacher.
    """
    plain = dict(arrays)
    while plain and (prefix := _common_prefix(plain)):
        plain = {key.removeprefix(prefix): array for key, array in plain.items()}
    if any(key.startswith("student_encoder.") for key in plain):
        plain = {
            key.replace("student_encoder.", "image_encoder.", 1): array
            for key, array in plain.items()
            if not key.startswith("teacher_")
        }
    return plain


def _common_prefix(keys: Mapping[str, Array]) -> str:
    wrapping = (prefix for prefix in PREFIXES if all(key.startswith(prefix) for key in keys))
    return next(wrapping, "")


def identify_state_dict(arrays: Mapping[str, Array]) -> tuple[tuple[str, ...], str]:
    """The catalogue names whose network the tensors fit, and the evidence in words.

    Raises
    ------
    UnknownWeights
        No network fits; the message lists the first keys.
    """
    stem = _shape(arrays, "image_encoder.patch_embed.seq.0.c.weight")
    if stem == (32, 3, 1, 1):
        return ("litemedsam",), "TinyViT with a 1 x 1 stem"
    if stem == (32, 3, 3, 3):
        return ("mobilesam",), "TinyViT with a 3 x 3 stem"
    if "image_encoder.features.0.0.c.weight" in arrays:
        return ("repmedsam",), "RepViT (image_encoder.features)"
    if "prompt_encoder.invalid_points.weight" in arrays:
        return _efficient_sam(arrays)
    if any(key.startswith("image_encoder.backbone.stages.") for key in arrays):
        return _efficient_vit(arrays)
    if "image_encoder.pos_embed" in arrays:
        return _sam_vit(arrays)
    first = ", ".join(list(arrays)[:3])
    raise UnknownWeights(
        f"its {len(arrays)} tensors belong to no network that this version knows (first: {first})."
    )


def _shape(arrays: Mapping[str, Array], key: str) -> tuple[int, ...]:
    return arrays[key].shape if key in arrays else ()


def _efficient_sam(arrays: Mapping[str, Array]) -> tuple[tuple[str, ...], str]:
    """EfficientSAM Ti or S by the width of its position table."""
    width = (_shape(arrays, "image_encoder.pos_embed") or (0,))[-1]
    names = {192: "efficientsam-ti", 384: "efficientsam-s"}
    if width not in names:
        raise UnknownWeights(
            f"it is an EfficientSAM of width {width}; known widths are 192 and 384."
        )
    return (names[width],), f"invalid_points in the prompt encoder, width {width}"


def _efficient_vit(arrays: Mapping[str, Array]) -> tuple[tuple[str, ...], str]:
    """L0, L1 or L2 by the number of blocks in stage 3; the input side is not in the file."""
    pattern = re.compile(r"image_encoder\.backbone\.stages\.3\.op_list\.(\d+)\.")
    found = (pattern.match(key) for key in arrays)
    blocks = len({match.group(1) for match in found if match})
    sizes = {5: "l0", 7: "l1", 9: "l2"}
    if blocks not in sizes:
        raise UnknownWeights(f"it is an EfficientViT with {blocks} blocks in stage 3, not 5, 7, 9.")
    size = sizes[blocks]
    names = (f"medficientsam-{size}", f"efficientvit-sam-{size}")
    evidence = f"EfficientViT-SAM {size.upper()} ({blocks} blocks in stage 3)"
    return (*names, "daft-general") if size == "l0" else names, evidence


def _sam_vit(arrays: Mapping[str, Array]) -> tuple[tuple[str, ...], str]:
    """SAM-Med2D or SAM ViT-B by the size of its position table and the presence of adapters."""
    _one, side, _side, width = (_shape(arrays, "image_encoder.pos_embed") + (0,) * 4)[:4]
    adapters = any(".Adapter.spatial." in key for key in arrays)
    if (side, width) == (16, 768):
        name = "sam-med2d" if adapters else "sam-med2d-plain"
        return (name,), f"SAM ViT-B at 256 pixels, {'with' if adapters else 'without'} adapters"
    if (side, width) == (64, 768):
        return ("sam-vit-b", "medsam-vit-b"), "SAM ViT-B at 1024 pixels"
    raise UnknownWeights(
        f"it is a SAM ViT of width {width} with {side} x {side} tokens; only ViT-B is"
        " supported, since the larger ones take minutes per image on a laptop."
    )
