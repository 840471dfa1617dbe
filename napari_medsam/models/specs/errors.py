"""Errors about models, as classes that a caller branches on; each message is for a person."""

from __future__ import annotations

from napari_medsam.storage.errors import Cancelled as Cancelled


class CheckpointError(ValueError):
    """A weights file is damaged, unsafe, or belongs to another model than the requested one."""


class StoreError(RuntimeError):
    """Weights could not be fetched, checked or moved into place."""


class NotInstalled(StoreError):
    """A model is known but its weights are not in the user's data folder."""


class GraphError(CheckpointError):
    """An OpenVINO or ONNX file is damaged, unsafe, or of an unknown form."""


class UnknownWeights(CheckpointError):
    """A weights file can be read but belongs to no known network."""
