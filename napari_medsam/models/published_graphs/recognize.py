"""Recognize released graphs from the shapes of their inputs and outputs.

File names decide only which graphs belong together, and which of DAFT's models a triple of graphs
is. If the content allows several interpretations, all are returned, the likeliest first;
`import_model` decides between them by a self-test or by the user's choice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from napari_medsam.input_contract import InputContract
from napari_medsam.models.published_graphs.graph_files import (
    SUFFIXES,
    Signature,
    read_graph,
    signature,
)
from napari_medsam.models.published_graphs.pair_files import (
    decoder_of,
    exact_first,
    own_words,
    shared_with,
)
from napari_medsam.models.published_graphs.signatures import (
    DecoderForm,
    EncoderForm,
    ReleasedSignature,
    decoder_form,
    encoder_form,
    is_prompt_encoder,
)
from napari_medsam.models.specs.catalogue import DAFT_MODALITIES
from napari_medsam.models.specs.errors import GraphError
from napari_medsam.models.specs.family_contracts import (
    DAFT,
    EFFICIENT_SAM,
    EFFICIENT_VIT_SAM,
    HAWKEN50,
    HAWKEN50_ONNX,
    IMAGE_NET_MEAN,
    IMAGE_NET_STD,
    LITE,
    MEDSAM,
    SAM,
    SAM_MED2D,
    UNIT_BOXES,
)


@dataclass(frozen=True)
class Interpretation:
    """One interpretation of the files: a model of the catalogue under an input contract."""

    base: str
    label: str
    contract: InputContract


# -- graphs --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class EncoderDecoderPair:
    """A released model's graphs and their possible interpretations."""

    released: ReleasedSignature
    readings: tuple[Interpretation, ...]
    evidence: str
    is_quantized: bool

    @property
    def path(self) -> Path:
        """The file that names the model in messages."""
        return self.released.encoder


@dataclass(frozen=True)
class Recognized:
    """The models among some graph files, and a sentence for each file that belongs to none."""

    pairs: tuple[EncoderDecoderPair, ...]
    passed_over: tuple[str, ...]


def recognize_files(paths: Iterable[Path], named: Path | None = None) -> Recognized:
    """Find the models among graph files; DAFT's also need an array of position codes.

    Parameters
    ----------
    paths
        OpenVINO and ONNX files, and numpy arrays.
    named
        The requested file, one of `paths`: only models that contain it are returned.

    Raises
    ------
    GraphError
        There is no model. The message gives the reason: a file is unsafe or not a graph, or no
        encoder and decoder belong together.
    """
    paths = sorted(paths)
    found, failed = _signatures(path for path in paths if path.suffix in SUFFIXES)
    if not found and failed:
        raise next(iter(failed.values()))
    encoders = {path: e for path, s in found.items() if (e := encoder_form(s)) is not None}
    decoders = {path: d for path, s in found.items() if (d := decoder_form(s)) is not None}
    _require_both(found, encoders, decoders, failed)
    exact = [exact_first(forms, found, named) for forms in (encoders, decoders)]
    shared = [path for path, s in found.items() if is_prompt_encoder(s)]
    codes = [path for path in paths if path.suffix == ".npy"]
    pairs = []
    for path in exact[0]:
        decoder = decoder_of(path, *exact)
        try:
            if decoder is None:
                raise GraphError(_no_decoder(path, exact[1]))
            released = ReleasedSignature(
                path, decoder, shared_with(path, shared), shared_with(path, codes)
            )
            pairs.append(_pair(released, encoders[path], decoders[decoder], found))
        except GraphError as error:
            failed[path] = error
    if named is not None:
        pairs = [pair for pair in pairs if named in pair.released.files.values()]
    if not pairs:
        raise _none_found(named, failed, encoders)
    used = {_release(path) for pair in pairs for path in pair.released.files.values()}
    unused = [
        f"{path.parent.name}: {error}"
        for path, error in failed.items()
        if _release(path) not in used  # skipping another copy of a used file needs no report
    ]
    return Recognized(tuple(pairs), tuple(unused))


