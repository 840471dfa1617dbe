"""Files of strangers, made from good ones by a few edits, and the readers they are given to.

A `Reader` is good files, and a function that reads one made of them: it may succeed, or raise
what that reader promises; anything else is a fault. Where a format guards its content by a
checksum (zip, cache), the content is edited and the checksum computed again, as an attacker would
do; edits of the whole file are tried as well.

`tests/whole_program/test_edited_files.py` tries some of it, `benchmarks/fuzz.py` as much as
is requested.
"""

from __future__ import annotations

import hashlib
import io
import json
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import PlacedBox, PropagationRecord
from napari_medsam.engine.data.prompts import PointPrompt
from napari_medsam.engine.inference.embedding import Embedding
from napari_medsam.engine.inference.embedding_disk_cache import (
    DIGEST_BYTES,
    DiskCache,
    DiskPrecision,
)
from napari_medsam.engine.inference.model_coordinates import Frame
from napari_medsam.formats.challenge_npz.arrays import read_npz
from napari_medsam.formats.common.errors import ReadError
from napari_medsam.formats.common.label_table import read_label_table
from napari_medsam.journal.database import JournalDatabase, JournalRow, read_event
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import read_history, replayed
from napari_medsam.journal.serialization import pack
from napari_medsam.models.checkpoints.read import read_checkpoint, write_safetensors
from napari_medsam.models.published_graphs import graph_files
from napari_medsam.models.specs import catalogue
from napari_medsam.models.specs.errors import CheckpointError, StoreError
from napari_medsam.models.store import model_record
from napari_medsam.models.store.model_record import ModelRecord
from tests.engine.annotations import SHAPE, brush, mask_of, place
from tests.fuzzing_dicom import (
    contour_files,
    image_files,
    read_all,
    read_in_series,
    read_on_series,
    segmentation_files,
)
from tests.journal.tiny_journal import Kept, head
from tests.models.checkpoint_files import pickle_dict, pickle_int, pickle_tensor, write_torch_zip
from tests.tiny_model import tiny_contract

Edit = tuple[int, float, int]
"""What is done, where (a share of the length), and a number that says how."""
N_KINDS = 7
MOST_SAID = 1000
BYTES = (b"\0", b"\xff" * 4, b"\xff" * 8, b"\0\0\0\x80", b"\xff\xff\xff\x7f", b"\0" * 64)
WORDS = (b"[" * 400, b"{", b'"', b"\\", b"-1", b"1e999", b"9" * 30, b"NaN", b",", b"\n", b" ")
OPCODES = (b"(", b"t", b"]", b"}", b"R", b"h\0", b"q\0", b"2", b"0", b"c__main__\nx\n", b"\x93")


def edited(data: bytes, edits: Sequence[Edit]) -> bytes:
    """A copy of `data` with a few places changed; never many times as long."""
    raw = bytearray(data)
    for kind, where, value in edits:
        at = int(where * len(raw))
        end = at + 1 + value % 64
        if kind == 0:
            raw[at : at + 1] = bytes([value % 256])
        elif kind == 1:
            del raw[at:end]
        elif kind == 2:
            raw[at:at] = raw[at:end]
        elif kind == 3:
            del raw[at:]
        else:
            words = (BYTES, WORDS, OPCODES)[kind - 4]
            word = words[value % len(words)]
            raw[at : at + (len(word) if value % 2 else 0)] = word
    return bytes(raw)


@dataclass(frozen=True)
class Reader:
    """Good files, and what reads an edited one in a folder, raising only what it promises."""

    good: tuple[bytes, ...]
    read: Callable[[bytes, Path], object]
    promised: tuple[type[Exception], ...]

    def accepts(self, data: bytes, folder: Path) -> bool:
        """Whether it was read; False where it was refused as promised."""
        with warnings.catch_warnings():
            # pickletools and ast warn of odd escapes in text, which nobody sees outside of tests.
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.filterwarnings("ignore", "Reading `.npy`", UserWarning)  # as of Python 2
            try:
                self.read(data, folder)
            except self.promised as error:
                said = str(error)
            else:
                return True
        assert len(said) < MOST_SAID, "a sentence, not the file"
        return False


def _written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


# -- weights -------------------------------------------------------------------------------------

NUMBERS = {"0": np.arange(24, dtype="<f4").tobytes(), "1": bytes(16)}
STATE = pickle_dict(
    {
        "a.weight": pickle_tensor("0", (2, 3, 4)),
        "b": pickle_tensor("1", (2,), storage="LongStorage"),
    }
)
TRAINING = pickle_dict({"state_dict": STATE, "epoch": pickle_int(3)})
PICKLES = tuple(b"\x80\x02" + body + b"." for body in (STATE, TRAINING))


