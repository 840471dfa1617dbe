"""What released graphs are, from the shapes of what they take and give.

Nothing is guessed from a file's name but which graphs belong together, and which of DAFT's
models a triple is. Where the content leaves several readings open all are given, the likeliest
first; `imports` decides by a self-test or by what the user says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from napari_medsam.models.catalogue import DAFT_MODALITIES
from napari_medsam.models.contract import (
    DAFT,
    EFFICIENT_SAM,
    EFFICIENT_VIT_SAM,
    IMAGE_NET_MEAN,
    IMAGE_NET_STD,
    LITE,
    SAM,
    SAM_MED2D,
    UNIT_BOXES,
    InputContract,
)
from napari_medsam.models.errors import GraphError
from napari_medsam.models.graph_files import Signature, read_graph, signature
from napari_medsam.models.graph_forms import (
    DecoderForm,
    EncoderForm,
    Released,
    decoder_form,
    encoder_form,
    is_prompt_encoder,
)


@dataclass(frozen=True)
class Reading:
    """One way to read what was found: a model of the catalogue, under a contract."""

    base: str
    label: str
    contract: InputContract


# -- graphs --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A released model's graphs, what they are, and how they may be read."""

    released: Released
    encoder: EncoderForm
    decoder: DecoderForm
    readings: tuple[Reading, ...]
    evidence: str
    title: str = ""


def of_folder(paths: Iterable[Path]) -> list[Pair]:
    """The models among the graph files `paths`, and an array of position codes beside them.

    Raises
    ------
    GraphError
        Where a file is unsafe or no graph, or where no encoder and decoder belong together,
        saying why.
    """
    paths = sorted(paths)
    graphs = [path for path in paths if path.suffix in (".xml", ".onnx")]
    found = {path: signature(read_graph(path)) for path in graphs}
    encoders = {path: form for path, s in found.items() if (form := encoder_form(s)) is not None}
    decoders = {path: taken for path, s in found.items() if (taken := decoder_form(s)) is not None}
    shared = [path for path, s in found.items() if is_prompt_encoder(s)]
    codes = [path for path in paths if path.suffix == ".npy"]
    _explain(found, encoders, decoders)
    pairs = []
    for path, encoder in encoders.items():
        released = _partners(path, list(encoders), list(decoders), shared, codes)
        if released is not None:
            pairs.append(_pair(released, encoder, decoders[released.decoder], found[path]))
    if not pairs:
        names = ", ".join(path.name for path in graphs)
        raise GraphError(f"It cannot be told which decoder belongs to which encoder among {names}.")
    return pairs


def _explain(
    found: Mapping[Path, Signature],
    encoders: Mapping[Path, EncoderForm],
    decoders: Mapping[Path, DecoderForm],
) -> None:
    """Raise where there is no encoder or no decoder, with what the files take and give."""
    for wanted, forms in (("encoder", encoders), ("decoder", decoders)):
        if not forms:
            given = "; ".join(f"{path.name} {about}" for path, about in found.items())
            raise GraphError(f"There is no {wanted} of a known form: {given}.")


def _partners(
    encoder: Path, encoders: list[Path], decoders: list[Path], shared: list[Path], codes: list[Path]
) -> Released | None:
    """The decoder that belongs to an encoder: of the same name but for that word, or the only."""
    beside = [path for path in decoders if path.parent == encoder.parent]
    same = [path for path in beside if _common_name(path) == _common_name(encoder)]
    alone = beside if len(beside) == 1 and len(encoders) == 1 else []
    chosen = (same or alone)[:1]
    if not chosen:
        return None
    prompt_encoder = _nearest(shared, encoder)
    return Released(encoder, chosen[0], prompt_encoder, _nearest(codes, encoder))


def _nearest(paths: list[Path], encoder: Path) -> Path | None:
    """DAFT: ``prompt_encoder`` or, in the first release, ``lite_medsam_prompt_encoder``."""
    beside = [path for path in paths if path.parent == encoder.parent]
    return min(beside, key=lambda path: (len(path.name), path.name), default=None)


def _common_name(path: Path) -> str:
    return re.sub(r"(image_|mask_)?(en|de)coder", "", path.stem.lower()).strip("._-")


