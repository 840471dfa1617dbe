"""Encodes and decodes each declared type of a journal.

The two directions are side by side, and writing refuses whatever reading would refuse: otherwise
an unreadable step could be in the file for weeks before anyone notices.
"""

from __future__ import annotations

import dataclasses
import math
import types
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.data.stored_types import StoredArray
from napari_medsam.formats.common.coded_terms import CodedLabel

IS = "is"
KINDS: dict[str, type] = {"CodedLabel": CodedLabel}
"""Subclasses that may be stored in a field that declares their parent."""
SCALARS = (str, int, float, bool)


class Undeclared(Exception):
    """A field is declared with a type that a journal cannot hold: a fault of ours, not of a file.

    Not a `JournalError`, because a file that raises one is put aside as damaged.
    """


class Form(ABC):
    """The encoding of one declared type; TypeError or ValueError for a value of another."""

    @abstractmethod
    def plain(self, value: Any, arrays: ArrayTable) -> object:
        """A value as JSON; the numbers of its arrays go to `arrays`."""

    @abstractmethod
    def value(self, plain: Any, content: bytes) -> Any:
        """The value that `plain` encoded; `content` is the bytes of all arrays."""


class ArrayTable:
    """The bytes of arrays, one after the other."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self._n_bytes = 0

    def add(self, content: bytes) -> int:
        """Append an array's bytes; the offset of the first one."""
        first = self._n_bytes
        self.parts.append(content)
        self._n_bytes += len(content)
        return first


def form_of(kind: type) -> Form:
    """The form of a dataclass, from the declarations of its fields; cached.

    Raises
    ------
    Undeclared
        A field is of a type that has no form, such as an array that is not `StoredArray`.
    """
    if kind not in _made:
        _made[kind] = _fields_of(kind)
    return _made[kind]


_made: dict[type, Form] = {}


def _fields_of(kind: Any) -> Form:
    if not dataclasses.is_dataclass(kind):
        raise Undeclared(f"a journal has no form for {kind!r}.")
    hints = get_type_hints(kind, include_extras=True)
    forms: dict[str, Form] = {}
    for field in dataclasses.fields(kind):
        try:
            forms[field.name] = _form(hints[field.name])
        except Undeclared as error:
            raise Undeclared(f"{field.name}: {error}") from error
    return _Fields(kind, forms)


def _form(hint: Any) -> Form:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        stored = next(
            (argument for argument in arguments[1:] if isinstance(argument, StoredArray)), None
        )
        return _form(arguments[0]) if stored is None else _Array(stored.numbers)
    if origin in (Union, types.UnionType):
        present = [argument for argument in arguments if argument is not type(None)]
        if len(present) == 1:
            return _Optional(_form(present[0]))
    if origin is Literal:
        return _Word(arguments)
    if origin is Sequence or (origin is tuple and arguments[-1] is Ellipsis):
        return _Many(_form(arguments[0]))
    if origin is tuple:
        return _Tuple([_form(argument) for argument in arguments])
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return form_of(hint)
    if hint in SCALARS:
        return _Scalar(hint)
    raise Undeclared(f"a journal has no form for {hint!r}.")


class _Optional(Form):
    def __init__(self, form: Form) -> None:
        self._form = form

    def plain(self, value: Any, arrays: ArrayTable) -> object:
        return None if value is None else self._form.plain(value, arrays)

    def value(self, plain: Any, content: bytes) -> Any:
        return None if plain is None else self._form.value(plain, content)


class _Word(Form):
    """One of a few texts or numbers."""

    def __init__(self, allowed: tuple[Any, ...]) -> None:
        self._allowed = allowed

    def plain(self, value: Any, arrays: ArrayTable) -> object:
        return self.value(_of_python(value), b"")

    def value(self, plain: Any, content: bytes) -> Any:
        for word in self._allowed:
            if type(plain) is type(word) and plain == word:
                return word
        raise ValueError(f"{plain!r} is none of {self._allowed}")


class _Many(Form):
    def __init__(self, each: Form) -> None:
        self._each = each

    def plain(self, value: Any, arrays: ArrayTable) -> object:
        return [self._each.plain(item, arrays) for item in _items(value)]

    def value(self, plain: Any, content: bytes) -> Any:
        return tuple(self._each.value(item, content) for item in _items(plain))


