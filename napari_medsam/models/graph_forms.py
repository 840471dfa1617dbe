"""How a released graph takes pixels or prompts, told by the ranks and shapes of its inputs.

Names are not looked at: some converters lose them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_medsam.models.graph_files import Port, Signature

Layout = Literal["nchw", "hwc", "raw_hwc", "uint8"]
Kind = Literal["unit_box", "apart", "points", "points_mask"]

CHANNELS = 256  # of every family's embedding


@dataclass(frozen=True)
class EncoderForm:
    """An encoder's way of taking pixels.

    ``"nchw"``: (1, 3, side, side); ``"hwc"``: (side, side, 3), normalized; ``"raw_hwc"``: any
    (H, W, 3) on 0..255, normalized inside; ``"uint8"``: any (H, W, 3) with its size, all inside.
    ``side`` and ``map_side`` are 0 where the graph leaves them open.
    """

    layout: Layout
    side: int
    map_side: int


@dataclass(frozen=True)
class DecoderForm:
    """A decoder's way of taking prompts.

    ``"unit_box"``: one box of four numbers; ``"apart"``: embedded by another graph (DAFT);
    ``"points"``: points with labels; ``"points_mask"``: an earlier mask too. ``with_size``: the
    slice's size is asked for as well; ``point_rank`` is 4 where points have an axis for queries.
    """

    kind: Kind
    map_side: int
    with_size: bool = False
    point_rank: int = 0


@dataclass(frozen=True)
class Released:
    """The files of one released model, told apart."""

    encoder: Path
    decoder: Path
    prompt_encoder: Path | None = None
    position_code: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        """By the name each gets in the store, without its suffix."""
        named = {
            "encoder": self.encoder,
            "decoder": self.decoder,
            "prompt_encoder": self.prompt_encoder,
            "positional_encoding": self.position_code,
        }
        return {name: path for name, path in named.items() if path is not None}


# -- telling apart -------------------------------------------------------------------------------


def encoder_form(found: Signature) -> EncoderForm | None:
    """How a graph takes pixels, or None where it is no encoder."""
    output = found.outputs[0]
    if output.rank != 4 or output.shape[1] not in (CHANNELS, -1):
        return None
    image, *others = found.inputs
    map_side = max(output.shape[2], 0)
    if not others and image.rank == 4 and image.shape[1] in (3, -1) and image.kind == "f32":
        if image.shape[2] != image.shape[3]:
            return None
        return EncoderForm("nchw", max(image.shape[2], 0), map_side)
    if image.rank != 3 or image.shape[2] not in (3, -1):
        return None
    if image.kind == "u8" and len(others) == 1 and others[0].rank == 1:
        return EncoderForm("uint8", 0, map_side)
    if image.kind == "f32" and not others:
        side = image.shape[0] if image.shape[0] == image.shape[1] else 0
        return EncoderForm("hwc" if side > 0 else "raw_hwc", max(side, 0), map_side)
    return None


def decoder_form(found: Signature) -> DecoderForm | None:
    """How a graph takes prompts, or None where it is no decoder."""
    embedding = _embedding(found)
    if embedding is None:
        return None
    map_side = max(embedding.shape[2], 0)
    others = [port for port in found.inputs if port is not embedding]
    if len(others) == 1 and others[0].rank == 1 and others[0].shape[0] in (4, -1):
        return DecoderForm("unit_box", map_side)
    if len(others) == 3 and sorted(p.rank for p in others) == [3, 4, 4]:
        return DecoderForm("apart", map_side)
    points = _points(found)
    if points is None:
        return None
    with_size = _is_size(found.inputs[-1])
    if len(found.inputs) == 6 and with_size and found.inputs[3].rank == 4:
        return DecoderForm("points_mask", map_side, with_size, points.rank)
    if len(found.inputs) == 3 + with_size:
        return DecoderForm("points", map_side, with_size, points.rank)
    return None


def is_prompt_encoder(found: Signature) -> bool:
    """Whether a graph turns a box into DAFT's two embeddings."""
    ranks = [port.rank for port in found.outputs]
    one_box = len(found.inputs) == 1 and found.inputs[0].shape[-1:] == (4,)
    return one_box and found.inputs[0].rank == 4 and ranks == [3, 4]


def _embedding(found: Signature) -> Port | None:
    first = found.inputs[0]
    is_map = first.rank == 4 and first.shape[1] == CHANNELS
    return first if is_map and len(found.inputs) > 1 else None


def _points(found: Signature) -> Port | None:
    """The points among a decoder's inputs: two numbers each, followed by their labels."""
    for port, following in zip(found.inputs[1:], found.inputs[2:], strict=False):
        if port.rank in (3, 4) and port.shape[-1] == 2 and following.rank == port.rank - 1:
            return port
    return None


def _is_size(port: Port) -> bool:
    return port.rank == 1 and port.shape[0] in (2, -1)
