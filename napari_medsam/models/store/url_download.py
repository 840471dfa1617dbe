"""Download one file over HTTPS, with progress and cancelling."""

from __future__ import annotations

import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_medsam.models.specs.errors import Cancelled, StoreError
from napari_medsam.models.store.pip_download import Progress

_CHUNK = 2**18
_TIMEOUT_SECONDS = 30.0


def download_url(
    url: str,
    into: Path,
    progress: Progress,
    is_cancelled: Callable[[], bool],
    open_url: Callable[..., Any] = urllib.request.urlopen,
) -> Path:
    """Download `url` into the folder `into`, under the name in the address.

    Parameters
    ----------
    url, into, progress, is_cancelled
        The address, the target folder, and the callbacks as in `pip_download`.
    open_url
        Opens the address; tests pass their own function.

    Raises
    ------
    StoreError
        The address is not HTTPS, cannot be reached, or its content ends early.
    Cancelled
        `is_cancelled` returned True.
    """
    path = into / Path(urllib.parse.urlsplit(url).path).name
    try:
        with (
            open_url(_require_https(url), timeout=_TIMEOUT_SECONDS) as response,
            path.open("wb") as file,
        ):
            _require_https(response.url)  # it may have been redirected
            total, done = int(response.headers.get("Content-Length") or 0), 0
            while chunk := response.read(_CHUNK):
                if is_cancelled():
                    raise Cancelled("The download was cancelled.")
                file.write(chunk)
                done += len(chunk)
                progress(done, max(total, done))
    except OSError as error:
        raise StoreError(f"{url} could not be downloaded ({error}). Check the network.") from error
    if total and done != total:
        raise StoreError(f"{url} ended after {done:,} of {total:,} bytes; try again.")
    return path


def _require_https(url: str) -> str:
    if urllib.parse.urlsplit(url).scheme != "https":
        raise StoreError(f"{url} is not an HTTPS address; weights are downloaded over HTTPS only.")
    return url
