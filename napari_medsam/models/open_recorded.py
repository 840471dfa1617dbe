"""`open_recorded`: open the model that a mask was made with, by its recorded identity."""

from __future__ import annotations

from typing import get_args

from napari_medsam.models import loading
from napari_medsam.models.runtime.device import Precision
from napari_medsam.models.runtime.sam_model import SamModel
from napari_medsam.models.specs.errors import StoreError
from napari_medsam.models.store import store


def open_recorded(identity: str) -> SamModel:
    """The installed model with this `PromptableModel.identity`, in the recorded precision.

    A model that ran on another device is opened on the processor, in f32.

    Raises
    ------
    StoreError
        No model with these weights is installed.
    """
    for stored in store.installed():
        name = stored.spec.name
        own = loading.identity_of(name)
        if identity.startswith(f"{own}:"):
            mode = identity[len(own) + 1 :].split(":")[0]
            precision: Precision = next((p for p in get_args(Precision) if p == mode), "f32")
            return loading.open_model(name, precision=precision)
    family, _, digest = identity.partition(":")
    raise StoreError(
        f"The model that was used ({family}, weights {digest[:12]}) is not installed; "
        f"install or import the same weights file."
    )
