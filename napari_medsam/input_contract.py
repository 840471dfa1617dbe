"""What a model family wants to be shown: the one description that `engine` and `models` share.

`models.specs.contracts` has one for each family, with its source; `engine.inference.frame` and `engine.inference.preprocess`
do what it says.
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
    """How the family's own script goes from slice to slice, for compat mode.

    All begin at the middle slice of the range, go up and then down, and take the given box again
    where a mask is empty.

    Attributes
    ----------
    includes_last
        Whether the last slice of the range is visited; some scripts leave it out.
    next_box
        ``"resized_mask"``: extent of the mask brought to the input's size by INTER_AREA;
        ``"mask"``: extent of the full-size mask, scaled as a box.
    margin
        Pixels of the prompt frame the next box is enlarged by.
    followed
        Modalities whose boxes follow the mask; on others every slice is asked with the given
        box. Empty: all follow.
    voted
        Modalities whose volumes are segmented along all three axes, with a vote.
    """

    includes_last: bool = True
    next_box: Literal["resized_mask", "mask"] = "resized_mask"
    margin: float = 3.0
    followed: tuple[str, ...] = ()
    voted: tuple[str, ...] = ()


@dataclass(frozen=True)
class InputContract:
    """How pixels and prompts must be brought before a model.

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
        Order in which the network wants the colours.
    prompt_side
        Side of the frame in which boxes and points are given: 256, 512, 1024 pixels, or 1.0.
    prompt_scale
        Prompts are scaled by ``prompt_side / long side``, or along each axis by the rounded
        size of the resized slice (``"resized"``).
    truncates_boxes
        Whether the original script cuts off the fractions of a scaled box (for compat mode).
    enlarge
        The way of the logits to the slice's pixels: padding cut off and bilinear
        (``"cropped"``), or bilinear to ``side`` first and cut there (``"through_input"``), or
        ``"bicubic"``.
    accepts_points, accepts_negative_points, max_points, accepts_mask
        What the published weights were trained for; a graph may compute more than that.
    mask_prompt
        In which form an earlier mask is given: its logits, or their sigmoid.
    box_masks, point_masks
        Which masks are decoded for prompts with a box, and for points alone: the single-mask
        token's, or ``"several"``, of which the one with the highest predicted IoU is meant.
    original_3d
        The original script's rules in 3D; None where the authors published none.
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
        """Plain values, for a model's record on disk."""
        return asdict(self)

    def with_rules(self, rules: Mapping[str, Any]) -> InputContract:
        """The contract with some of its fields changed.

        Raises
        ------
        ValueError
            Naming the field that is unknown, or whose value is none of its kind.
        """
        return InputContract.from_dict(self.as_dict() | dict(rules))

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> InputContract:
        """Undo `as_dict`.

        Raises
        ------
        ValueError
            Naming the field that is unknown, or whose value is none of its kind.
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
    """Refuse what a person could have mistyped."""
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
        if not is_list or not all(isinstance(one, (int, float)) for one in value):
            raise ValueError(f"{field} is three numbers, one a channel, or null, not {value!r}.")
