"""`ModelRecord`: the record of an imported model, stored with its files as ``model.json``.

The record has the catalogue model that it is, the evidence for that, the input contract, the
self-test results, and the SHA-256 of every file. It contains nothing executable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from textwrap import shorten
from typing import Any

from napari_medsam.input_contract import InputContract
from napari_medsam.models.specs import catalogue
from napari_medsam.models.specs.errors import StoreError
from napari_medsam.models.specs.model_spec import ModelSpec, WeightsFile
from napari_medsam.storage.json_file import read_json, write_json

FILE_NAME = "model.json"
VERSION = 1
MOST_SAID = 200
"""Characters of the error that are quoted for a damaged record."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


@dataclass(frozen=True)
class ModelRecord:
    """One imported model.

    Attributes
    ----------
    name, title
        Its name and title on this machine.
    base
        The name of the catalogue model that it is.
    files
        SHA-256 by file name, the main file first.
    contract
        The input contract in use.
    modalities
        The values of `Volume.modality` it is intended for.
    evidence
        How it was recognized, as text.
    source
        The name and SHA-256 of the imported file, or the name of the imported folder.
    tried
        Self-test results (IoU of a drawn disc) by contract, the contract in use first.
    """

    name: str
    title: str
    base: str
    files: dict[str, str]
    contract: InputContract
    modalities: tuple[str, ...]
    evidence: str
    source: str
    tried: dict[str, float] = field(default_factory=dict)

    @property
    def main_file(self) -> str:
        return next(iter(self.files))

    @property
    def is_checkpoint(self) -> bool:
        return Path(self.main_file).suffix not in (".xml", ".onnx")

    def spec(self, folder: Path) -> ModelSpec:
        """The model as a `ModelSpec`, like those of the catalogue."""
        path = folder / self.main_file
        size = path.stat().st_size if path.is_file() else None
        return replace(
            catalogue.spec(self.base),
            name=self.name,
            title=self.title,
            contract=self.contract,
            modalities=self.modalities,
            file=WeightsFile(self.main_file, self.files[self.main_file], size),
        )

    def write(self, folder: Path) -> None:
        """Write the record into `folder`, atomically."""
        write_json(folder / FILE_NAME, {"version": VERSION, **asdict(self)})


def read_model_record(folder: Path) -> ModelRecord | None:
    """The record in a model's folder, or None if there is none.

    Raises
    ------
    StoreError
        It is damaged; the message says to import the model again.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        return None
    try:
        return _parse(read_json(path), folder.name)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = shorten(str(error), MOST_SAID)  # it may quote the file
        raise StoreError(
            f"{path} is damaged ({reason}); remove the folder and import the model again."
        ) from error


def is_name(name: str) -> bool:
    """Whether `name` could be the name of an imported model."""
    return bool(_NAME.fullmatch(name)) and name != "auto"


def checked_name(name: str) -> str:
    """Return `name` if an imported model can have it: lowercase letters, digits, ".", "-", "_".

    Raises
    ------
    ValueError
        It is not such a name; every system accepts these as folder names.
    """
    if not is_name(name):
        raise ValueError(
            f"{name!r} is not a valid model name; use up to 64 lowercase letters, digits, '.', '-'"
            " or '_' (but not 'auto')."
        )
    return name


def _parse(values: Mapping[str, Any], name: str) -> ModelRecord:
    if values["version"] != VERSION or values["name"] != name:
        raise ValueError("it is of another version or another model")
    files = {str(key): str(value) for key, value in values["files"].items()}
    for file in files:
        if Path(file).is_absolute() or ".." in Path(file).parts or not file:
            raise ValueError(f"it names the file {file!r}")
    return ModelRecord(
        name=name,
        title=str(values["title"]),
        base=catalogue.spec(values["base"]).name,
        files=files,
        contract=InputContract.from_dict(values["contract"]),
        modalities=tuple(str(word) for word in values["modalities"]),
        evidence=str(values["evidence"]),
        source=str(values["source"]),
        tried={str(key): float(value) for key, value in values["tried"].items()},
    )
