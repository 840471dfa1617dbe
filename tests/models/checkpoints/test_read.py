"""Weights files: which are read, which are refused, and with which message."""

from __future__ import annotations

import json
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.models.checkpoints.read import read_checkpoint
from napari_medsam.models.specs.errors import CheckpointError
from tests.models.checkpoint_files import (
    pickle_dict,
    pickle_global,
    pickle_int,
    pickle_tensor,
    pickle_tuple,
    write_torch_zip,
)

SaveState = Callable[..., Path]
MATRIX = np.arange(6, dtype="<f4").reshape(2, 3)


def test_arrays_come_back_as_they_were(tmp_path: Path, save_state: SaveState) -> None:
    arrays = {"a.weight": MATRIX, "a.count": np.array(7, dtype="<i8")}
    checkpoint = read_checkpoint(save_state(tmp_path / "net.pth", arrays))
    np.testing.assert_array_equal(checkpoint.arrays["a.weight"], MATRIX)
    assert checkpoint.arrays["a.count"] == 7
    assert checkpoint.unwrapped == ""


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_wrapped_state_dict_is_unwrapped_and_said(
    tmp_path: Path, save_state: SaveState, key: str
) -> None:
    checkpoint = read_checkpoint(save_state(tmp_path / "net.ckpt", {"w": MATRIX}, under=key))
    assert list(checkpoint.arrays) == ["w"]
    assert checkpoint.unwrapped == key


def test_tensors_are_views_that_cannot_be_written(tmp_path: Path, save_state: SaveState) -> None:
    array = read_checkpoint(save_state(tmp_path / "net.pth", {"w": MATRIX})).arrays["w"]
    assert not array.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        array[0, 0] = 1


def test_two_tensors_share_one_storage(tmp_path: Path) -> None:
    body = pickle_dict(
        {
            "whole": pickle_tensor("0", (6,)),
            "transposed": pickle_tensor("0", (2, 2), count=6, offset=1, stride=(1, 2)),
        }
    )
    path = write_torch_zip(tmp_path / "net.pth", body, {"0": MATRIX.tobytes()})
    arrays = read_checkpoint(path).arrays
    np.testing.assert_array_equal(arrays["transposed"], [[1, 3], [2, 4]])
    assert np.shares_memory(arrays["whole"], arrays["transposed"])


def test_big_endian_file_is_read(tmp_path: Path) -> None:
    body = pickle_dict({"w": pickle_tensor("0", (2, 3))})
    data = {"0": MATRIX.astype(">f4").tobytes()}
    path = write_torch_zip(tmp_path / "net.pth", body, data, byteorder=b"big")
    np.testing.assert_array_equal(read_checkpoint(path).arrays["w"], MATRIX)


def test_bfloat16_is_widened(tmp_path: Path) -> None:
    body = pickle_dict({"w": pickle_tensor("0", (2,), storage="BFloat16Storage")})
    upper_halves = np.array([1.5, -2.0], "<f4").view("<u4") >> 16
    path = write_torch_zip(tmp_path / "net.pth", body, {"0": upper_halves.astype("<u2").tobytes()})
    np.testing.assert_array_equal(read_checkpoint(path).arrays["w"], [1.5, -2.0])


def test_parameters_are_their_tensors(tmp_path: Path) -> None:
    arguments = pickle_tuple(pickle_tensor("0", (2, 3)), b"\x88", b"N")
    parameter = pickle_global("torch._utils", "_rebuild_parameter") + arguments + b"R"
    path = write_torch_zip(
        tmp_path / "net.pth", pickle_dict({"w": parameter}), {"0": MATRIX.tobytes()}
    )
    np.testing.assert_array_equal(read_checkpoint(path).arrays["w"], MATRIX)


# -- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_truncated_file_is_refused(tmp_path: Path, save_state: SaveState, share: float) -> None:
    arrays = {f"layer{i}": np.ones((8, 8), "<f4") for i in range(20)}
    path = save_state(tmp_path / "net.pth", arrays)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(CheckpointError, match=r"cut off|damaged|neither"):
        read_checkpoint(path)


def test_compressed_member_is_refused(tmp_path: Path) -> None:
    body = pickle_dict({"w": pickle_tensor("0", (1000,))})
    with zipfile.ZipFile(write_torch_zip(tmp_path / "net.pth", body, {}), "a") as archive:
        archive.writestr("top/data/0", bytes(4000), zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="top/data/0 is compressed"):
        read_checkpoint(tmp_path / "net.pth")


