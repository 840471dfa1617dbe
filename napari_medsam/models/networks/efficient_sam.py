"""EfficientSAM (Ti, S): a plain ViT encoder, and a decoder that differs slightly from SAM's.

Xiong et al., EfficientSAM: Leveraged Masked Image Pretraining for Efficient Segment Anything,
CVPR 2024, https://arxiv.org/abs/2312.00863; layout as in yformer/EfficientSAM
``efficient_sam/{efficient_sam_encoder,efficient_sam_decoder,two_way_transformer,mlp}.py``.

The differences: exactly six prompt points, of which missing ones are at (-1, -1) with a position
code like any other; no embedding for points outside the object; no dense prompt; GELU throughout;
every self-attention is residual; GroupNorm(1) in the upscaling.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from openvino import Model
from openvino import opset13 as ops

from napari_medsam.input_contract import Masks
from napari_medsam.models.networks.layers import (
    Array,
    Node,
    bicubic_weights,
    constant,
    gelu,
    integers,
    linear,
    read_affine,
    read_dense,
    reshape,
    sam_neck,
    standardize,
    to_map,
)
from napari_medsam.models.networks.sam_decoder import (
    TOKENS,
    Prompts,
    SamDecoder,
    heads,
    per_prompt,
    transformer,
    transposed_as_dense,
    with_own_tokens,
)
from napari_medsam.models.networks.sam_prompt_encoder import (
    dense_position_code,
    label_embedding,
    point_position_code,
)
from napari_medsam.models.networks.state_dict_reader import Scope, Weights
from napari_medsam.models.networks.two_way_attention import among_tokens, read_attention
from napari_medsam.models.networks.vit_attention import global_attention, patch_tokens

ENCODER_NORM_EPS = 1e-6
DECODER_NORM_EPS = 1e-5
GROUP_NORM_EPS = 1e-5
MAX_POINTS = 6


@dataclass(frozen=True)
class EfficientSam:
    """Sizes of one variant."""

    width: int
    heads: int
    depth: int = 12
    side: int = 1024
    patch: int = 16
    table_side: int = 14  # of the stored position table, which is enlarged to the map
    channels: int = 256
    decoder_heads: int = 8
    mlp: int = 2048

    @property
    def map_side(self) -> int:
        return self.side // self.patch

    @property
    def decoder(self) -> SamDecoder:
        return SamDecoder(
            prompt_side=float(self.side),
            side=self.map_side,
            norm_eps=DECODER_NORM_EPS,
            channels=self.channels,
            heads=self.decoder_heads,
            mlp=self.mlp,
        )


TINY = EfficientSam(width=192, heads=3)
SMALL = EfficientSam(width=384, heads=6)


def build_encoder(weights: Weights, net: EfficientSam) -> Model:
    """Build the encoder: ``image`` (1, 3, side, side) to ``embedding`` (1, h, w, 256)."""
    root = Scope(weights, "image_encoder")
    image = ops.parameter([1, 3, net.side, net.side], np.float32, "image")
    x = patch_tokens(image, root / "patch_embed" / "proj", net.patch, net.width, net.map_side)
    x = ops.add(x, constant(_position_table(root, net)))  # (R R, C)
    for index in range(net.depth):
        block = root / "blocks" / index
        norm1, y = read_affine(block / "norm1", net.width), standardize(x, ENCODER_NORM_EPS)
        x = ops.add(x, global_attention(y, norm1, block / "attn", net.width, net.heads))
        hidden = read_dense(block / "mlp" / "fc1", net.width, 4 * net.width)
        hidden = hidden.after_affine(*read_affine(block / "norm2", net.width))
        y = gelu(linear(standardize(x, ENCODER_NORM_EPS), hidden))
        x = ops.add(x, linear(y, read_dense(block / "mlp" / "fc2", 4 * net.width, net.width)))
    x = to_map(x, net.map_side, net.width)
    embedding = sam_neck(x, root / "neck", net.map_side, net.width, net.channels)
    embedding.set_friendly_name("embedding")
    return Model([embedding], [image], "efficient_sam")


def _position_table(root: Scope, net: EfficientSam) -> Array:
    """The stored position table without its class token, enlarged bicubically; (R R, C)."""
    stored = root.take("pos_embed", 1, net.table_side**2 + 1, net.width)[0, 1:]
    grid = stored.reshape(net.table_side, net.table_side, net.width).astype(np.float64)
    enlarge = bicubic_weights(net.table_side, net.map_side)
    return np.einsum("Yy,Xx,yxc->YXc", enlarge, enlarge, grid).reshape(-1, net.width)


# -- decoder -------------------------------------------------------------------------------------


def build_decoder(
    weights: Weights, net: EfficientSam, prompts: Prompts = "boxes", masks: Masks = "first"
) -> Model:
    """Build the decoder; inputs and outputs as in `sam_decoder.build_decoder`, but no mask."""
    embedding = ops.parameter(
        [1, net.map_side, net.map_side, net.channels], np.float32, "embedding"
    )
    gaussian, table = _read_prompt_encoder(Scope(weights, "prompt_encoder"), net)
    inputs, points, labels = _six_points(prompts)
    root = Scope(weights, "mask_decoder")
    # Unlike in SAM, padding has a position code too.
    code = point_position_code(points, gaussian, float(net.side))
    sparse = ops.add(code, label_embedding(labels, table))  # (N, 6, C)
    tokens = with_own_tokens(root, sparse, net.channels)
    image = reshape(embedding, 1, net.map_side**2, net.channels)
    position = constant(dense_position_code(gaussian, net.map_side))
    sizes = net.decoder
    tokens, image = transformer(
        root / "transformer", tokens, image, position, sizes, _self_attention, _transformer_mlp
    )
    fine = _upscale(root / "final_output_upscaling_layers", image, net.channels)
    iou, logits = heads(root, tokens, fine, sizes, TOKENS[masks], _head_mlp)
    logits.set_friendly_name("logits")
    iou.set_friendly_name("iou")
    return Model([logits, iou], [embedding, *inputs], "efficient_sam_decoder")


def _read_prompt_encoder(scope: Scope, net: EfficientSam) -> tuple[Array, Array]:
    """Read the frequencies (2, C / 2) and the embeddings (5, C) of labels -1, 0, 1, 2, 3."""
    gaussian = scope.take("pe_layer.positional_encoding_gaussian_matrix", 2, net.channels // 2)
    missing, inside, first, second = (
        scope.take(f"{name}.weight", 1, net.channels)
        for name in (
            "invalid_points",
            "point_embeddings",
            "bbox_top_left_embeddings",
            "bbox_bottom_right_embeddings",
        )
    )
    table = np.concatenate([missing, np.zeros_like(inside), inside, first, second])
    return gaussian.astype(np.float64), table


def _six_points(prompts: Prompts) -> tuple[list[Node], Node, Node]:
    """Parameters, then points (N, 6, 2) and int32 labels (N, 6): the first six, padded with -1."""
    if prompts == "boxes":
        boxes = ops.parameter([-1, 4], np.float32, "boxes")
        inputs, points = [boxes], ops.reshape(boxes, integers(0, 2, 2), True)
        labels = per_prompt(points, np.array([[2, 3]], np.int32))
    else:
        points = ops.parameter([-1, -1, 2], np.float32, "points")
        labels = ops.parameter([-1, -1], np.int32, "labels")
        inputs = [points, labels]
        is_missing = ops.unsqueeze(ops.less(labels, ops.constant(np.int32(0))), integers(-1))
        points = ops.select(is_missing, constant(-1.0), points)
    more_points = per_prompt(points, np.full((1, MAX_POINTS, 2), -1, np.float32))
    more_labels = per_prompt(points, np.full((1, MAX_POINTS), -1, np.int32))
    first_six = integers(0), integers(MAX_POINTS), integers(1), integers(1)
    points = ops.slice(ops.concat([points, more_points], 1), *first_six)
    return inputs, points, ops.slice(ops.concat([labels, more_labels], 1), *first_six)


def _self_attention(
    layer: Scope, queries: Node, tokens: Node, net: SamDecoder, is_first: bool
) -> Node:
    """Self-attention (N, T, C); unlike in SAM, the prompt tokens are part of the residual."""
    if not is_first:
        queries = ops.add(queries, tokens)
    attention = read_attention(layer / "self_attn", net.channels, net.channels, net.heads)
    return ops.add(queries, among_tokens(queries, queries, attention))


def _transformer_mlp(scope: Scope, x: Node, net: SamDecoder) -> Node:
    return _mlp(scope, x, (net.channels, net.mlp, net.channels))


def _head_mlp(scope: Scope, x: Node, channels: int, n_out: int) -> Node:
    return _mlp(scope, x, (channels, channels, channels, n_out))


def _mlp(scope: Scope, x: Node, sizes: tuple[int, ...]) -> Node:
    """MLP: hidden layers ``layers.i.0`` with GELU, then ``fc``; `sizes` from input to output."""
    for index, (n_in, n_out) in enumerate(pairwise(sizes[:-1])):
        x = gelu(linear(x, read_dense(scope / "layers" / index / 0, n_in, n_out)))
    return linear(x, read_dense(scope / "fc", sizes[-2], sizes[-1]))


def _upscale(scope: Scope, image: Node, channels: int) -> Node:
    """Upscaling: image tokens (N, S, C) to (N, 16 S, C/8), 4 x 4 pixels of each token in turn."""
    wide, fine = channels // 4, channels // 8
    x = linear(image, transposed_as_dense(scope / 0 / 0, channels, wide))
    x = ops.reshape(x, integers(0, -1, wide), True)  # (N, 4 S, C/4)
    x = ops.mvn(x, integers(1, 2), True, GROUP_NORM_EPS, "inside_sqrt")  # one group: over all
    gamma, beta = read_affine(scope / 0 / 1, wide)
    x = gelu(ops.add(ops.multiply(x, constant(gamma[None, None])), constant(beta[None, None])))
    x = gelu(linear(x, transposed_as_dense(scope / 1 / 0, wide, fine)))
    return ops.reshape(x, integers(0, -1, fine), True)
