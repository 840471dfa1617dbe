"""Safely read released OpenVINO (.xml with .bin) and ONNX files, and their signatures.

A graph file cannot run code, but it can refer to other files: an ONNX tensor may be in an external
file, an OpenVINO constant at any offset of its .bin. A reference outside the file's own folder,
or outside its .bin, is refused before OpenVINO reads the file.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from napari_medsam.models.runtime.device import core
from napari_medsam.models.specs.errors import GraphError
from napari_medsam.storage.native_path import native_path

SUFFIXES = (".xml", ".onnx")
_PIECE = 2**16
LONGEST_NAME = 200
_SMALL_TYPES = ("u8", "i8", "u4", "i4")


class Port(NamedTuple):
    """One input or output: its names, number type, and shape with -1 for dynamic sizes."""

    names: frozenset[str]
    kind: str
    shape: tuple[int, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    def __str__(self) -> str:
        sides = "x".join("?" if n < 0 else str(n) for n in self.shape) or "scalar"
        return f"{next(iter(sorted(self.names)), 'unnamed')} {self.kind} {sides}"


class Signature(NamedTuple):
    """A graph's inputs, outputs and number of parameters; quantized if most have 8 bits or less."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    n_parameters: int
    is_quantized: bool = False

    def __str__(self) -> str:
        return (
            f"takes {', '.join(map(str, self.inputs))}; returns {', '.join(map(str, self.outputs))}"
        )


def read_graph(path: Path) -> Any:
    """Read a graph.

    Raises
    ------
    GraphError
        It is not a graph, its .bin is missing, it points outside its folder, or OpenVINO does
        not know one of its operations.
    """
    companions(path)
    try:
        if path.suffix == ".xml":
            weights = path.with_suffix(".bin")
            return core().read_model(native_path(path), native_path(weights))
        return core().read_model(native_path(path))
    except RuntimeError as error:
        summary = error_summary(error).replace(native_path(path), path.name)
        raise GraphError(f"{path.name} cannot be read by OpenVINO: {summary}") from error


def error_summary(error: Exception) -> str:
    """The line of OpenVINO's message that states the cause; the others are source positions."""
    words = [line.strip() for line in str(error).splitlines() if " " in line.strip()]
    return words[-1] if words else str(error)


def signature(graph: Any) -> Signature:
    """The signature of a graph that `read_graph` returned."""
    constants = [node for node in graph.get_ordered_ops() if node.get_type_name() == "Constant"]
    size, small = 0, 0
    for node in constants:
        count = math.prod(node.get_output_shape(0))
        size += count
        small += count if node.get_element_type().get_type_name() in _SMALL_TYPES else 0
    return Signature(
        tuple(_port(port) for port in graph.inputs),
        tuple(_port(port) for port in graph.outputs),
        int(size),
        small > size / 2,
    )


def companions(path: Path) -> list[Path]:
    """The other files that a graph file needs, all in its folder or below.

    Raises
    ------
    GraphError
        One is missing, or is outside that folder.
    """
    if path.suffix == ".xml":
        weights = _inside(path, f"{path.stem}.bin")
        _check_ir(path, weights.stat().st_size)
        return [weights]
    if path.suffix == ".onnx":
        return [_inside(path, name) for name in sorted(_external_files(path))]
    raise GraphError(f"{path.name} is neither an OpenVINO (.xml) nor an ONNX (.onnx) file.")


def _port(port: Any) -> Port:
    shape = port.get_partial_shape()
    if shape.rank.is_dynamic:
        raise GraphError("An input or output of the graph has no fixed number of axes.")
    sides = tuple(side.get_length() if side.is_static else -1 for side in shape)
    return Port(frozenset(port.get_names()), port.get_element_type().get_type_name(), sides)


def _inside(path: Path, name: str) -> Path:
    """The file `name` in the folder of `path` or below; a link counts as its target."""
    if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME:
        raise GraphError(f"{path.name} points to a file with an invalid name; it is refused.")
    folder = path.parent.resolve()
    relative = Path(name)
    found = (folder / relative).resolve()
    if relative.is_absolute() or ":" in name or "\\" in name or folder not in found.parents:
        raise GraphError(f"{path.name} points to {name!r}, outside its own folder; it is refused.")
    if not found.is_file():
        raise GraphError(f"{path.name} needs {name}, which is missing from its folder; copy both.")
    return found


