"""What can go wrong with a model, as classes a caller branches on; the message is for a person."""

from __future__ import annotations

from napari_medsam.storage.errors import Cancelled as Cancelled


class CheckpointError(ValueError):
    """A weights file is damaged, unsafe, or of another model than asked for."""


class StoreError(RuntimeError):
    """Weights could not be fetched, checked or put in place."""


class NotInstalled(StoreError):
    """A model is known but its weights are not in the user's data folder."""


class GraphError(CheckpointError):
    """An OpenVINO or ONNX file is damaged, unsafe, or not of a form that is known."""


class UnknownWeights(CheckpointError):
    """A readable weights file of no network that is known."""
