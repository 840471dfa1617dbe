"""`open_model`: read the weights of a model by its name, build its graphs, compile them.

`FAMILIES` maps each family to the function that builds it. To add a family, write its encoder in
a separate file and add one entry there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from numpy.typing import NDArray

from napari_medsam.input_contract import InputContract, Masks
from napari_medsam.models.checkpoints.identify import plain_keys
from napari_medsam.models.checkpoints.read import read_checkpoint
from napari_medsam.models.networks import (
    efficient_sam,
    efficient_vit,
    rep_vit,
    sam_decoder,
    sam_vit,
    tiny_vit,
)
from napari_medsam.models.networks.state_dict_reader import Weights
from napari_medsam.models.published_graphs.adapt_interface import build_networks_from_graphs
from napari_medsam.models.published_graphs.signatures import ReleasedSignature
from napari_medsam.models.runtime import precision_choice
from napari_medsam.models.runtime.device import ComputeMode, Precision
from napari_medsam.models.runtime.sam_model import Networks, SamModel
from napari_medsam.models.specs.catalogue import CATALOGUE, DEFAULT
from napari_medsam.models.specs.errors import CheckpointError
from napari_medsam.models.specs.model_spec import ModelSpec
from napari_medsam.models.store import store
from napari_medsam.storage.hashing import file_sha256

Builder: TypeAlias = Callable[[Mapping[str, NDArray[Any]], str], Networks]


def open_model(
    name: str = DEFAULT,
    *,
    precision: Precision | Literal["auto"] = "f32",
    threads: int | None = None,
    device: str = "CPU",
    weights: str | Path | None = None,
) -> SamModel:
    """Read, build and compile an installed or imported model, which takes about a second.

    Parameters
    ----------
    name
        The name of a model of the catalogue, or of an imported one.
    precision, threads, device
        See `SamModel`. ``"auto"`` uses the device and precision that were measured to be fast
        and safe on this machine (`precision_choice.recall`), or ``"f32"`` on the CPU if nothing
        was measured.
    weights
        A weights file of this family to use instead of the installed one, e.g. a fine-tuned one.

    Raises
    ------
    NotInstalled
        The weights are not installed; the message says how to install them.
    StoreError
        A file was altered after it was installed, so it is not used.
    CheckpointError
        The weights file is damaged or belongs to another network.
    ValueError
        There is no such model, device or precision.

    Examples
    --------
    >>> from napari_medsam import open_model
    >>> model = open_model("litemedsam")
    >>> model.contract.side  # pixels of the model's square input
    256
    """
    return compiled(prepare(name, weights), precision=precision, threads=threads, device=device)


def compiled(
    prepared: Prepared,
    *,
    precision: Precision | Literal["auto"] = "f32",
    threads: int | None = None,
    device: str = "CPU",
) -> SamModel:
    """Compile the result of `prepare`; parameters and errors as in `open_model`."""
    mode = (
        ComputeMode(device, precision)
        if precision != "auto"
        else precision_choice.compute_mode_for("auto", prepared.identity)
    )
    return SamModel(*prepared, precision=mode.precision, threads=threads, device=mode.device)


class Prepared(NamedTuple):
    """A model that is read and built but not compiled yet: the first arguments of `SamModel`."""

    networks: Networks
    contract: InputContract
    identity: str


def prepare(name: str, weights: str | Path | None = None) -> Prepared:
    """Read and build a model; parameters and errors as in `open_model`."""
    identity = identity_of(name, weights)  # first, so that an altered file is never parsed
    model = store.model_spec(name)
    path, released = _files(model, weights)
    if released:
        networks = _released_networks(path.parent, released, model.contract)
    else:
        networks = build_networks(model.family, plain_keys(read_checkpoint(path).arrays), path.name)
    return Prepared(networks, model.contract, identity)


def identity_of(name: str, weights: str | Path | None = None) -> str:
    """Family, hash of the weights and changed rules: `Prepared.identity`, without building.

    Parameters and errors as in `open_model`.
    """
    model = store.model_spec(name)
    path, released = _files(model, weights)
    hashes = {file: file_sha256(path.parent / file) for file in released or [path.name]}
    if weights is None:
        store.require_unaltered(model, hashes)
    digest = hashes[path.name]
    if released:
        digest = hashlib.sha256("".join(hashes.values()).encode()).hexdigest()
    return f"{model.family}:{digest}{_own_rules(model)}"


def _files(model: ModelSpec, weights: str | Path | None) -> tuple[Path, list[str]]:
    """The main file; for an imported OpenVINO or ONNX model also the names of all its files."""
    if weights is not None:
        return Path(weights), []
    found = store.model_record(model.name)
    released = list(found.files) if found is not None and not found.is_checkpoint else []
    return store.installed_path(model), released


def _released_networks(folder: Path, files: list[str], contract: InputContract) -> Networks:
    """The graphs of an imported OpenVINO or ONNX model; `files` are their names in the store."""
    parts = {Path(file).stem: folder / file for file in reversed(files)}
    parts |= {p.stem: p for file in files if (p := folder / file).suffix in (".xml", ".onnx")}
    released = ReleasedSignature(
        parts["encoder"],
        parts["decoder"],
        parts.get("prompt_encoder"),
        parts.get("positional_encoding"),
    )
    return build_networks_from_graphs(released, contract)


def _own_rules(model: ModelSpec) -> str:
    """A suffix of the identity if the input contract differs from the catalogue's, else ""."""
    # Journals and caches store this text, so it must not change;
    # tests/whole_program/test_files_of_earlier_versions.py checks it.
    text = repr(model.contract)
    if any(text == repr(known.contract) for known in CATALOGUE if known.family == model.family):
        return ""
    return f":{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def build_networks(family: str, arrays: Mapping[str, NDArray[Any]], source: str) -> Networks:
    """Build the graphs of a family from a state dict.

    Parameters
    ----------
    family
        A key of `FAMILIES`.
    arrays
        The state dict.
    source
        The file's name in messages.

    Raises
    ------
    CheckpointError
        A key is missing or unused, or its tensor has a wrong shape; the message names the first.
    """
    if family not in FAMILIES:
        raise CheckpointError(f"{family} exists only as OpenVINO or ONNX files, not as {source}.")
    return FAMILIES[family](arrays, source)