def _pickle(data: bytes, folder: Path) -> None:
    """A list of tensors in a zip that is otherwise right, as of both kinds of checkpoints."""
    path = folder / "a.pth"
    write_torch_zip(path, data.removeprefix(b"\x80\x02").removesuffix(b"."), NUMBERS)
    try:
        found = read_checkpoint(path).arrays
    except CheckpointError:
        found = read_checkpoint(path, training=True).arrays
    assert sum(array.size for array in found.values()) < 1000


def _checkpoint(data: bytes, folder: Path) -> None:
    for array in read_checkpoint(_written(folder, "a.pth", data)).arrays.values():
        array.copy()


def _torch_file() -> bytes:
    with TemporaryDirectory() as folder:
        return write_torch_zip(Path(folder, "a.pth"), STATE, NUMBERS).read_bytes()


def _safetensors_file() -> bytes:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(4, np.int64)}
    with TemporaryDirectory() as folder:
        write_safetensors(Path(folder, "a"), arrays)
        return Path(folder, "a").read_bytes()


def _record_file() -> bytes:
    model = catalogue.LITE_MEDSAM
    files = {"a.pth": "0" * 64, "b.bin": "1" * 64}
    record = ModelRecord(
        "mine", "Mine", model.name, files, model.contract, ("CT",), "keys", "a.zip"
    )
    return json.dumps({"version": model_record.VERSION, **asdict(record)}, indent=1).encode()


def _record(data: bytes, folder: Path) -> None:
    place = folder / "mine"
    place.mkdir(exist_ok=True)
    found = model_record.read_model_record(_written(place, model_record.FILE_NAME, data).parent)
    assert found is not None
    assert not any(".." in Path(name).parts for name in found.files)


GRAPH = b"""<?xml version="1.0"?>
<net name="a" version="11"><layers><layer id="0" type="Const"><data element_type="f32"
offset="16" shape="4" size="16"/></layer><layer id="1" type="Result"/></layers>
<edges><edge from-layer="0" from-port="0" to-layer="1" to-port="0"/></edges></net>
"""


def _graph(data: bytes, folder: Path) -> None:
    _written(folder, "a.bin", bytes(64))
    graph_files.companions(_written(folder, "a.xml", data))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2, len(content)]) + content


ONNX = b"\x08\x08" + _field(
    7, _field(5, _field(8, b"w") + _field(13, _field(1, b"location") + _field(2, b"a.data")))
)


def _onnx(data: bytes, folder: Path) -> None:
    _written(folder, "a.data", bytes(64))
    for path in graph_files.companions(_written(folder, "a.onnx", data)):
        assert path.parent == folder.resolve()


# -- images and labels ---------------------------------------------------------------------------


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


IMAGE = _npy(np.arange(210, dtype=np.uint8).reshape(5, 6, 7))


def _array(data: bytes, folder: Path) -> None:
    """An array in an .npz that is otherwise right."""
    with zipfile.ZipFile(folder / "a.npz", "w") as case:
        case.writestr("imgs.npy", data)
        case.writestr("spacing.npy", _npy(np.ones(3)))
    assert read_npz(folder / "a.npz").volume.voxels.size


def _npz_file() -> bytes:
    stream = io.BytesIO()
    np.savez_compressed(stream, imgs=np.zeros((3, 9, 9), np.uint8), spacing=np.ones(3))
    return stream.getvalue()


def _npz(data: bytes, folder: Path) -> None:
    read_npz(_written(folder, "a.npz", data))


TABLES = (
    b'# ITK-SnAP\n    0     0    0    0        0  0  0    "Clear Label"\n'
    b'    1   255    0    0        1  1  1    "liver"\n    2 0 255 0 1 1 1 "left kidney"\n',
    b'number,name,red,green,blue\n1,liver,255,0,0\n2,"kidney, left",0,255,0\n',
)


def _table(data: bytes, folder: Path) -> None:
    path = _written(folder, "a.csv" if data[:6] == b"number" else "a.txt", data)
    assert all(1 <= label.number < 2**16 for label in read_label_table(path))


# -- caches --------------------------------------------------------------------------------------

KEY = "volume|window|z3"