def test_compressed_list_of_tensors_is_refused(tmp_path: Path) -> None:
    path = write_torch_zip(
        tmp_path / "net.pth", pickle_dict({}) + b"0" * 10_000, {}, compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(CheckpointError, match=r"data.pkl is compressed"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "tensor",
    [
        pytest.param(pickle_tensor("0", (7,), count=6), id="shape_too_large"),
        pytest.param(pickle_tensor("0", (6,), offset=1, count=6), id="offset_too_large"),
        pytest.param(pickle_tensor("0", (2, 3), stride=(4, 1), count=6), id="stride_too_large"),
        pytest.param(pickle_tensor("0", (2, 3), stride=(1,), count=6), id="stride_too_short"),
        pytest.param(
            pickle_tensor("0", (2**30, 2**9), stride=(0, 0), count=6), id="a_terabyte_of_one_number"
        ),
        pytest.param(pickle_tensor("0", (-1,), count=6), id="negative_shape"),
        pytest.param(pickle_tensor("0", (10**6,)), id="storage_larger_than_member"),
        pytest.param(pickle_tensor("1", (6,)), id="no_such_member"),
    ],
)
def test_impossible_tensor_is_refused(tmp_path: Path, tensor: bytes) -> None:
    path = write_torch_zip(tmp_path / "net.pth", pickle_dict({"w": tensor}), {"0": bytes(24)})
    with pytest.raises(CheckpointError, match=r"net\.pth: "):
        read_checkpoint(path)


def test_old_torch_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    path.write_bytes(b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + bytes(100))
    with pytest.raises(CheckpointError, match=r"PyTorch before 1\.6"):
        read_checkpoint(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.pth"
    path.write_bytes(b"\x89PNG" + bytes(100))
    with pytest.raises(CheckpointError, match="neither a PyTorch checkpoint"):
        read_checkpoint(path)


def test_other_zip_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(CheckpointError, match="not a PyTorch checkpoint"):
        read_checkpoint(tmp_path / "x.pth")


def test_file_without_state_dict_names_its_entries(tmp_path: Path) -> None:
    path = write_torch_zip(tmp_path / "x.pth", pickle_dict({"epoch": pickle_int(3)}), {})
    with pytest.raises(CheckpointError, match="'epoch'"):
        read_checkpoint(path)


# -- safetensors ---------------------------------------------------------------------------------


def _safetensors(path: Path, header: dict[str, object], data: bytes) -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def test_safetensors_is_read(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
    header = {"__metadata__": {"format": "pt"}, "w": entry}
    path = _safetensors(tmp_path / "net.safetensors", header, MATRIX.tobytes())
    np.testing.assert_array_equal(read_checkpoint(path).arrays["w"], MATRIX)


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 240]},
        {"dtype": "F32", "shape": [2, 300], "data_offsets": [0, 24]},
        {"dtype": "F99", "shape": [2, 3], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [2, 3]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [24]},
        {"dtype": "F32", "shape": [1] * 80, "data_offsets": [0, 4]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [[0], 24]},
        {"dtype": ["F32"], "shape": [2, 3], "data_offsets": [0, 24]},
    ],
)
def test_impossible_safetensors_is_refused(tmp_path: Path, entry: dict[str, object]) -> None:
    path = _safetensors(tmp_path / "net.safetensors", {"w": entry}, MATRIX.tobytes())
    with pytest.raises(CheckpointError, match=r"net\.safetensors: "):
        read_checkpoint(path)


def test_cut_safetensors_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", 10_000) + b'{"w": {"dtype": "F32"')
    with pytest.raises(CheckpointError, match="header is longer than the file"):
        read_checkpoint(path)


# -- the real one --------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.shared
def test_real_checkpoint_has_the_recorded_tensors(weights_path: Path, shared_dir: Path) -> None:
    manifest = json.loads((shared_dir / "reference/litemedsam/manifest.json").read_text())
    arrays = read_checkpoint(weights_path).arrays
    found = [[key, list(array.shape), str(array.dtype)] for key, array in arrays.items()]
    assert found == manifest["tensors"]