def _builder(
    title: str,
    build_encoder: Callable[[Weights, Any], Any],
    net: Any,
    decoder: Any,
    build_decoder: Callable[
        [Weights, Any, sam_decoder.Prompts, Masks], Any
    ] = sam_decoder.build_decoder,
    prompts: tuple[sam_decoder.Prompts, ...] = ("boxes", "points", "points+mask"),
    unused: tuple[str, ...] = (),
) -> Builder:
    """A function that builds an encoder of the sizes `net` and a decoder of the sizes `decoder`.

    It refuses weights with a tensor that neither uses, except those in `unused`.
    """

    def build(arrays: Mapping[str, NDArray[Any]], source: str) -> Networks:
        weights = Weights(arrays, source, title)
        encoder = build_encoder(weights, net)
        ready = {("boxes", "first"): build_decoder(weights, decoder, "boxes", "first")}
        weights.finish(unused)
        # Copies, so that the mapped file is released: otherwise Windows could not delete it.
        copies = weights.copy_of(sam_decoder.PREFIXES)

        def built_decoder(kind: sam_decoder.Prompts, masks: Masks) -> Any:
            built = ready.pop((kind, masks), None)  # returned once, not retained
            return built or build_decoder(copies, decoder, kind, masks)

        return Networks(encoder, built_decoder, prompts)

    return build


def _tiny_vit(net: tiny_vit.TinyViT, title: str) -> Builder:
    decoder = sam_decoder.SamDecoder(prompt_side=float(net.side))
    return _builder(title, tiny_vit.build_encoder, net, decoder, unused=tiny_vit.UNUSED)


def _rep_vit(net: rep_vit.RepViT, title: str) -> Builder:
    decoder = sam_decoder.SamDecoder(prompt_side=float(net.side))
    return _builder(title, rep_vit.build_encoder, net, decoder)


def _efficient_vit(
    net: efficient_vit.EfficientViT, title: str, prompt_side: float | None = None
) -> Builder:
    """EfficientViT-SAM at the side it was tuned for; its decoder's layer norms use 1e-6 too."""
    decoder = sam_decoder.SamDecoder(
        prompt_side=prompt_side or float(net.side), norm_eps=efficient_vit.NORM_EPS
    )
    return _builder(title, efficient_vit.build_encoder, net, decoder)


def _sam_vit(net: sam_vit.SamViT, title: str) -> Builder:
    """SAM's ViT encoder at the side of `net`, with SAM's decoder."""
    decoder = sam_decoder.SamDecoder(prompt_side=float(net.side), side=net.map_side)
    return _builder(title, sam_vit.build_encoder, net, decoder)


def _efficient_sam(net: efficient_sam.EfficientSam, title: str) -> Builder:
    """EfficientSAM, whose own decoder takes boxes and points but no mask."""
    own = efficient_sam.build_decoder
    return _builder(title, efficient_sam.build_encoder, net, net, own, ("boxes", "points"))


FAMILIES: dict[str, Builder] = {
    "litemedsam": _tiny_vit(tiny_vit.LITE_MEDSAM, "LiteMedSAM"),
    "mobilesam": _tiny_vit(tiny_vit.MOBILE_SAM, "MobileSAM"),
    "repmedsam": _rep_vit(rep_vit.REP_MEDSAM, "Rep-MedSAM"),
    "daft": _efficient_vit(efficient_vit.l0(256), "DAFT"),
    "medficientsam_l0": _efficient_vit(efficient_vit.l0(512), "MedficientSAM L0"),
    "medficientsam_l1": _efficient_vit(efficient_vit.l1(512), "MedficientSAM L1"),
    "medficientsam_l2": _efficient_vit(efficient_vit.l2(512), "MedficientSAM L2"),
    "efficientsam_vitt": _efficient_sam(efficient_sam.TINY, "EfficientSAM Ti"),
    "efficientsam_vits": _efficient_sam(efficient_sam.SMALL, "EfficientSAM S"),
    "efficientvit_sam_l0": _efficient_vit(efficient_vit.l0(512), "EfficientViT-SAM L0", 1024.0),
    "efficientvit_sam_l1": _efficient_vit(efficient_vit.l1(512), "EfficientViT-SAM L1", 1024.0),
    "efficientvit_sam_l2": _efficient_vit(efficient_vit.l2(512), "EfficientViT-SAM L2", 1024.0),
    "sammed2d": _sam_vit(sam_vit.SAM_MED2D, "SAM-Med2D"),
    "sammed2d_plain": _sam_vit(sam_vit.SAM_MED2D, "SAM-Med2D without adapters"),
    "sam_vit_b": _sam_vit(sam_vit.SAM_B, "SAM ViT-B"),
    "medsam_vit_b": _sam_vit(sam_vit.SAM_B, "MedSAM ViT-B"),
}
