"""Read a state dict key by key; a missing or unused key, or a wrong shape, is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.models.specs.errors import CheckpointError


class Weights:
    """Arrays of one checkpoint, returned by key after a check of their shape.

    Parameters
    ----------
    arrays
        The state dict.
    source
        The file's name in messages, e.g. ``lite_medsam.pth``.
    network
        The network's name in messages, e.g. ``tiny_vit``.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], source: str, network: str) -> None:
        self._arrays = arrays
        self._source = source
        self._network = network
        self._used: set[str] = set()

    def __contains__(self, key: str) -> bool:
        return key in self._arrays

    def take(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return tensor `key` as float32 (a view if the file has float32 already).

        Raises
        ------
        CheckpointError
            The key is missing or its shape is not `shape`.
        """
        if key not in self._arrays:
            raise CheckpointError(
                f"Weights file {self._source} lacks {key}, which {self._network} needs; is it"
                " another model's checkpoint?"
            )
        array = self._arrays[key]
        if array.shape != shape:
            raise CheckpointError(
                f"Weights file {self._source}: {key} has shape {array.shape}, but"
                f" {self._network} needs {shape}; is it another model's checkpoint?"
            )
        self._used.add(key)
        return array.astype(np.float32, copy=False)

    def copy_of(self, prefixes: tuple[str, ...]) -> Weights:
        """Copies of the tensors whose keys begin with one of `prefixes`, all marked as unused."""
        copies = {key: a.copy() for key, a in self._arrays.items() if key.startswith(prefixes)}
        return Weights(copies, self._source, self._network)

    def finish(self, unused: tuple[str, ...] = ()) -> None:
        """Raise if a tensor was never read.

        BatchNorm's counters (``num_batches_tracked``) are not needed for inference and are ignored.

        Parameters
        ----------
        unused
            Prefixes of keys that the network does not need, e.g. those of a classifier head.

        Raises
        ------
        CheckpointError
            Tensors are unused; the message has their number and names the first.
        """
        unread = [
            key
            for key in self._arrays
            if key not in self._used
            and not key.endswith(".num_batches_tracked")
            and not key.startswith(unused)
        ]
        if unread:
            raise CheckpointError(
                f"Weights file {self._source} has {len(unread)} tensors that {self._network} does"
                f" not know (first: {unread[0]}); is it another model's checkpoint?"
            )


class Scope:
    """The part of a `Weights` whose keys begin with a prefix; ``scope / "attn"`` extends it."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        self._weights = weights
        self.prefix = prefix

    def __truediv__(self, name: str | int) -> Scope:
        return Scope(self._weights, f"{self.prefix}.{name}")

    def __contains__(self, name: str) -> bool:
        return f"{self.prefix}.{name}" in self._weights

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Return ``<prefix>.<name>`` of the given shape; see `Weights.take`."""
        return self._weights.take(f"{self.prefix}.{name}", shape)
