"""How a released graph takes pixels or prompts, from the ranks and shapes of its ports.

Names serve only to order inputs of the same rank, since some converters lose them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_medsam.models.published_graphs.graph_files import Port, Signature

Layout = Literal["nchw", "hwc", "raw_hwc", "uint8"]
Kind = Literal["unit_box", "apart", "points", "points_mask"]

CHANNELS = 256  # of every family's embedding


@dataclass(frozen=True)
class EncoderForm:
    """How an encoder takes pixels.

    ``"nchw"``: (1, 3, side, side); ``"hwc"``: (side, side, 3), normalized; ``"raw_hwc"``: any
    (H, W, 3) in 0..255, which the graph normalizes; ``"uint8"``: any (H, W, 3) with its size; the
    graph does all preprocessing. ``side`` and ``map_side`` are 0 if the graph leaves them dynamic.
    ``inputs`` are the indices of the pixels and, for ``"uint8"``, their size; ``output`` is the
    index of the embedding.
    """

    layout: Layout
    side: int
    map_side: int
    inputs: tuple[int, ...] = (0,)
    output: int = 0


@dataclass(frozen=True)
class DecoderForm:
    """How a decoder takes prompts.

    ``"unit_box"``: one box of four numbers; ``"apart"``: another graph embeds the box (DAFT);
    ``"points"``: points with labels; ``"points_mask"``: also an earlier mask. ``with_size``: the
    slice's size is an input too; ``point_rank`` is 4 if points have an axis for queries.

    ``inputs`` are the indices of the embedding, followed by those of the box; or of the position
    code, the tokens and the dense embedding; or of points, labels, mask and its flag, and size.
    """

    kind: Kind
    map_side: int
    inputs: tuple[int, ...]
    with_size: bool = False
    point_rank: int = 0


@dataclass(frozen=True)
class ReleasedSignature:
    """The files of one released model, by role; the fields are their names in the store."""

    encoder: Path
    decoder: Path
    prompt_encoder: Path | None = None
    positional_encoding: Path | None = None

    @property
    def files(self) -> dict[str, Path]:
        """The files by their names in the store, which have no suffix here."""
        return {name: path for name, path in vars(self).items() if path is not None}


# -- from a signature ---------------------------------------------------------------------------


def encoder_form(found: Signature) -> EncoderForm | None:
    """How a graph takes pixels, or None if it is not an encoder."""
    maps = [n for n, p in enumerate(found.outputs) if p.rank == 4 and p.shape[1] in (CHANNELS, -1)]
    images = [n for n, port in enumerate(found.inputs) if _is_image(port)]
    if not maps or len(images) != 1:
        return None
    image = found.inputs[images[0]]
    others = [n for n in range(len(found.inputs)) if n != images[0]]
    map_side = max(found.outputs[maps[0]].shape[2], 0)
    sizes = [n for n in others if _is_size(found.inputs[n])]  # some converters drop an unused input
    if image.kind == "u8" and image.rank == 3 and len(others) <= 1 and sizes == others:
        return EncoderForm("uint8", 0, map_side, (images[0], *sizes), maps[0])
    if image.kind != "f32" or others:
        return None
    if image.rank == 4:
        return EncoderForm("nchw", max(image.shape[2], 0), map_side, output=maps[0])
    side = image.shape[0] if image.shape[0] == image.shape[1] else 0
    return EncoderForm("hwc" if side > 0 else "raw_hwc", max(side, 0), map_side, output=maps[0])


def _is_image(port: Port) -> bool:
    """Whether a port takes an image: (1, 3, side, side) or (H, W, 3)."""
    if port.rank == 4:
        return port.shape[1] in (3, -1) and port.shape[2] == port.shape[3]
    return port.rank == 3 and port.shape[2] in (3, -1)


def decoder_form(found: Signature) -> DecoderForm | None:
    """How a graph takes prompts, or None if it is not a decoder."""
    maps = [n for n, p in enumerate(found.inputs) if p.rank == 4 and p.shape[1] == CHANNELS]
    others = [n for n in range(len(found.inputs)) if n not in maps]
    if len(maps) == 3 and [found.inputs[n].rank for n in others] == [3]:
        embedding, code, dense = _named(found, maps, ("embeddings", "image_pe", "dense"))
        side = max(found.inputs[embedding].shape[2], 0)
        return DecoderForm("apart", side, (embedding, code, others[0], dense))
    if len(maps) != 1:
        return None
    side = max(found.inputs[maps[0]].shape[2], 0)
    if len(others) == 1:
        return DecoderForm("unit_box", side, (maps[0], *others)) if _is_box(found, others) else None
    return _point_form(found, maps[0], others, side)


def _named(found: Signature, places: list[int], words: tuple[str, ...]) -> list[int]:
    """`places` in the order of `words`, which their names contain; unchanged without names."""
    names = {n: " ".join(found.inputs[n].names) for n in places}
    by_word = {word: [n for n in places if word in names[n]] for word in words[1:]}
    if any(len(hits) != 1 for hits in by_word.values()):
        return places
    rest = [hits[0] for hits in by_word.values()]
    first = [n for n in places if n not in rest]
    return [*first, *rest] if len(first) == 1 else places


def _is_box(found: Signature, places: list[int]) -> bool:
    """Whether the first of `places` takes one box: (4,), (1, 4), or dynamic sizes."""
    port = found.inputs[places[0]]
    return port.rank in (1, 2) and port.shape[-1] in (4, -1) and port.shape[0] in (1, 4, -1)


def _point_form(
    found: Signature, embedding: int, others: list[int], map_side: int
) -> DecoderForm | None:
    """Inputs by rank: points, labels of one rank less, maybe a mask with its flag, and a size."""
    ports = found.inputs
    points = next((n for n in others if ports[n].rank in (3, 4) and ports[n].shape[-1] == 2), None)
    if points is None:
        return None
    rank = ports[points].rank
    rest = [n for n in others if n != points]
    labels = next((n for n in rest if ports[n].rank == rank - 1), None)
    mask = [n for n in rest if n != labels and ports[n].rank == 4]
    scalars = [n for n in rest if ports[n].rank == 1]
    # The flag is one number and the size two; if both are dynamic, the flag comes first.
    sizes = [n for n in scalars if _is_size(ports[n])][-1:]
    flag = [n for n in scalars if n not in sizes]
    if labels is None or len(mask) != len(flag) or len(mask) > 1:
        return None
    places = (embedding, points, labels, *mask, *flag, *sizes)
    if len(places) != len(ports):
        return None
    kind: Kind = "points_mask" if mask else "points"
    return DecoderForm(kind, map_side, places, bool(sizes), rank)


def is_prompt_encoder(found: Signature) -> bool:
    """Whether a graph turns a box into DAFT's two embeddings."""
    ranks = sorted(port.rank for port in found.outputs)
    one_box = len(found.inputs) == 1 and found.inputs[0].shape[-1:] == (4,)
    return one_box and found.inputs[0].rank == 4 and ranks == [3, 4]


def _is_size(port: Port) -> bool:
    """Whether a port takes an image size: (2,), or a vector of dynamic size."""
    return port.rank == 1 and port.shape[0] in (2, -1)