# -- OpenVINO ------------------------------------------------------------------------------------


def _check_ir(path: Path, n_bytes: int) -> None:
    """Raise if a constant is outside the .bin, or if the graph names another file.

    The file is parsed piece by piece and no tree is built, so even a large one needs little memory.
    """
    parser = ElementTree.XMLParser(target=_IrCheck(path, n_bytes))
    try:
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                parser.feed(piece)
        parser.close()
    except (ElementTree.ParseError, UnicodeError) as error:
        raise _damaged_ir(path, error) from error


def _damaged_ir(path: Path, error: Exception) -> GraphError:
    return GraphError(f"{path.name} is not an OpenVINO file, or damaged ({error}).")


class _IrCheck:
    """Target of the XML parser: receives the start of each element, and a document type if any."""

    def __init__(self, path: Path, n_bytes: int) -> None:
        self._path, self._n_bytes = path, n_bytes

    def doctype(self, *_names: str | None) -> None:
        """Called before any entity could be declared, wherever the document type is in the file."""
        raise GraphError(f"{self._path.name} declares XML entities, which a graph never needs.")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if "path" in tag.lower() or any("path" in key.lower() for key in attributes):
            raise GraphError(f"{self._path.name} names another file ({tag}); it is refused.")
        if tag == "data" and "offset" in attributes:
            try:
                start, size = int(attributes["offset"]), int(attributes.get("size", "0"))
            except ValueError as error:
                raise _damaged_ir(self._path, error) from error
            self._require_within(start, size)

    def close(self) -> None:
        """The parser requires this method; there is no tree to return."""

    def _require_within(self, start: int, size: int) -> None:
        if start < 0 or size < 0 or start + size > self._n_bytes:
            raise GraphError(
                f"{self._path.name} needs {start + size:,} bytes of {self._path.stem}.bin, which"
                f" has {self._n_bytes:,}; they do not belong together, or one is cut off."
            )


# -- ONNX ----------------------------------------------------------------------------------------

# Fields that contain messages in which a tensor can be, by field number (onnx/onnx.proto).
_WITHIN: dict[str, dict[int, str]] = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_DEEPEST = 64  # nested messages; more are refused


def _external_files(path: Path) -> set[str]:
    """Names of the external files that contain tensors of an ONNX file."""
    data = path.read_bytes()
    try:
        entries = [dict(_strings(entry)) for entry in _find(memoryview(data), "model", 0)]
        return {entry[2] for entry in entries if entry[1] == "location"}
    except (LookupError, ValueError) as error:
        raise GraphError(f"{path.name} is not an ONNX file, or damaged.") from error


def _find(message: memoryview, kind: str, depth: int) -> Iterator[memoryview]:
    """The ``external_data`` entries of all tensors below `message`."""
    if kind == "entry":
        yield message
        return
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    for number, content in _fields(message):
        inner = _WITHIN[kind].get(number)
        if inner and content is not None:
            yield from _find(content, inner, depth + 1)


def _strings(message: memoryview) -> Iterator[tuple[int, str]]:
    """The fields of a message that have a length, as text."""
    for number, content in _fields(message):
        if content is not None:
            yield number, bytes(content).decode("utf-8")


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview | None]]:
    """The fields of a protocol buffer message: numbers, and content if they have a length."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, wire = key >> 3, key & 7
        if wire == 2:
            length, at = _varint(message, at)
            if at + length > len(message):
                raise ValueError("cut off")
            yield number, message[at : at + length]
            at += length
        elif wire == 0:
            _value, at = _varint(message, at)
            yield number, None
        elif wire in (1, 5):
            at += 8 if wire == 1 else 4
            yield number, None
        else:
            raise ValueError("not a protocol buffer")


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The variable-length integer at byte `at`, and the offset after it."""
    value = shift = 0
    while shift < 70:
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7
    raise ValueError("number too long")
