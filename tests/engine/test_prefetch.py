from __future__ import annotations

from napari_medsam.engine.prefetch import nearest_first


def test_slice_on_screen_comes_first():
    assert nearest_first(5, 0, 10, 3)[0] == 5


def test_without_scrolling_both_sides_in_turn():
    assert nearest_first(5, 0, 20, 2) == [5, 6, 4, 7, 3]


def test_scrolling_up_goes_ahead_twice_as_far():
    assert nearest_first(10, 1, 30, 4) == [10, 11, 12, 9, 13, 14, 8]


def test_scrolling_down_mirrors_it():
    assert nearest_first(10, -1, 30, 4) == [10, 9, 8, 11, 7, 6, 12]


def test_ends_of_the_volume_are_kept():
    assert nearest_first(0, -1, 3, 5) == [0, 1, 2]
    assert nearest_first(2, 1, 3, 5) == [2, 1, 0]


def test_each_slice_once():
    order = nearest_first(40, 1, 100, 30)
    assert len(order) == len(set(order))
