"""Fixtures for tests of models: a saved checkpoint, and random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.models.checkpoint_files import (
    STORAGES,
    pickle_dict,
    pickle_int,
    pickle_tensor,
    write_torch_zip,
)
from tests.models.small_networks import RandomWeights


@pytest.fixture
def save_state() -> Callable[..., Path]:
    """Write arrays as a torch checkpoint; ``under`` wraps the state dict under a key."""

    def save(path: Path, arrays: Mapping[str, NDArray[Any]], *, under: str = "") -> Path:
        items, storages = {}, {}
        for index, (key, array) in enumerate(arrays.items()):
            kind = STORAGES[array.dtype.newbyteorder("=").str[1:]]
            items[key] = pickle_tensor(str(index), array.shape, storage=kind)
            storages[str(index)] = np.ascontiguousarray(array).tobytes()
        body = pickle_dict(items)
        if under:
            body = pickle_dict({"epoch": pickle_int(3), under: body})
        return write_torch_zip(path, body, storages)

    return save


@pytest.fixture
def random_weights() -> RandomWeights:
    return RandomWeights()