class _Tuple(Form):
    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = forms

    def plain(self, value: Any, arrays: ArrayTable) -> object:
        pairs = zip(_items(value), self._forms, strict=True)
        return [form.plain(item, arrays) for item, form in pairs]

    def value(self, plain: Any, content: bytes) -> Any:
        pairs = zip(_items(plain), self._forms, strict=True)
        return tuple(form.value(item, content) for item, form in pairs)


class _Fields(Form):
    """A dataclass by its fields' names; a field that has its default value is left out."""

    def __init__(self, kind: Any, forms: dict[str, Form]) -> None:
        self._kind, self._forms = kind, forms
        self._defaults = {field.name: field.default for field in dataclasses.fields(kind)}

    def plain(self, value: Any, arrays: ArrayTable) -> object:
        if not isinstance(value, self._kind):
            raise TypeError(
                f"{type(value).__name__} was found where {self._kind.__name__} was expected"
            )
        name = type(value).__name__
        if name in KINDS and KINDS[name] is not self._kind:
            return form_of(KINDS[name]).plain(value, arrays)
        found: dict[str, object] = {IS: name} if name in KINDS else {}
        for name, form in self._forms.items():
            field_value = getattr(value, name)
            if isinstance(field_value, np.ndarray) or field_value != self._defaults[name]:
                found[name] = form.plain(field_value, arrays)
        return found

    def value(self, plain: Any, content: bytes) -> Any:
        if not isinstance(plain, dict):
            raise TypeError(f"the fields of {self._kind.__name__} are missing")
        kind = KINDS[plain[IS]] if IS in plain else self._kind
        if not issubclass(kind, self._kind):
            raise TypeError(f"{kind.__name__} was found where {self._kind.__name__} was expected")
        if kind is not self._kind:
            return form_of(kind).value(plain, content)
        present = {name: form for name, form in self._forms.items() if name in plain}
        return kind(**{name: form.value(plain[name], content) for name, form in present.items()})


class _Array(Form):
    """An array of any shape as {"array": [numbers, shape, first byte]}.

    Bool arrays are packed, eight pixels a byte.
    """

    def __init__(self, numbers: str) -> None:
        self._numbers = numbers
        self._on_disk = np.dtype(numbers)
        self._is_bits = self._on_disk == np.bool_

    def plain(self, value: Any, arrays: ArrayTable) -> object:
        if not isinstance(value, np.ndarray) or value.dtype.newbyteorder("<") != self._on_disk:
            raise TypeError(f"an array of {self._on_disk} is missing")
        on_disk = np.packbits(value) if self._is_bits else value.astype(self._on_disk, copy=False)
        return {"array": [self._numbers, list(value.shape), arrays.add(on_disk.tobytes())]}

    def value(self, plain: Any, content: bytes) -> NDArray[Any]:
        numbers, shape, first = plain["array"]
        whole = all(type(n) is int and n >= 0 for n in (*shape, first))
        if numbers != self._numbers or not whole:
            raise TypeError(f"an array of {self._on_disk} is missing")
        count = math.prod(shape)
        if self._is_bits:
            packed = np.frombuffer(content, np.uint8, (count + 7) // 8, first)
            return np.unpackbits(packed, count=count).astype(bool).reshape(shape)
        flat = np.frombuffer(content, self._on_disk, count, first)
        return flat.reshape(shape).astype(self._on_disk.newbyteorder("="))


class _Scalar(Form):
    def __init__(self, kind: type) -> None:
        self._kind = kind

    def plain(self, value: Any, arrays: ArrayTable) -> object:
        number = _of_python(value)
        # A float may be given as an int, and so as an int's subclass.
        kinds = (float, int) if self._kind is float else self._kind
        if isinstance(number, kinds) and not isinstance(number, bool):
            number = self._kind(number)  # a subclass, such as an IntEnum, as JSON writes it
        return self.value(number, b"")

    def value(self, plain: Any, content: bytes) -> Any:
        if self._kind is float and type(plain) is int:
            return float(plain)
        if type(plain) is not self._kind:
            raise TypeError(f"{self._kind.__name__} is missing")
        return plain


def _of_python(value: Any) -> Any:
    """A number or text of numpy as Python's own type."""
    return value.item() if isinstance(value, np.generic) else value


def _items(value: Any) -> Sequence[Any]:
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise TypeError("a list is missing")
    return value
