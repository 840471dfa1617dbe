"""Unpickle a torch state dict without running code: only tensors and plain containers.

A pickle is a small program. This reader allows only the opcodes that ``torch.save`` writes and the
callables listed here. None of these is imported: each listed name is mapped to a sealed object of
this file that records the parts of a tensor. Every other name is refused, and the message names
it: before the first opcode runs if the opcode spells the name out, otherwise at the lookup, which
comes before any call.

The list covers PyTorch's own zip checkpoints of state dicts
(the list in PyTorch's ``torch/_weights_only_unpickler.py`` is longer).

Training checkpoints (``training=True``) also have their optimizer, callbacks and settings as
pickled objects of any class. There, and only there, an unknown name is not refused but mapped to
`IgnoredObject`. This is safe because the name is never looked up: a pickle can reach anything
outside of itself only through `find_class`, and ours returns an entry of the list or
`IgnoredObject` and imports nothing. Whatever the pickle then does, it does to `IgnoredObject`: a
call makes another `IgnoredObject` and drops the arguments; state, items and attributes given to it
are dropped. Neither it nor anything it returns has an attribute that leads elsewhere. An
`IgnoredObject` is not a tensor, so it can never become a weight; a file that has one in place of
the state dict is refused (`checkpoints.read`).
"""

from __future__ import annotations

import io
import pickle
import pickletools
import reprlib
from dataclasses import dataclass
from typing import Any, NoReturn

from napari_medsam.models.specs.errors import CheckpointError

STORAGE_DTYPES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "bf16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "?",
}