def _release(path: Path) -> tuple[Path, tuple[str, ...]]:
    """A key that copies of the same graph share: folder and name without role."""
    return path.parent, own_words(path)


def _none_found(
    named: Path | None, failed: Mapping[Path, GraphError], encoders: Mapping[Path, EncoderForm]
) -> GraphError:
    """The error to raise: about the requested file, or about the first encoder."""
    if named is not None and named in failed:
        return failed[named]
    if named is not None and not failed:
        return GraphError(f"{named.name} belongs to no model among the files in its folder.")
    return next(error for path, error in failed.items() if named or path in encoders)


def _signatures(
    paths: Iterable[Path],
) -> tuple[dict[Path, Signature], dict[Path, GraphError]]:
    """The signature of each graph, and the errors of those that cannot be read."""
    found: dict[Path, Signature] = {}
    failed: dict[Path, GraphError] = {}
    for path in paths:
        try:
            found[path] = signature(read_graph(path))
        except GraphError as error:
            failed[path] = error
    return found, failed


def _require_both(
    found: Mapping[Path, Signature],
    encoders: Mapping[Path, EncoderForm],
    decoders: Mapping[Path, DecoderForm],
    failed: Mapping[Path, GraphError],
) -> None:
    """Raise if there is no encoder or no decoder; the message lists the files' signatures."""
    for role, forms in (("encoder", encoders), ("decoder", decoders)):
        if not forms:
            signatures = "; ".join(
                [f"{path.name} {about}" for path, about in found.items()]
                + [str(error).removesuffix(".") for error in failed.values()]
            )
            raise GraphError(f"There is no {role} of a known form: {signatures}.")


def _no_decoder(encoder: Path, decoders: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in decoders)
    return (
        f"It is unclear which decoder belongs to {encoder.name} (decoders here: {names}); give both"
        " files the same name, or move the pair into a separate folder."
    )


def _pair(
    released: ReleasedSignature,
    encoder: EncoderForm,
    decoder: DecoderForm,
    found: Mapping[Path, Signature],
) -> EncoderDecoderPair:
    if encoder.map_side and decoder.map_side and encoder.map_side != decoder.map_side:
        raise GraphError(
            f"{released.encoder.name} returns {encoder.map_side} x {encoder.map_side} tokens but"
            f" {released.decoder.name} takes {decoder.map_side} x {decoder.map_side}; they do not"
            " belong together."
        )
    if decoder.kind == "apart" and None in (released.prompt_encoder, released.positional_encoding):
        raise GraphError(
            f"{released.decoder.name} is DAFT's and needs prompt_encoder and"
            " positional_encoding.npy in its folder; import the whole folder."
        )
    size = found[released.encoder].n_parameters
    readings = _readings(encoder, decoder, size, released.encoder)
    if not readings:
        raise GraphError(
            f"{released.encoder.name} takes pixels as {encoder.layout}"
            f" ({encoder.side or 'any'} pixels) and {released.decoder.name} takes prompts as"
            f" {decoder.kind}; no known release has such a pair."
        )
    if decoder.kind != "apart":
        released = replace(released, prompt_encoder=None, positional_encoding=None)
    evidence = f"encoder {encoder.layout} {encoder.side or 'of any size'}, decoder {decoder.kind}"
    quantized = any(found[path].is_quantized for path in (released.encoder, released.decoder))
    return EncoderDecoderPair(released, readings, evidence, quantized)


def _daft_reading(path: Path) -> Interpretation:
    """DAFT's model by the file's name, since the graphs of all its models are alike."""
    name = "-".join(own_words(path))
    if name == "lite-medsam":  # the first release has LiteMedSAM itself in this form
        return Interpretation("litemedsam", "LiteMedSAM in DAFT's form", LITE)
    known = {key.lower() for key in DAFT_MODALITIES}
    return Interpretation(f"daft-{name}" if name in known else "daft-general", "DAFT", DAFT)


