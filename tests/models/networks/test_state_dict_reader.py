"""A state dict must fit its network key by key; the error names the first that does not."""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.models.networks.state_dict_reader import Scope, Weights
from napari_medsam.models.specs.errors import CheckpointError


def make() -> Weights:
    arrays = {
        "stem.weight": np.ones((2, 3), np.float32),
        "stem.bias": np.ones(2, np.float16),
        "stem.bn.num_batches_tracked": np.array(4),
    }
    return Weights(arrays, "net.pth", "tiny_vit")


def test_missing_key_is_named() -> None:
    with pytest.raises(
        CheckpointError, match=r"net\.pth lacks stem\.gamma, which tiny_vit needs; is it another"
    ):
        Scope(make(), "stem").take("gamma", 2)


def test_wrong_shape_is_named() -> None:
    with pytest.raises(CheckpointError, match=r"stem\.weight has shape \(2, 3\).*needs \(3, 3\)"):
        make().take("stem.weight", (3, 3))


def test_left_over_key_is_named() -> None:
    weights = make()
    weights.take("stem.weight", (2, 3))
    with pytest.raises(CheckpointError, match=r"has 1 tensors.*first: stem\.bias"):
        weights.finish()


def test_counters_and_declared_keys_may_be_left_over() -> None:
    weights = make()
    weights.take("stem.weight", (2, 3))
    weights.finish(unused=("stem.bias",))


def test_everything_is_handed_out_as_float32() -> None:
    assert make().take("stem.bias", (2,)).dtype == np.float32


def test_copies_do_not_hold_the_file() -> None:
    weights = make()
    copied = weights.copy_of(("stem.w",))
    array = copied.take("stem.weight", (2, 3))
    assert not np.shares_memory(array, weights.take("stem.weight", (2, 3)))
    assert "stem.bias" not in copied