def _pair(released: Released, encoder: EncoderForm, decoder: DecoderForm, found: Signature) -> Pair:
    if encoder.map_side and decoder.map_side and encoder.map_side != decoder.map_side:
        raise GraphError(
            f"{released.encoder.name} gives {encoder.map_side} x {encoder.map_side} tokens but"
            f" {released.decoder.name} takes {decoder.map_side} x {decoder.map_side}; they do not"
            " belong together."
        )
    if decoder.kind == "apart" and None in (released.prompt_encoder, released.position_code):
        raise GraphError(
            f"{released.decoder.name} is DAFT's and needs prompt_encoder and"
            " positional_encoding.npy beside it; import the whole folder."
        )
    readings = _readings(encoder, decoder, found.n_parameters, _daft_name(released.encoder))
    if not readings:
        raise GraphError(
            f"{released.encoder.name} takes pixels as {encoder.layout}"
            f" ({encoder.side or 'any'} pixels) and {released.decoder.name} takes prompts as"
            f" {decoder.kind}; no release known here has such a pair."
        )
    if decoder.kind != "apart":
        released = replace(released, prompt_encoder=None, position_code=None)
    evidence = f"encoder {encoder.layout} {encoder.side or 'of any size'}, decoder {decoder.kind}"
    return Pair(released, encoder, decoder, readings, evidence)


def _daft_name(path: Path) -> str:
    name = path.stem.lower().replace("_image_encoder", "")
    known = {key.lower() for key in DAFT_MODALITIES}
    return f"daft-{name}" if name in known else "daft-general"


def _readings(
    encoder: EncoderForm, decoder: DecoderForm, n_parameters: int, daft: str
) -> tuple[Reading, ...]:
    """How a pair of forms may be read; models.md section 6 as data."""
    layout, side, small = encoder.layout, encoder.side, 16 in (encoder.map_side, decoder.map_side)
    l_size = _nearest_size(n_parameters, {"l0": 30.7e6, "l1": 43.6e6, "l2": 57.3e6})
    if decoder.kind == "apart":
        return (Reading(daft, "DAFT", DAFT),) if (layout, side) == ("nchw", 256) else ()
    if decoder.kind == "unit_box":
        return _unit_box_readings(layout, side, l_size)
    if small:
        return _sam_med2d_readings()
    if decoder.point_rank == 4 or (layout == "nchw" and side == 0):
        name = _nearest_size(n_parameters, {"efficientsam-ti": 6.2e6, "efficientsam-s": 22.4e6})
        scaled = replace(EFFICIENT_SAM, mean=(0.0,) * 3, std=(255.0,) * 3, enlarge="cropped")
        return (Reading(name, "values of 0 to 1, normalized inside", scaled),)
    if (layout, side) == ("nchw", 256):
        return (Reading("hawken50-litemedsam", "LiteMedSAM's rules", LITE),)
    if (layout, side) == ("nchw", 512):
        return _efficient_vit_readings(f"efficientvit-sam-{l_size}", decoder)
    if layout == "raw_hwc" or (layout, side) == ("nchw", 1024):
        name = _nearest_size(n_parameters, {"mobilesam": 6.1e6, "sam-vit-b": 89.7e6})
        no_mask = replace(SAM, accepts_mask=decoder.kind == "points_mask")
        return (Reading(name, "SAM's rules", no_mask),)
    return ()


def _unit_box_readings(layout: str, side: int, size: str) -> tuple[Reading, ...]:
    if layout == "uint8":
        return (Reading(f"medficientsam-{size}", "all preprocessing inside", UNIT_BOXES),)
    if layout != "hwc":
        return ()
    if side == 256:
        small = replace(UNIT_BOXES, side=256, enlarge="cropped")
        return (Reading("hawken50-litemedsam", "min-max", small),)
    if side != 512:
        return ()
    contract = replace(UNIT_BOXES, enlarge="cropped")
    image_net = replace(contract, mean=IMAGE_NET_MEAN, std=IMAGE_NET_STD)
    return (
        Reading(f"medficientsam-{size}", "min-max", contract),
        Reading("hawken50-efficientvit", "ImageNet mean and deviation", image_net),
    )


def _sam_med2d_readings() -> tuple[Reading, ...]:
    """The predictor's rules first; the ONNX example's are RGB and linear."""
    example = replace(SAM_MED2D, channels="rgb", interpolation="linear")
    return (
        Reading("sam-med2d", "BGR, nearest neighbour", SAM_MED2D),
        Reading("sam-med2d", "RGB, linear", example),
    )


def _efficient_vit_readings(name: str, decoder: DecoderForm) -> tuple[Reading, ...]:
    """Prompts in a 1024 frame though the picture has 512 pixels; some exports use 512."""
    wide = replace(EFFICIENT_VIT_SAM, box_masks="all", point_masks="all")
    return (
        Reading(name, "prompts in a 1024 frame", wide),
        Reading(name, "prompts in a 512 frame", replace(wide, prompt_side=512.0)),
    )


def _nearest_size(n: int, sizes: Mapping[str, float]) -> str:
    return min(sizes, key=lambda name: abs(sizes[name] - n))