def _readings(
    encoder: EncoderForm, decoder: DecoderForm, n_parameters: int, path: Path
) -> tuple[Interpretation, ...]:
    """The possible interpretations of a pair of forms; several if their expected pixels differ."""
    layout, side, small = encoder.layout, encoder.side, 16 in (encoder.map_side, decoder.map_side)
    l_size = _nearest_size(n_parameters, {"l0": 30.7e6, "l1": 43.6e6, "l2": 57.3e6})
    if decoder.kind == "apart":
        return (_daft_reading(path),) if (layout, side) == ("nchw", 256) else ()
    if decoder.kind == "unit_box":
        return _unit_box_readings(layout, side, l_size)
    if small:
        return _sam_med2d_readings()
    with_mask = decoder.kind == "points_mask"
    if decoder.point_rank == 4 or ((layout, side) == ("nchw", 0) and not with_mask):
        name = _nearest_size(n_parameters, {"efficientsam-ti": 6.2e6, "efficientsam-s": 22.4e6})
        scaled = replace(EFFICIENT_SAM, mean=(0.0,) * 3, std=(255.0,) * 3, enlarge="cropped")
        return (Interpretation(name, "values of 0 to 1, normalized inside", scaled),)
    if (layout, side) == ("nchw", 256):
        return (Interpretation("hawken50-litemedsam", "LiteMedSAM's rules", HAWKEN50_ONNX),)
    if (layout, side) == ("nchw", 512):
        return _efficient_vit_readings(f"efficientvit-sam-{l_size}", decoder)
    if layout == "raw_hwc" or (layout, side) in (("nchw", 1024), ("nchw", 0)):
        return _sam_readings(n_parameters, replace(SAM, accepts_mask=with_mask))
    return ()


def _sam_readings(n_parameters: int, contract: InputContract) -> tuple[Interpretation, ...]:
    """MedSAM's graphs are those of SAM ViT-B; only their expected pixels differ."""
    name = _nearest_size(n_parameters, {"mobilesam": 6.1e6, "sam-vit-b": 89.7e6})
    readings = (Interpretation(name, "SAM's rules", contract),)
    if name == "mobilesam":
        return readings
    return (*readings, Interpretation("medsam-vit-b", "MedSAM's rules", MEDSAM))


def _unit_box_readings(layout: str, side: int, size: str) -> tuple[Interpretation, ...]:
    """MedficientSAM's and hawken50's files; their input side and layout distinguish them."""
    if layout == "uint8":
        return (Interpretation(f"medficientsam-{size}", "all preprocessing inside", UNIT_BOXES),)
    if layout != "hwc":
        return ()
    if side == 256:
        return (Interpretation("hawken50-litemedsam", "min-max", replace(HAWKEN50, side=256)),)
    if side != 512:
        return ()
    image_net = replace(HAWKEN50, mean=IMAGE_NET_MEAN, std=IMAGE_NET_STD)
    return (
        Interpretation(f"medficientsam-{size}", "min-max", UNIT_BOXES),
        Interpretation("hawken50-efficientvit", "ImageNet mean and deviation", image_net),
        # The input of hawken50's program if its graph normalizes internally; only --as chooses it.
        Interpretation("hawken50-efficientvit", "min-max, by hawken50's rules", HAWKEN50),
    )


def _sam_med2d_readings() -> tuple[Interpretation, ...]:
    """SAM-Med2D: the predictor's rules first, then the RGB and linear rules of the ONNX example."""
    example = replace(SAM_MED2D, channels="rgb", interpolation="linear")
    return (
        Interpretation("sam-med2d", "BGR, nearest neighbour", SAM_MED2D),
        Interpretation("sam-med2d", "RGB, linear", example),
    )


def _efficient_vit_readings(name: str, decoder: DecoderForm) -> tuple[Interpretation, ...]:
    """Prompts in a 1024 frame although the input has 512 pixels; some exports use 512."""
    wide = replace(EFFICIENT_VIT_SAM, box_masks="all", point_masks="all")
    return (
        Interpretation(name, "prompts in a 1024 frame", wide),
        Interpretation(name, "prompts in a 512 frame", replace(wide, prompt_side=512.0)),
    )


def _nearest_size(n: int, sizes: Mapping[str, float]) -> str:
    return min(sizes, key=lambda name: abs(sizes[name] - n))