# The opcodes that torch.save writes (protocol 2), and those that protocol 4 or 5 adds.
_OPCODES = (
    *("PROTO", "FRAME", "STOP", "MARK", "EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"),
    *("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "SETITEM", "SETITEMS", "APPEND", "APPENDS"),
    *("REDUCE", "BUILD", "BINPERSID", "GLOBAL", "STACK_GLOBAL"),
    *("BINPUT", "LONG_BINPUT", "MEMOIZE", "BINGET", "LONG_BINGET"),
    *("NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING"),
)


# Opcodes that pickled optimizers, callbacks and settings add in a training checkpoint. They give no
# more access than the ones above: they make containers, numbers, or an `IgnoredObject`.
_MORE_OPCODES = (
    *("NEWOBJ", "NEWOBJ_EX", "POP", "POP_MARK", "DUP", "LIST", "DICT", "LONG4", "LONG", "INT"),
    *("FLOAT", "EMPTY_SET", "ADDITEMS", "FROZENSET", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"),
    *("BINUNICODE8", "UNICODE", "BYTEARRAY8", "GET", "PUT"),
)


class _Sealed:
    """Base of all objects a pickle can obtain: it takes no state, so BUILD cannot alter it."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise CheckpointError("The weights file tries to overwrite a tensor; it is refused.")


@dataclass(frozen=True)
class StorageRef(_Sealed):
    """One storage, a flat array of numbers that the pickle names: zip member ``data/<key>``."""

    key: str
    dtype: str
    count: int


@dataclass(frozen=True)
class TensorRef(_Sealed):
    """A tensor as a view of a storage; offset and stride count elements, not bytes."""

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(frozen=True)
class _StorageType(_Sealed):
    """Replaces a storage class such as ``torch.FloatStorage``; see `STORAGE_DTYPES`."""

    dtype: str


class _RebuildTensor(_Sealed):
    """Replaces ``torch._utils._rebuild_tensor_v2``; drops gradients and hooks."""

    __slots__ = ()

    def __call__(
        self, storage: object, offset: object, shape: object, stride: object, *_rest: object
    ) -> TensorRef:
        if not isinstance(storage, StorageRef):
            raise CheckpointError(
                "A tensor of the weights file has no storage; the file is damaged."
            )
        return TensorRef(storage, _count(offset), _counts(shape), _counts(stride))


class _RebuildParameter(_Sealed):
    """Replaces ``torch._utils._rebuild_parameter``: a parameter is its tensor."""

    __slots__ = ()

    def __call__(self, data: object, *_rest: object) -> TensorRef:
        if not isinstance(data, TensorRef):
            raise CheckpointError(
                "A parameter of the weights file is not a tensor; the file is damaged."
            )
        return data


class _PlainDict(dict[Any, Any]):
    """Replaces ``OrderedDict``; drops its state, which is torch's ``_metadata``."""

    def __setstate__(self, state: object) -> None:
        del state


class _MakeDict(_Sealed):
    """Replaces the constructor of ``OrderedDict``."""

    __slots__ = ()

    def __call__(self, items: Any = ()) -> _PlainDict:
        return _PlainDict(items)


class IgnoredObject(_Sealed):
    """Replaces every object of a training checkpoint that is not a tensor; does nothing."""

    __slots__ = ()

    def __new__(cls, *_args: object, **_named: object) -> IgnoredObject:
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:  # type: ignore[override]
        del state

    def __setitem__(self, key: object, value: object) -> None:
        del key, value

    def append(self, item: object) -> None:
        del item

    def extend(self, items: object) -> None:
        del items

    def add(self, item: object) -> None:
        del item

    def __call__(self, *_args: object, **_named: object) -> IgnoredObject:
        return self


_ALLOWED: dict[str, _Sealed] = {
    "collections.OrderedDict": _MakeDict(),
    "torch._utils._rebuild_tensor_v2": _RebuildTensor(),
    "torch._utils._rebuild_parameter": _RebuildParameter(),
    **{f"torch.{name}": _StorageType(dtype) for name, dtype in STORAGE_DTYPES.items()},
}


def load(data: bytes, *, training: bool = False) -> Any:
    """Return the object pickled in `data`, with a `TensorRef` in place of each tensor.

    Parameters
    ----------
    data
        The pickle.
    training
        Read the optimizer and other objects of a training checkpoint as `IgnoredObject`; see
        the module's docstring.

    Raises
    ------
    CheckpointError
        The data is damaged or not a pickle, or uses a name or opcode that is not on the list.
    """
    _scan(data, training)
    unpickler = _TrainingUnpickler if training else _Unpickler
    try:
        return unpickler(io.BytesIO(data)).load()
    except CheckpointError:
        raise
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise _damaged(error) from error
    except (KeyError, IndexError, MemoryError, OverflowError, RecursionError) as error:
        raise _damaged(error) from error


def _scan(data: bytes, training: bool) -> None:
    """Check the opcodes, and the names they spell out, without running them."""
    known = _OPCODES + _MORE_OPCODES if training else _OPCODES
    try:
        for opcode, argument, _position in pickletools.genops(data):
            if opcode.name in ("GLOBAL", "INST") and not training:
                _allowed(*str(argument).split(" ", 1))
            if opcode.name not in known:
                raise CheckpointError(
                    f"The weights file uses pickle opcode {opcode.name}, which a state dict saved"
                    " by PyTorch does not need; it is refused."
                )
            # CPython's C unpickler allocates its memo for the largest index, however large.
            if opcode.name.endswith("PUT") and int(str(argument)) > len(data):
                raise CheckpointError("The weights file is damaged (a memo index is too large).")
    except CheckpointError:
        raise
    except (ValueError, IndexError) as error:
        raise _damaged(error) from error


def _allowed(module: str, name: str = "") -> _Sealed:
    try:
        return _ALLOWED[f"{module}.{name}"]
    except KeyError:
        raise UnsafeName(
            f"The weights file asks to run {module}.{name}, which is not needed to read tensors;"
            " it is refused. Save only the model's state dict, or use the published file."
        ) from None


class UnsafeName(CheckpointError):
    """The pickle names something that is not on the list."""


class _Unpickler(pickle.Unpickler):
    """Resolves names through the list above and never imports."""

    def find_class(self, module: str, name: str) -> Any:
        return _allowed(module, name)

    def persistent_load(self, pid: Any) -> StorageRef:
        if not (isinstance(pid, tuple) and len(pid) == 5 and pid[0] == "storage"):
            raise CheckpointError(
                "A storage of the weights file is not described in PyTorch's form."
            )
        _tag, kind, key, _device, count = pid
        if not (isinstance(kind, _StorageType) and isinstance(key, str)):
            raise CheckpointError("A storage of the weights file has no known number type.")
        return StorageRef(key, kind.dtype, _count(count))


class _TrainingUnpickler(_Unpickler):
    """Never imports either: a name that is not on the list becomes `IgnoredObject`."""

    def find_class(self, module: str, name: str) -> Any:
        return _ALLOWED.get(f"{module}.{name}", IgnoredObject)


def _count(value: object) -> int:
    if type(value) is not int or not 0 <= value < 2**40:
        raise CheckpointError(
            f"The weights file has {reprlib.repr(value)} in place of a count or offset; it is"
            " damaged."
        )
    return value


def _counts(values: object) -> tuple[int, ...]:
    if not isinstance(values, tuple) or len(values) > 8:
        # reprlib shortens the text: a list that contains itself many times would fill the memory.
        raise CheckpointError(
            f"The weights file has {reprlib.repr(values)} in place of a tensor's shape."
        )
    return tuple(_count(value) for value in values)


def _damaged(error: Exception) -> CheckpointError:
    return CheckpointError(
        f"The weights file is damaged: its list of tensors cannot be read ({error})."
    )
