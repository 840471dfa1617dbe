"""Events as bytes: nothing is lost, new fields do no harm, damage is a sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import zlib
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medsam.engine.annotation import Annotation
from napari_medsam.engine.events import Event, Label
from napari_medsam.formats.terms import CodedLabel
from napari_medsam.journal.book import Row, read_event
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.head import Head
from napari_medsam.journal.history import replayed
from napari_medsam.journal.packing import pack, unpack
from tests.engine.test_annotation import SHAPE, mask_of, place
from tests.journal.conftest import head


def box_event() -> Event:
    annotation = Annotation(SHAPE)
    annotation.add_label("liver")
    place(annotation, mask_of(3, 4, 8, 9), model="tiny:abc", window="liver")
    return annotation.log[-1]


def test_an_event_comes_back_as_it_was():
    event = box_event()
    back = unpack(pack(event), Event)
    assert (back.kind, back.time, back.model, back.window) == (
        "box",
        event.time,
        "tiny:abc",
        "liver",
    )
    assert back.boxes_after == event.boxes_after
    (old,), (new,) = event.change, back.change
    for name in ("bits", "old", "new", "old_origin", "new_origin"):
        assert np.array_equal(getattr(old, name), getattr(new, name))
        assert getattr(old, name).dtype == getattr(new, name).dtype
    assert np.array_equal(event.masks[0].patch, back.masks[0].patch)
    assert back.masks[0].prompt == event.masks[0].prompt


def test_a_coded_label_keeps_its_term():
    table = (CodedLabel(1, "Leber", (0.1, 0.2, 0.3), locked=True), Label(2, "x", (0, 0, 1)))
    back = unpack(pack(Event("table", 1.0, table_after=table)), Event)
    assert back.table_after == table


@dataclass(frozen=True)
class Old:
    name: str


@dataclass(frozen=True)
class New:
    name: str
    locked: bool = field(default=False, kw_only=True)
    state: str = "draft"


def test_a_file_from_before_a_field_gives_its_default():
    assert unpack(pack(Old("liver")), New) == New("liver")


def test_a_field_that_is_not_known_is_left_out():
    assert unpack(pack(New("liver", locked=True)), Old) == Old("liver")


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param([], id="no fields"),
        pytest.param({"kind": "box"}, id="no time"),
        pytest.param({"kind": "erase", "time": 1.0}, id="unknown kind"),
        pytest.param({"kind": "box", "time": "now"}, id="text for a number"),
        pytest.param({"kind": "box", "time": 1.0, "labels": [True]}, id="bool for a number"),
        pytest.param({"kind": "box", "time": 1.0, "boxes_after": [{"is": "os"}]}, id="kind"),
    ],
)
def test_what_is_no_event_is_refused(plain):
    text = json.dumps(plain).encode()
    content = zlib.compress(len(text).to_bytes(4, "little") + text)
    with pytest.raises(JournalError, match="damaged"):
        unpack(content, Event)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("shape_zyx", (0, 4, 4)),
        ("shape_zyx", (99999, 99999, 99999)),
        ("spacing_xyz", (0.0, 1.0, 1.0)),
        ("origin_xyz", (float("nan"), 0.0, 0.0)),
        ("direction", np.eye(2)),
    ],
)
def test_a_head_that_no_image_has_is_refused(name, value):
    good = head()
    unpack(pack(good), Head)
    object.__setattr__(good, name, value)
    with pytest.raises(JournalError, match="damaged"):
        unpack(pack(good), Head)


def test_an_array_beyond_the_row_is_refused():
    text = json.dumps(
        {
            "kind": "paint",
            "time": 1.0,
            "change": [
                {"axis": "z", "index": 0, "y0": 0, "x0": 0, "shape": [1, 1]}
                | {n: {"array": ["|u1", [1 << 40], 0]} for n in ("bits", "old_origin")}
            ],
        }
    ).encode()
    with pytest.raises(JournalError, match="damaged"):
        unpack(zlib.compress(len(text).to_bytes(4, "little") + text), Event)


def test_a_bomb_is_refused(monkeypatch):
    monkeypatch.setattr("napari_medsam.journal.packing.MOST_BYTES", 1000)
    with pytest.raises(JournalError, match="larger"):
        unpack(zlib.compress(bytes(100_000)), Event)


@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_damaged_bytes_give_an_event_or_a_sentence(at, junk):
    content = bytearray(pack(box_event()))
    at %= len(content)
    content[at : at + len(junk)] = junk
    with contextlib.suppress(JournalError):
        assert isinstance(unpack(bytes(content), Event), Event)


def test_a_mask_that_found_nothing_comes_back_empty():
    annotation = Annotation(SHAPE)
    annotation.add_label("liver")
    place(annotation, mask_of(3, 3, 3, 3))
    (mask,) = unpack(pack(annotation.log[-1]), Event).masks
    assert mask.is_empty
    assert mask.shape == SHAPE[1:]


@pytest.mark.parametrize("shape", [(4,), (2, 2, 2)])
def test_mask_that_is_no_plane_is_refused_when_it_is_read(shape):
    mask = dataclasses.replace(mask_of(3, 4, 8, 9), patch=np.ones(shape, bool))
    with pytest.raises(JournalError, match="damaged"):
        read_event(pack(Event("box", 0.0, masks=(mask,))))


def test_damaged_row_is_told_once():
    with pytest.raises(JournalError) as told:
        read_event(b"xx")
    assert str(told.value).count("damaged") == 1


@pytest.mark.parametrize("index", [2**32, 2**80])
def test_slice_beyond_all_volumes_is_refused(index):
    (patch,) = box_event().change
    many = [dataclasses.replace(patch, index=i) for i in (0, 1, 2, index)]
    with pytest.raises(JournalError):
        replayed(head(), [Row("event", read_event(pack(Event("box", 0.0, change=many))))])
