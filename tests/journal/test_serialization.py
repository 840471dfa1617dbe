"""Events as bytes: nothing is lost, new fields do no harm, damage is a sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import zlib
from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.engine.annotation.events import Event, Origin
from napari_medsam.engine.annotation.label_patch import Patch
from napari_medsam.engine.data.labels import Label
from napari_medsam.engine.data.stored_types import StoredArray
from napari_medsam.formats.common.coded_terms import CodedLabel
from napari_medsam.journal.database import JournalRow, read_event
from napari_medsam.journal.errors import JournalError
from napari_medsam.journal.history import replayed
from napari_medsam.journal.image_header import ImageHeader
from napari_medsam.journal.serialization import DAMAGE, pack, unpack
from napari_medsam.journal.type_encoding import Undeclared, form_of
from tests.engine.annotations import SHAPE, mask_of, place
from tests.journal.tiny_journal import box_event, head


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
    unpack(pack(good), ImageHeader)
    object.__setattr__(good, name, value)
    with pytest.raises(JournalError, match="damaged"):
        unpack(pack(good), ImageHeader)


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
    monkeypatch.setattr("napari_medsam.journal.serialization.MOST_BYTES", 1000)
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
        replayed(head(), [JournalRow("event", read_event(pack(Event("box", 0.0, change=many))))])


class TestDeclarations:
    """What is kept is written as it is declared here, whatever a library makes of its types."""

    @pytest.mark.parametrize("kind", [Event, ImageHeader, CodedLabel])
    def test_every_field_that_is_kept_has_a_form(self, kind: type) -> None:
        form_of(kind)

    def test_an_array_is_read_by_our_word_for_it_and_not_by_its_type(self) -> None:
        """Numpy's own type may become anything: here it is `object`."""

        declared = [("values", Annotated[object, StoredArray("<u2")])]
        Kept = dataclasses.make_dataclass("Kept", declared, frozen=True)
        values = np.array([[1, 2, 65535]], np.uint16)
        back = unpack(pack(Kept(values)), Kept).values
        np.testing.assert_array_equal(back, values)
        assert back.dtype == np.uint16
        assert back.flags.writeable

    @pytest.mark.parametrize("hint", [NDArray[np.uint8], np.ndarray, object, int | str, list[int]])
    def test_a_field_without_a_form_is_our_fault_and_no_damage(self, hint: object) -> None:
        Kept = dataclasses.make_dataclass("Kept", [("values", hint)], frozen=True)
        for read in (lambda: unpack(b"", Kept), lambda: pack(Kept(np.zeros(3, np.uint8)))):
            with pytest.raises(Undeclared, match="values"):
                read()
        assert not issubclass(Undeclared, (JournalError, *DAMAGE))

    @pytest.mark.parametrize(
        ("name", "wrong"),
        [
            ("old", np.array([1], np.uint8)),
            ("old", np.array([1], np.int64)),
            ("bits", np.array([True])),
            ("old_origin", [1]),
            ("index", "3"),
            ("index", 3.0),
            ("axis", "w"),
            ("shape", (1, 2, 3)),
        ],
    )
    def test_what_could_not_be_read_is_not_written(self, name: str, wrong: object) -> None:
        event = box_event()
        (patch,) = event.change
        bad = dataclasses.replace(patch, **{name: wrong})
        with pytest.raises(JournalError, match="cannot be stored"):
            pack(dataclasses.replace(event, change=(bad,)))

    @pytest.mark.parametrize(
        ("one", "plain"), [(np.int64(3), 3), (np.uint16(3), 3), (Origin.HAND, 3), (True, None)]
    )
    def test_numbers_of_other_kinds_are_written_as_plain_ones(self, one: int, plain: int) -> None:
        event = Event("clear", 1.0, labels=(one,))
        if plain is None:
            with pytest.raises(JournalError, match="cannot be stored"):
                pack(event)
        else:
            (back,) = unpack(pack(event), Event).labels
            assert (back, type(back)) == (plain, int)

    @pytest.mark.parametrize("time", [Origin.HAND, np.int64(3), np.float32(3), 3])
    def test_whole_number_is_written_where_a_fraction_may_be(self, time: float) -> None:
        back = unpack(pack(Event("clear", time)), Event).time
        assert (back, type(back)) == (3.0, float)

    def test_truth_is_no_number(self) -> None:
        with pytest.raises(JournalError, match="cannot be stored"):
            pack(Event("clear", True))

    def test_word_of_numpy_is_written_as_a_plain_one(self) -> None:
        (patch,) = box_event().change
        packed = dataclasses.replace(patch, axis=np.str_("z"))
        assert type(unpack(pack(packed), Patch).axis) is str
        ndim = unpack(pack(dataclasses.replace(head(), ndim=np.int64(2))), ImageHeader).ndim
        assert (ndim, type(ndim)) == (2, int)
        with pytest.raises(JournalError, match="cannot be stored"):
            pack(dataclasses.replace(patch, axis=np.str_("w")))

    def test_other_byte_order_is_written_as_the_file_has_it(self) -> None:
        (patch,) = box_event().change
        old = np.array([258], np.dtype(">u2"))
        back = unpack(pack(dataclasses.replace(patch, old=old)), Patch)
        assert back.old.tolist() == [258]
        assert back.old.dtype == np.uint16

    def test_the_bytes_of_a_row_are_what_they_were(self) -> None:
        """Those of the version before lie on the disks of users: layout, words and order."""
        label = CodedLabel(1, "Leber", (0.5, 0.0, 1.0), locked=True)
        patch = Patch(
            "z",
            2,
            4,
            3,
            (2, 3),
            np.array([0b10100000], np.uint8),
            np.array([0], np.uint16),
            np.array([1, 2], np.uint16),
            np.array([0], np.uint8),
            np.array([3], np.uint8),
        )
        mask = dataclasses.replace(mask_of(3, 4, 5, 6), patch=np.ones((2, 2), bool))
        event = Event("paint", 1.5, (1,), (patch,), table_after=(label,), masks=(mask,))
        plain = zlib.decompress(pack(event))
        n = int.from_bytes(plain[:4], "little")
        assert plain[4 : 4 + n].decode() == EARLIER
        assert plain[4 + n :].hex() == "a0" + "0000" + "01000200" + "00" + "03" + "f0"


EARLIER = (  # by the code of commit 0a07a15
    '{"kind":"paint","time":1.5,"labels":[1],"change":[{"axis":"z","index":2,"y0":4,"x0":3,'
    '"shape":[2,3],"bits":{"array":["|u1",[1],0]},"old":{"array":["<u2",[1],1]},'
    '"new":{"array":["<u2",[2],3]},"old_origin":{"array":["|u1",[1],7]},'
    '"new_origin":{"array":["|u1",[1],8]}}],"table_after":[{"is":"CodedLabel","number":1,'
    '"name":"Leber","color":[0.5,0.0,1.0],"locked":true}],"masks":[{"slice":{"axis":"z",'
    '"index":2},"shape":[20,24],"y0":4,"x0":3,"patch":{"array":["|b1",[2,2],9]},"score":0.9,'
    '"stability":0.9,"prompt":{"slice":{"axis":"z","index":2},"x_min":3.0,"y_min":4.0,'
    '"x_max":4.0,"y_max":5.0}}]}'
)
