"""`InputContract`: how a model family takes images and prompts; shared by `engine` and `models`.

`models.specs.family_contracts` has one contract for each family, with its source.
`engine.inference.model_coordinates` and `engine.inference.preprocess` apply it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

Resize = Literal["fit", "stretch"]


Interpolation = Literal["area", "linear", "antialias", "nearest", "torch_uint8", "torch_float"]


Enlarge = Literal["cropped", "through_input", "bicubic"]


Masks = Literal["first", "several", "all"]


Statistics = tuple[float, float, float]


@dataclass(frozen=True)
class OriginalRules:
    """The rules of a family's own script for propagation from slice to slice, for compat mode.

    All scripts begin at the middle slice of the range, go up and then down, and use the user's box
    again if a mask is empty. Model records on disk store these field names.

    Attributes
    ----------
    includes_last
        Whether the last slice of the range is visited; some scripts leave it out.
    next_box
        ``"resized_mask"``: extent of the mask resized to the input's size by INTER_AREA;
        ``"mask"``: extent of the full-size mask, scaled as a box.
    margin
        Prompt units by which the next box is enlarged on each side.
    followed
        Modalities in which boxes follow the mask; in others every slice is segmented with the
        user's box. Empty: boxes follow in all modalities.
    voted
        Modalities whose volumes are segmented along all three axes, with a majority vote.
    """

    includes_last: bool = True
    next_box: Literal["resized_mask", "mask"] = "resized_mask"
    margin: float = 3.0
    followed: tuple[str, ...] = ()
    voted: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """The text with the class's first name, which is part of model identities on disk."""
        values = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))
        return f"OriginalPropagation({values})"


@dataclass(frozen=True)
class InputContract:
    """The rules by which pixels and prompts are prepared for a model.

    Model records on disk store these field names.

    Attributes
    ----------
    side
        The model's input is ``side x side`` pixels.
    resize
        ``"fit"`` keeps the aspect ratio and pads right and bottom with zeros; ``"stretch"``
        distorts to the square.
    interpolation
        ``"area"``, ``"linear"`` and ``"nearest"`` are OpenCV's on uint8, ``"antialias"`` is
        Pillow's bilinear, ``"torch_uint8"`` and ``"torch_float"`` are PyTorch's.
    mean, std
        Per channel in RGB order, on 0..255; None for min-max of the resized, unpadded slice.
    channels
        Order of the colour channels in the network's input.
    prompt_side
        Side, in prompt units, of the square in which boxes and points are given: 256, 512 or 1024,
        or 1.0.
    prompt_scale
        ``"long_side"``: prompts are scaled by ``prompt_side / long side``; ``"resized"``: along
        each axis by the rounded size of the resized slice.
    truncates_boxes
        Whether the original script cuts off the fractions of a scaled box (for compat mode).
    enlarge
        How logits are resized to the slice's pixels: padding cut off, then bilinear
        (``"cropped"``); bilinear to ``side``, then cut (``"through_input"``); or padding cut off,
        then bicubic (``"bicubic"``). See `engine.inference.model_coordinates.Frame.to_view`.
    accepts_points, accepts_negative_points, max_points, accepts_mask
        The prompts that the published weights were trained with; a graph may accept more.
    mask_prompt
        The form of an earlier mask as a prompt: its logits, or their sigmoid.
    box_masks, point_masks
        The masks decoded for prompts with a box, and for points without one: the single-mask
        token's (``"first"``), or ``"several"`` or ``"all"``, of which the one with the highest
        predicted IoU is taken.
    original_3d
        The original script's rules in 3D; None if the authors published none.
    """

    side: int
    resize: Resize
    interpolation: Interpolation
    prompt_side: float
    mean: Statistics | None = None
    std: Statistics | None = None
    channels: Literal["rgb", "bgr"] = "rgb"
    prompt_scale: Literal["long_side", "resized"] = "long_side"
    truncates_boxes: bool = False
    enlarge: Enlarge = "cropped"
    accepts_points: bool = False
    accepts_negative_points: bool = False
    max_points: int = 0
    accepts_mask: bool = False
    mask_prompt: Literal["logits", "sigmoid"] = "logits"
    box_masks: Masks = "first"
    point_masks: Masks = "first"
    original_3d: OriginalRules | None = None

    def as_dict(self) -> dict[str, Any]:
        """The fields as plain values, for a model's record on disk."""
        return asdict(self)

    def with_rules(self, rules: Mapping[str, Any]) -> InputContract:
        """Return the contract with some of its fields changed.

        Raises
        ------
        ValueError
            A field is unknown or its value is invalid; the message names it.
        """
        return InputContract.from_dict(self.as_dict() | dict(rules))

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> InputContract:
        """Make a contract from the output of `as_dict`.

        Raises
        ------
        ValueError
            A field is unknown or its value is invalid; the message names it.
        """
        known = {field.name for field in fields(InputContract)}
        for key, value in values.items():
            if key not in known:
                raise ValueError(f"An input contract has no field {key!r}.")
            _check_value(key, value)
        plain = dict(values)
        for key in ("mean", "std"):
            if plain.get(key) is not None:
                plain[key] = tuple(float(value) for value in plain[key])
        if plain.get("original_3d") is not None:
            rules = dict(plain["original_3d"])
            for key in ("followed", "voted"):
                rules[key] = tuple(rules.get(key, ()))
            plain["original_3d"] = OriginalRules(**rules)
        return InputContract(**plain)


_WORDS: dict[str, tuple[str, ...]] = {
    "resize": get_args(Resize),
    "interpolation": get_args(Interpolation),
    "channels": ("rgb", "bgr"),
    "prompt_scale": ("long_side", "resized"),
    "enlarge": get_args(Enlarge),
    "mask_prompt": ("logits", "sigmoid"),
    "box_masks": get_args(Masks),
    "point_masks": get_args(Masks),
}


def _check_value(field: str, value: Any) -> None:
    """Refuse values that a person could have mistyped; ValueError names the field."""
    words = _WORDS.get(field)
    if words is not None and value not in words:
        raise ValueError(f"{field} is {', '.join(words[:-1])} or {words[-1]}, not {value!r}.")
    if field in ("side", "prompt_side", "max_points"):
        whole = field != "prompt_side"
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise ValueError(f"{field} is a number, not {value!r}.")
        if value <= 0 and field != "max_points":
            raise ValueError(f"{field} is more than 0, not {value!r}.")
    is_flag = field in ("truncates_boxes", "accepts_mask") or field.startswith("accepts_")
    if is_flag and not isinstance(value, bool):
        raise ValueError(f"{field} is true or false, not {value!r}.")
    if field in ("mean", "std") and value is not None:
        is_list = isinstance(value, (list, tuple)) and len(value) == 3
        if not is_list or not all(isinstance(number, (int, float)) for number in value):
            raise ValueError(f"{field} is three numbers, one a channel, or null, not {value!r}.")
