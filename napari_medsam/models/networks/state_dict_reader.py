"""Read a state dict key by key; a missing or left-over key, or a wrong shape, is an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.models.specs.errors import CheckpointError


class Weights:
    """Arrays of one checkpoint, handed out by key with their shape checked.

    Parameters
    ----------
    arrays
        The state dict.
    source
        What to call the file in messages, e.g. ``lite_medsam.pth``.
    network
        What the keys should be of, e.g. ``tiny_vit``.
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

    def shape(self, key: str) -> tuple[int, ...]:
        """Shape of tensor `key` as stored, for families whose sizes are read from the file."""
        return self._arrays[key].shape if key in self._arrays else ()

    def copy_of(self, prefixes: tuple[str, ...]) -> Weights:
        """Copies of the tensors whose keys begin with one of `prefixes`, none of them taken yet."""
        kept = {key: a.copy() for key, a in self._arrays.items() if key.startswith(prefixes)}
        return Weights(kept, self._source, self._network)

    def finish(self, unused: tuple[str, ...] = ()) -> None:
        """Raise if a tensor was never taken.

        BatchNorm's counters (``num_batches_tracked``) have no use in inference and are ignored.

        Parameters
        ----------
        unused
            Beginnings of keys the network is known not to need, e.g. a classifier head.

        Raises
        ------
        CheckpointError
            Naming how many tensors are left over, and the first.
        """
        left = [
            key
            for key in self._arrays
            if key not in self._used
            and not key.endswith(".num_batches_tracked")
            and not key.startswith(unused)
        ]
        if left:
            raise CheckpointError(
                f"Weights file {self._source} has {len(left)} tensors that {self._network} does"
                f" not know (first: {left[0]}); is it another model's checkpoint?"
            )


class Scope:
    """The part of a `Weights` whose keys begin with a prefix; ``scope / "attn"`` goes deeper."""

    def __init__(self, weights: Weights, prefix: str) -> None:
        self._weights = weights
        self.prefix = prefix

    def __truediv__(self, name: str | int) -> Scope:
        return Scope(self._weights, f"{self.prefix}.{name}" if self.prefix else str(name))

    def __contains__(self, name: str) -> bool:
        return f"{self.prefix}.{name}" in self._weights

    def take(self, name: str, *shape: int) -> NDArray[np.float32]:
        """Return ``<prefix>.<name>`` of the given shape; see `Weights.take`."""
        return self._weights.take(f"{self.prefix}.{name}", shape)

    def shape(self, name: str) -> tuple[int, ...]:
        """Stored shape of ``<prefix>.<name>``, or ``()`` if there is none."""
        return self._weights.shape(f"{self.prefix}.{name}")
