"""Parsing of boxes and ranges from the command line."""

from __future__ import annotations

import pytest

from napari_medsam.headless.prompt_text import RequestedBox, parse_box, parse_range


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("z:12:40,50,90,110", RequestedBox((40, 50, 90, 110), "1", "z", 12)),
        ("y:0:1.5,2,3,4.25:7", RequestedBox((1.5, 2, 3, 4.25), "7", "y", 0)),
        ("X:3:-1,0,8,9:left kidney", RequestedBox((-1, 0, 8, 9), "left kidney", "x", 3)),
        ("40,50,90,110", RequestedBox((40, 50, 90, 110))),
        ("40,50,90,110:lesion", RequestedBox((40, 50, 90, 110), "lesion")),
    ],
)
def test_box_is_parsed(text: str, expected: RequestedBox):
    assert parse_box(text) == expected


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("w:12:1,2,3,4", "axis .* it is z, y or x"),
        ("z:twelve:1,2,3,4", "slice .* a number from 0"),
        ("z:1:1,2,3", "four numbers"),
        ("z:1:1,2,3,four", "four numbers"),
        ("z:1:1,2,3,4:", "label .* is empty"),
        ("z:1:1,2,3,4:0", "1 to 65535"),
        ("z:1:1,2,3,4:70000", "1 to 65535"),
        ("", "four numbers"),
    ],
)
def test_wrong_box_says_which_part_is_wrong(text: str, complaint: str):
    with pytest.raises(ValueError, match=complaint):
        parse_box(text)


def test_range_includes_both_ends():
    assert parse_range("3:20") == (3, 20)
    assert parse_range("4:4") == (4, 4)


@pytest.mark.parametrize("text", ["20:3", "3", "3-20", "-1:4", "a:b"])
def test_wrong_range_is_refused(text: str):
    with pytest.raises(ValueError, match="FIRST:LAST"):
        parse_range(text)
