"""Errors about models, one class per case that a caller distinguishes; messages are for users."""

from __future__ import annotations

from napari_medsam.storage.errors import Cancelled as Cancelled


class CheckpointError(ValueError):
    """A weights file is damaged, unsafe, or belongs to another model than the requested one."""


class StoreError(RuntimeError):
    """Weights could not be downloaded, checked or stored."""


class NotInstalled(StoreError):
    """The model is known, but its weights are not in the user's data folder."""


class GraphError(CheckpointError):
    """An OpenVINO or ONNX file is damaged, unsafe or of an unknown form."""


class UnknownWeights(CheckpointError):
    """A weights file is readable but belongs to no known network."""
