"""A label that is given nothing has a name and a colour, the same everywhere."""

from __future__ import annotations

import re

import pytest

from napari_medsam.engine.data.labels import (
    MOST_LABELS,
    PALETTE,
    Label,
    default_color,
    default_name,
    with_lock,
    with_state,
)
from tests.conftest import PROJECT


def test_default_label_has_the_palettes_colour_and_a_plain_name():
    assert Label.default(1) == Label(1, "Label 1", PALETTE[0])
    assert Label.default(9, "liver") == Label(9, "liver", PALETTE[1])
    assert Label.default(9, "").name == ""
    assert default_name(3) == "Label 3"


def test_colours_repeat_and_every_number_has_one():
    assert default_color(len(PALETTE) + 1) == PALETTE[0]
    assert default_color(MOST_LABELS + 1) in PALETTE


@pytest.mark.parametrize("number", [0, -1, MOST_LABELS + 1])
def test_number_that_does_not_fit_the_labels_array_is_refused(number: int):
    with pytest.raises(ValueError, match="number is 1 to 65535"):
        Label.default(number)


def test_done_locks_and_unlocking_takes_it_back():
    done = with_state(Label.default(1), "done")
    assert done.locked
    assert with_lock(done, False).state == "in progress"
    assert not with_state(done, "unsure").locked


def test_the_rule_of_the_palette_is_written_in_one_place():
    package = PROJECT / "napari_medsam"
    rule = re.compile(r"%\s*len\(PALETTE\)")
    files = [p for p in package.rglob("*.py") if rule.search(p.read_text(encoding="utf-8"))]
    assert files == [package / "engine" / "data" / "labels.py"]
