from __future__ import annotations

from napari_medsam.engine.inference.prefetch_order import Pace, nearest_first


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


# --- pace ---------------------------------------------------------------------------------


def scrolled(*steps: tuple[int, float]) -> Pace:
    pace = Pace()
    for index, at in steps:
        pace.moved(index, at)
    return pace


def test_no_lead_without_scrolling():
    assert scrolled((10, 0.0)).lead(0.1, 0.5) == 0


def test_fast_scrolling_leads_by_the_slices_passed_during_an_encoding():
    """Four slices a second, half a second to encode: two slices on, either way."""
    assert scrolled((10, 0.0), (11, 1.0), (12, 1.25)).lead(1.3, 0.5) == 2
    assert scrolled((12, 0.0), (11, 1.0), (10, 1.25)).lead(1.3, 0.5) == -2


def test_slow_scrolling_leads_by_nothing():
    assert scrolled((10, 0.0), (11, 1.0), (12, 3.0)).lead(3.1, 0.5) == 0


def test_resting_ends_the_lead():
    pace = scrolled((10, 0.0), (11, 1.0), (12, 1.25))
    assert pace.lead(1.7, 0.5) == 2
    assert pace.lead(1.8, 0.5) == 0


def test_lead_is_bounded():
    assert scrolled((0, 0.0), (1, 1.0), (200, 1.01)).lead(1.01, 0.5) == 12


def test_pace_restarts_on_another_axis():
    pace = scrolled((10, 0.0), (11, 0.1))
    pace.restart()
    pace.moved(90, 0.2)
    assert (pace.direction, pace.lead(0.2, 0.5)) == (0, 0)
