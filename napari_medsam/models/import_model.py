"""Import a published or fine-tuned model into the store from a file, a folder or a zip.

The import recognizes the model (`recognize`, `identify`), tests it on a drawn disc (`self_test`)
and stores it with a record of both (`record_file`). Training checkpoints and distilled encoders
are reduced to their tensors, so that later only plain tensors are read.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_medsam.models.checkpoints import identify
from napari_medsam.models.checkpoints.read import read_checkpoint, write_safetensors
from napari_medsam.models.checkpoints.safe_unpickle import UnsafeName
from napari_medsam.models.import_report import import_report
from napari_medsam.models.loading import build_networks, open_model
from napari_medsam.models.published_graphs import recognize
from napari_medsam.models.published_graphs.adapt_interface import (
    build_networks_from_graphs,
    running,
)
from napari_medsam.models.published_graphs.graph_files import SUFFIXES as GRAPH_SUFFIXES
from napari_medsam.models.published_graphs.graph_files import companions, error_summary
from napari_medsam.models.published_graphs.recognize import EncoderDecoderPair, Interpretation
from napari_medsam.models.runtime import self_test
from napari_medsam.models.runtime.sam_model import Networks, SamModel
from napari_medsam.models.specs.catalogue import spec as catalogue_spec
from napari_medsam.models.specs.errors import (
    CheckpointError,
    GraphError,
    StoreError,
    UnknownWeights,
)
from napari_medsam.models.specs.model_spec import ModelSpec
from napari_medsam.models.store import store
from napari_medsam.models.store.model_files import unpacked_archive
from napari_medsam.models.store.model_record import ModelRecord, checked_name
from napari_medsam.storage.hashing import file_sha256

Arrays = dict[str, NDArray[Any]]

Report = Callable[[str], None]

CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")
QUANTIZED = ", quantized to 8 bits (not validated: masks may differ from the exact model's)"


def _no_report(sentence: str) -> None:
    del sentence


@dataclass(frozen=True)
class Imported:
    """An imported model; ``record`` is None if the file is the published one itself."""

    spec: ModelSpec
    record: ModelRecord | None

    def report(self) -> list[str]:
        """Sentences about the recognized model: the evidence, its licence, rules and self-test."""
        if self.record is None:
            return [f"{self.spec.title}: the published file (SHA-256 as in the catalogue)."]
        return import_report(self.record)


def import_path(
    path: str | Path,
    *,
    name: str | None = None,
    as_model: str | None = None,
    modality: str | None = None,
    decoder: str | Path | None = None,
    rules: Mapping[str, Any] | None = None,
    report: Report = _no_report,
) -> list[Imported]:
    """Import all models found at `path`.

    Parameters
    ----------
    path
        A weights file, an encoder or decoder file, a folder of them, or a zip.
    name
        The name of the stored model; its name in the catalogue when not given.
    as_model
        The model of the catalogue that it is, if its content fits several. Of several models at
        `path`, only those that can be this one are imported.
    modality
        The value of `Volume.modality` it was trained for.
    decoder
        Another checkpoint that provides the decoder, if `path` contains only an encoder.
    rules
        Fields of the input contract that the user decides, e.g. ``{"channels": "rgb"}``.
    report
        Called with a sentence for each file that is skipped.

    Raises
    ------
    ValueError
        A name, or a field of `rules` or its value, is invalid.
    CheckpointError
        The model is damaged, unsafe or unknown; the message gives the reason.
    StoreError
        It could not be stored.
    FileNotFoundError
        There is nothing at `path`.
    """
    path = _main_file(Path(path))
    if name is not None:
        checked_name(name)
    if as_model is not None:
        catalogue_spec(as_model)
    if path.is_file() and name is None and as_model is None and not rules:
        known = store.import_published(path)
        if known is not None:
            return [Imported(known, None)]
    with unpacked_archive(path) as (files, source):
        found = _find(files, path if path in files else None, decoder, report)
        found = _only_model(as_model, found, report)
        if name is not None and len(found) > 1:
            raise StoreError(
                f"{path.name} contains {len(found)} models; omit the name, or import only one."
            )
        names: set[str] = set()
        done = []
        for model in found:
            record, write = _interpreted(
                model, name, as_model, modality, source, names, rules or {}
            )
            names.add(record.name)
            store.add_imported(record, write)
            done.append(Imported(store.model_spec(record.name), record))
    return done


def imported_record(name: str) -> ModelRecord:
    """The record of an imported model; ValueError if the model is not an imported one."""
    record = store.model_record(name)
    if record is None:
        raise ValueError(f"{name} is not an imported model, so its rules are the catalogue's.")
    return record


def set_contract(name: str, **fields: Any) -> ModelRecord:
    """Change the input contract of an imported model, e.g. ``channels="rgb"``, and test it again.

    Raises
    ------
    ValueError
        There is no such field or value, or the model is not an imported one.
    CheckpointError
        The model does not run under these rules; its rules are then unchanged.
    """
    record = imported_record(name)
    contract = record.contract.with_rules(fields)
    label = ", ".join(f"{field}={value}" for field, value in fields.items()) + " by choice"
    changed = replace(record, contract=contract)
    store.write_record(changed)
    try:
        result = self_test.disc_iou(open_model(name))
    except (RuntimeError, ValueError) as error:
        store.write_record(record)
        raise GraphError(f"{name} does not run with {label}: {error_summary(error)}") from error
    before = {key: iou for key, iou in record.tried.items() if key != label}
    changed = replace(changed, tried={label: result, **before})
    store.write_record(changed)
    return changed


def _main_file(path: Path) -> Path:
    """The path itself; for the .bin of an OpenVINO model, the .xml file of the model."""
    graph = path.with_suffix(".xml")
    return graph if path.suffix == ".bin" and graph.is_file() else path


# -- finding the models ---------------------------------------------------------------------------


@dataclass(frozen=True)
class _Weights:
    """A checkpoint, and its tensors under plain keys."""

    path: Path
    arrays: Arrays
    readings: tuple[Interpretation, ...]
    evidence: str
    is_reduced: bool  # only its tensors are stored, not the file itself
    is_quantized: bool = False


_Found = _Weights | EncoderDecoderPair


def _find(
    files: Sequence[Path], named: Path | None, decoder: str | Path | None, report: Report
) -> list[_Found]:
    """The models among `files`; unusable files are skipped if there is at least one model.

    `named` is the requested file, or None for a folder or a zip.
    """
    found: list[_Found] = []
    errors: list[CheckpointError] = []
    passed_over: Sequence[str] = ()
    for path in _checkpoints(files, named):
        try:
            found.append(_weights(path, decoder))
        except CheckpointError as error:
            errors.append(error)
    graphs = [path for path in files if path.suffix in (*GRAPH_SUFFIXES, ".npy")]
    if any(path.suffix in GRAPH_SUFFIXES for path in graphs):
        try:
            recognized = recognize.recognize_files(graphs, named)
            found += recognized.pairs
            passed_over = () if named else recognized.passed_over
        except CheckpointError as error:
            errors.append(error)
    if not found and errors:
        raise errors[0]
    if not found:
        raise UnknownWeights(
            "There is no weights file here: no .pth, .pt, .ckpt, .safetensors, .xml or .onnx."
        )
    for sentence in (*errors, *passed_over):
        report(f"Skipped: {sentence}")
    return found


def _only_model(as_model: str | None, found: list[_Found], report: Report) -> list[_Found]:
    """Of several models, those that can be the requested one; all of them if none can."""
    if as_model is None or len(found) == 1:
        return found
    fitting: list[_Found] = []
    others: list[str] = []
    for model in found:
        try:
            _matching(model.readings, as_model)
            fitting.append(model)
        except UnknownWeights as error:
            others.append(f"Skipped: {model.path.parent.name}/{model.path.name}: {error}")
    if fitting:
        for sentence in others:
            report(sentence)
    return fitting or found


def _checkpoints(files: Sequence[Path], named: Path | None) -> list[Path]:
    """The checkpoints among `files`; a requested file may have any suffix: its content decides."""
    if named is not None:
        return [] if named.suffix in GRAPH_SUFFIXES else [named]
    return [path for path in files if path.suffix.lower() in CHECKPOINT_SUFFIXES]


def _weights(path: Path, decoder: str | Path | None) -> _Weights:
    """Read and recognize a checkpoint; `decoder` is the file that completes an encoder."""
    checkpoint, is_training = _read(path)
    arrays = identify.plain_keys(checkpoint)
    is_student = any("student_encoder." in key for key in checkpoint)
    if decoder is not None:
        arrays |= _decoder_of(Path(decoder))
    try:
        names, evidence = identify.identify_state_dict(arrays)
    except UnknownWeights as error:
        raise UnknownWeights(f"{path.name} cannot be used: {error}") from error
    if not any(key.startswith("mask_decoder.") for key in arrays):
        raise UnknownWeights(
            f"{path.name} contains only an encoder ({evidence}). Name the checkpoint that contains"
            " its decoder: napari-medsam models import PATH --decoder FILE"
            " (for MedficientSAM's distilled encoders: medsam_vit_b.pth)."
        )
    if is_training and names[0].startswith("medficientsam"):
        names, evidence = names[:1], f"{evidence}, in a training checkpoint as MedficientSAM's"
    readings = tuple(_as_catalogued(name) for name in names)
    return _Weights(
        path, arrays, readings, evidence, is_training or is_student or decoder is not None
    )


def _read(path: Path) -> tuple[Arrays, bool]:
    """The tensors of a file, and whether it is a training checkpoint with other objects too."""
    try:
        return read_checkpoint(path).arrays, False
    except UnsafeName as unsafe:
        try:
            return read_checkpoint(path, training=True).arrays, True
        except CheckpointError as error:
            raise error from unsafe


def _decoder_of(path: Path) -> Arrays:
    """The tensors of prompt encoder and mask decoder in a checkpoint, under plain keys."""
    arrays, _is_training = _read(path)
    parts = ("prompt_encoder.", "mask_decoder.")
    plain = identify.plain_keys(arrays)
    chosen = {key: array for key, array in plain.items() if key.startswith(parts)}
    if not chosen:
        raise UnknownWeights(f"{path.name} contains no prompt encoder and mask decoder.")
    return chosen


def _as_catalogued(name: str) -> Interpretation:
    """The interpretation as a model of the catalogue, with its own input contract."""
    model = catalogue_spec(name)
    return Interpretation(name, f"{model.title}'s rules", model.contract)


# -- choosing an interpretation ------------------------------------------------------------------


def _interpreted(
    found: _Found,
    name: str | None,
    as_model: str | None,
    modality: str | None,
    source: str,
    names: set[str],
    rules: Mapping[str, Any],
) -> tuple[ModelRecord, Callable[[Path], None]]:
    """Choose an interpretation by the self-test; return the record and a writer of the files."""
    readings = [_with_rules(reading, rules) for reading in _matching(found.readings, as_model)]
    tried = {reading: _self_test_iou(found, reading) for reading in readings}
    best = max(tried, key=lambda reading: tried[reading])
    # If the disc cannot distinguish the interpretations, or all failed: the first, the likeliest.
    threshold = tried[best] - 0.02 if tried[best] >= self_test.ENOUGH else -1.0
    chosen = next(reading for reading in readings if tried[reading] >= threshold)
    base = catalogue_spec(chosen.base)
    own_name = name or _free_name(base.name, names)
    files = _hashes(_stored_files(found, base.file.name))
    record = ModelRecord(
        name=own_name,
        title=base.title if own_name == base.name else f"{base.title} ({own_name})",
        base=base.name,
        files=files,
        contract=chosen.contract,
        modalities=(modality,) if modality else base.modalities,
        evidence=found.evidence + (QUANTIZED if found.is_quantized else ""),
        source=source,
        tried={r.label: tried[r] for r in sorted(readings, key=lambda r: r is not chosen)},
    )
    return record, lambda folder: _write(found, list(files), folder)


def _matching(readings: Sequence[Interpretation], as_model: str | None) -> Sequence[Interpretation]:
    if as_model is None:
        return readings
    matching = [reading for reading in readings if reading.base == as_model]
    if matching:
        return matching
    same_network = [
        reading
        for reading in readings
        if catalogue_spec(reading.base).family == catalogue_spec(as_model).family
    ]
    if same_network:
        return [replace(reading, base=as_model) for reading in same_network[:1]]
    known = ", ".join(dict.fromkeys(reading.base for reading in readings))
    raise UnknownWeights(f"This cannot be {as_model}; it can be: {known}.")


def _with_rules(reading: Interpretation, rules: Mapping[str, Any]) -> Interpretation:
    if not rules:
        return reading
    contract = reading.contract.with_rules(rules)
    chosen = ", ".join(f"{field}={value}" for field, value in rules.items())
    return replace(reading, contract=contract, label=f"{reading.label}, with {chosen} by choice")


def _self_test_iou(found: _Found, reading: Interpretation) -> float:
    networks = _networks(found, reading)
    with running(found.path):
        return self_test.disc_iou(SamModel(networks, reading.contract, "self-test"))


def _networks(found: _Found, reading: Interpretation) -> Networks:
    """The graphs of a model under one interpretation."""
    if isinstance(found, EncoderDecoderPair):
        return build_networks_from_graphs(found.released, reading.contract)
    family = catalogue_spec(reading.base).family
    return build_networks(family, found.arrays, found.path.name)


def _free_name(name: str, names: set[str]) -> str:
    """A name that neither the same release nor installed published weights use."""
    number, free = 2, name
    while free in names or (store.model_record(free) is None and store.is_installed(free)):
        free, number = f"{name}-{number}", number + 1
    return free


# -- files ---------------------------------------------------------------------------------------


def _stored_files(found: _Found, file_name: str) -> dict[str, Path | None]:
    """The files to store by their names there, main file first; None: the import writes it."""
    if isinstance(found, _Weights):
        if found.is_reduced:
            return {f"{Path(file_name).stem}.safetensors": None}
        return {Path(file_name).stem + found.path.suffix: found.path}
    files: dict[str, Path | None] = {}
    for part, path in found.released.files.items():
        files[part + path.suffix] = path
        for other in companions(path) if path.suffix in GRAPH_SUFFIXES else []:
            ir = path.suffix == ".xml"
            stored = f"{part}.bin" if ir else other.relative_to(path.parent.resolve()).as_posix()
            files[stored] = other
    return files


def _hashes(files: Mapping[str, Path | None]) -> dict[str, str]:
    """SHA-256 by name; "" for a file that the import writes."""
    return {name: file_sha256(path) if path else "" for name, path in files.items()}


def _write(found: _Found, names: Sequence[str], folder: Path) -> None:
    for name, path in _stored_files(found, names[0]).items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path is not None:
            shutil.copyfile(path, target)
        elif isinstance(found, _Weights):
            write_safetensors(target, found.arrays)
