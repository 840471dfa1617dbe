"""A weights file that needs more than tensors is refused by name, and none of its code runs."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from napari_medsam.models.checkpoints import safe_unpickle
from napari_medsam.models.checkpoints.read import read_checkpoint
from napari_medsam.models.specs.errors import CheckpointError
from tests.models.checkpoint_files import (
    pickle_dict,
    pickle_global,
    pickle_int,
    pickle_tensor,
    pickle_text,
    pickle_tuple,
    write_torch_zip,
)

REBUILD = pickle_global("torch._utils", "_rebuild_tensor_v2")


STORAGE = (
    pickle_tuple(
        pickle_text("storage"),
        pickle_global("torch", "FloatStorage"),
        pickle_text("0"),
        pickle_text("cpu"),
        pickle_int(1),
    )
    + b"Q"
)


def stack_global(module: str, name: str) -> bytes:
    return pickle_text(module) + pickle_text(name) + b"\x93"


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + pickle_tuple(*arguments) + b"R"


def touch(canary: Path) -> bytes:
    return pickle_text(f"touch {canary}")


ATTACKS: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "os.system": (lambda c: call(pickle_global("os", "system"), touch(c)), r"os\.system"),
    "posix.system": (lambda c: call(pickle_global("posix", "system"), touch(c)), r"posix\.system"),
    "eval": (
        lambda c: call(pickle_global("builtins", "eval"), pickle_text(f"open({str(c)!r}, 'w')")),
        r"builtins\.eval",
    ),
    "getattr": (lambda c: pickle_global("builtins", "getattr"), r"builtins\.getattr"),
    "open": (lambda c: call(pickle_global("io", "open"), pickle_text(str(c))), r"io\.open"),
    "stack_global": (lambda c: call(stack_global("os", "system"), touch(c)), r"os\.system"),
    "nested_attribute": (
        lambda c: call(stack_global("collections", "OrderedDict.fromkeys"), touch(c)),
        r"collections\.OrderedDict\.fromkeys",
    ),
    "lookalike_name": (
        lambda c: call(stack_global("torch._utils", "_rebuild_tensor_v2\u200b"), touch(c)),
        r"_rebuild_tensor_v2",
    ),
    "module_of_an_allowed_name": (
        lambda c: call(stack_global("torch._utils", "os.system"), touch(c)),
        r"torch\._utils\.os\.system",
    ),
    "inst": (lambda c: b"(" + touch(c) + b"ios\nsystem\n", r"os\.system"),
    "obj": (lambda c: b"(" + REBUILD + touch(c) + b"o", "opcode OBJ"),
    "newobj": (lambda c: REBUILD + b")\x81", "opcode NEWOBJ"),
    "copyreg": (
        lambda c: call(pickle_global("copyreg", "_reconstructor"), touch(c)),
        r"copyreg\._reconstructor",
    ),
    "extension_registry": (lambda c: b"\x82\x01", "opcode EXT1"),
    "behind_a_tensor": (
        lambda c: pickle_dict(
            {"w": pickle_tensor("0", (1,)), "x": call(pickle_global("os", "system"), touch(c))}
        ),
        r"os\.system",
    ),
    "as_hook_of_a_tensor": (
        lambda c: call(REBUILD, call(pickle_global("os", "system"), touch(c))),
        r"os\.system",
    ),
    "as_storage_type": (
        lambda c: (
            pickle_tuple(
                pickle_text("storage"),
                pickle_global("subprocess", "Popen"),
                touch(c),
                pickle_text("cpu"),
                pickle_int(1),
            )
            + b"Q"
        ),
        r"subprocess\.Popen",
    ),
    "state_for_a_callable": (
        lambda c: REBUILD + pickle_dict({"__defaults__": touch(c)}) + b"b",
        "overwrite",
    ),
    "state_for_a_tensor": (
        lambda c: pickle_tensor("0", (1,)) + pickle_dict({"shape": pickle_int(9)}) + b"b",
        "overwrite",
    ),
    "huge_memo_index": (lambda c: b"}r\xff\xff\xff\x7f", "memo index"),
    "list_that_holds_itself_a_millionfold": (
        lambda c: call(REBUILD, STORAGE, b"]q\x00" + b"](h\x00h\x00eq\x00" * 40, b")", b")"),
        "in place of a count or offset",
    ),
    "text_persistent_id": (lambda c: b"Psomething\n", "opcode PERSID"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_code_in_a_weights_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    canary = tmp_path / "canary"
    make, words = ATTACKS[name]
    path = write_torch_zip(tmp_path / "evil.pth", make(canary), {"0": bytes(4)})
    with pytest.raises(CheckpointError, match=words):
        read_checkpoint(path)
    assert not canary.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_python_pickles_of_callables_are_refused(tmp_path: Path, protocol: int) -> None:
    class Evil:
        def __init__(self, command: str) -> None:
            self.command = command

        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (self.command,)

    canary = tmp_path / "canary"
    with pytest.raises(CheckpointError, match=r"system|opcode"):
        safe_unpickle.load(pickle.dumps({"w": Evil(f"touch {canary}")}, protocol))
    assert not canary.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x02",
        b"\x80\x02}",
        b"\x80\x02R.",
        b"\x80\x02h\x07.",
        b"\x80\x02" + b"X\xff\xff\xff\x7fabc",
        b"\x80\x02" + REBUILD + b")R.",
        b"\x80\x02" + REBUILD + b"(NNNNtR.",
        b"\x80\x02NQ.",
        b"\x80\x02" + b"]" * 3 + b"a" * 9 + b".",
    ],
)
def test_damaged_list_is_one_clear_error(data: bytes) -> None:
    with pytest.raises(CheckpointError):
        safe_unpickle.load(data)


def test_metadata_of_a_state_dict_is_dropped() -> None:
    ordered = pickle_global("collections", "OrderedDict") + b")R"
    body = (
        ordered
        + pickle_text("w")
        + pickle_int(1)
        + b"s"
        + pickle_dict({"_metadata": pickle_dict({})})
        + b"b"
    )
    assert safe_unpickle.load(b"\x80\x02" + body + b".") == {"w": 1}