def _entry(precision: DiskPrecision) -> bytes:
    """A cache's file without its hash: magic, header's length, header and numbers."""
    features = np.linspace(-2, 2, 64, dtype=np.float16).reshape(4, 4, 4)
    embedding = Embedding(features, Frame.of((80, 100), tiny_contract()), KEY)
    with TemporaryDirectory() as folder:
        DiskCache(Path(folder), precision=precision).put(embedding)
        (path,) = Path(folder).glob("*/*")
        data = path.read_bytes()
    return data[:16] + data[16 + DIGEST_BYTES :]


def _cached(data: bytes, folder: Path) -> None:
    """As it is, and with a hash that is right: a miss or an embedding, never an error."""
    cache = DiskCache(folder)
    digest = hashlib.blake2b(data[16:], digest_size=DIGEST_BYTES).digest()
    for content in (data, data[:16] + digest + data[16:]):
        path = cache._path(KEY)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        found = cache.get(KEY)
        assert path.exists() == (found is not None)
    if found is None:
        raise Miss("dropped")
    assert found.features.dtype == np.float16


class Miss(Exception):
    """A cache has no such entry: nothing was wrong."""


# -- journals ------------------------------------------------------------------------------------


def _journal_file() -> bytes:
    """A label, a box, a stroke and an undo, closed."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "f0.journal")
        kept = Kept(path)
        kept.annotation.add_label("liver")
        place(kept.annotation, mask_of(3, 4, 8, 9), model="tiny", window="auto")
        brush(kept.annotation, 2, [5, 6], [5, 5], 1)
        kept.annotation.undo()
        kept.book.close()
        return path.read_bytes()


def _journal(data: bytes, folder: Path) -> None:
    with JournalDatabase(_written(folder, "a.journal", data)) as book:
        assert read_history(book).annotation.labels.size


def _row_of_journal() -> bytes:
    annotation = Annotation(SHAPE)
    annotation.add_label("liver")
    with annotation.edit("propagate", model="tiny", window="auto") as edit:
        for index in range(5):  # more than a few patches are kept in another way
            edit.paint(mask_of(3, 4, 8, 9, index=index), 1, key=1)
        edit.set_confidences({(1, "z", 0): 0.25, (1, "z", 1): None})
        edit.record_propagation(PropagationRecord("z", (0, 4), ((1, (1, 2)),), ((1, 0, 4),)))
    return zlib.decompress(pack(annotation.log[-1]))


def _row_of_points() -> bytes:
    annotation = Annotation(SHAPE)
    annotation.add_label("liver")
    mask = mask_of(3, 4, 8, 9)
    prompt = PointPrompt(mask.slice, ((4.0, 5.0),), ((1.5, 2.5),), mask.prompt)
    annotation.apply_box(PlacedBox(1, 1, mask.prompt), mask, points=(prompt,))
    return zlib.decompress(pack(annotation.log[-1]))


def _row(data: bytes, folder: Path) -> None:
    """An event in a compressed stream that is otherwise right."""
    event = read_event(zlib.compress(data))
    for kept in (event.masks, event.places, event.trust):
        assert len(list(kept)) == len(kept)
    replayed(head(), [JournalRow("event", event)])


READERS: dict[str, Reader] = {
    "list of tensors": Reader(PICKLES, _pickle, (CheckpointError,)),
    "checkpoint": Reader((_torch_file(), _safetensors_file()), _checkpoint, (CheckpointError,)),
    "record of a model": Reader((_record_file(),), _record, (StoreError,)),
    "OpenVINO graph": Reader((GRAPH,), _graph, (CheckpointError,)),
    "ONNX graph": Reader((ONNX,), _onnx, (CheckpointError,)),
    "array of an npz": Reader((IMAGE,), _array, (ReadError,)),
    "npz": Reader((_npz_file(),), _npz, (ReadError,)),
    "DICOM image": Reader(image_files(), read_all, (ReadError,)),
    "slice of a series": Reader(image_files()[:1], read_in_series, (ReadError,)),
    "DICOM SEG": Reader(segmentation_files(), read_on_series, (ReadError,)),
    "RTSTRUCT": Reader(contour_files(), read_on_series, (ReadError,)),
    "label table": Reader(TABLES, _table, (ReadError,)),
    "journal": Reader((_journal_file(),), _journal, (JournalError,)),
    "row of a journal": Reader((_row_of_journal(), _row_of_points()), _row, (JournalError,)),
    "cache entry": Reader((_entry("float16"), _entry("int8")), _cached, (Miss,)),
}
"""Whoever writes another reader of files puts it here, and both users try it."""
