"""Match graph files that belong together by their folders, and by their names without the role.

The role of a file comes from its content (`signatures`). Names decide only which decoder belongs
to which encoder if there are several, and which of two copies is the exact one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from napari_medsam.models.published_graphs.graph_files import Signature

_ROLES = {"image", "mask", "prompt", "encoder", "decoder", "enc", "dec", "imageencoder"}
_COPIES = {"quant", "quantized", "optimized", "int8"}  # of the same weights, for another runtime


def own_words(path: Path) -> tuple[str, ...]:
    """The words of a file's name that are neither its role nor the kind of its copy."""
    words = re.split(r"[^a-z0-9]+", path.stem.lower())
    return tuple(word for word in words if word and word not in _ROLES | _COPIES)


def exact_first(
    paths: Iterable[Path], found: Mapping[Path, Signature], named: Path | None
) -> list[Path]:
    """One file per folder and name: `named`, else exact before 8 bits, OpenVINO before ONNX."""
    best: dict[tuple[Path, tuple[str, ...]], Path] = {}
    for path in sorted(paths, key=lambda path: (path != named, *_copy_rank(path, found[path]))):
        best.setdefault((path.parent, own_words(path)), path)
    return sorted(best.values())


def _copy_rank(path: Path, found: Signature) -> tuple[bool, int, bool, str]:
    copies = _COPIES & set(re.split(r"[^a-z0-9]+", path.stem.lower()))
    return found.is_quantized, len(copies), path.suffix != ".xml", path.name


def decoder_of(encoder: Path, encoders: Sequence[Path], decoders: Sequence[Path]) -> Path | None:
    """The decoder that belongs to an encoder; None if that cannot be decided.

    The first that applies: the decoder with the same name in the same folder; the decoder of the
    folder's only pair; the decoder with the same name in another folder; that of the only pair.
    """
    beside = [path for path in decoders if path.parent == encoder.parent]
    rivals = [path for path in encoders if path.parent == encoder.parent]
    same = [path for path in beside if own_words(path) == own_words(encoder)]
    if same:
        return same[0]
    if beside:
        return beside[0] if len(beside) == len(rivals) == 1 else None
    namesakes = [path for path in decoders if own_words(path) == own_words(encoder)]
    if len(namesakes) == 1:
        return namesakes[0]
    return decoders[0] if len(decoders) == len(encoders) == 1 else None


def shared_with(encoder: Path, paths: Sequence[Path]) -> Path | None:
    """The shared file that an encoder uses, of several: the nearest by folder, then by name.

    DAFT loads ``prompt_encoder`` or, in the first release, ``lite_medsam_prompt_encoder``,
    although its export also writes one for each model.
    """
    names = ("prompt_encoder", "lite_medsam_prompt_encoder")

    def rank(path: Path) -> tuple[int, int, int, str]:
        distance = len(set(encoder.parent.parts) ^ set(path.parent.parts))
        stem = path.stem.lower()
        known = names.index(stem) if stem in names else len(names)
        return distance, known, len(path.name), path.name

    return min(paths, key=rank, default=None)
