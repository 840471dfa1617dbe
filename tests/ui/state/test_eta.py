"""The time left is right within 30 % after five slices, whatever the first ones were like."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from napari_medsam.ui.state.dock_state import Progress
from napari_medsam.ui.state.eta import Eta
from napari_medsam.ui.widgets.completion_sound import CompletionSound


def said_and_true(seconds: Sequence[float], after: int) -> tuple[float | None, float]:
    """What is said after so many slices that took `seconds` each, and what was left."""
    clock = [0.0]
    eta = Eta(len(seconds), lambda: clock[0])
    said = None
    for n, each in enumerate(seconds[:after], 1):
        clock[0] += each
        said = eta.after(n)
        assert eta.after(n) == said, "asked again, nothing has changed"
    return said, sum(seconds[after:])


@pytest.mark.parametrize(
    "seconds",
    [
        [1.0] * 40,
        [6.0, *[1.0] * 39],  # the first waits for the encoder
        [0.02, *[1.0] * 39],  # the first was embedded already
        [1.0, 1.2, 0.8, 1.1, 0.9] * 8,
        [0.8, 0.9, 1.0, 1.1, 1.2, 1.0, 0.9, 1.1] * 5,
    ],
)
@pytest.mark.parametrize("after", [5, 10, 20])
def test_time_left_is_right_within_thirty_per_cent(seconds: list[float], after: int) -> None:
    said, true = said_and_true(seconds, after)
    assert said == pytest.approx(true, rel=0.3)


def test_pace_that_changes_is_followed_within_eight_slices() -> None:
    said, true = said_and_true([0.05] * 10 + [1.0] * 30, 18)
    assert said == pytest.approx(true, rel=0.3)


def test_nothing_is_said_of_one_slice_and_nothing_is_left_at_the_end() -> None:
    assert said_and_true([1.0] * 5, 1)[0] is None
    assert said_and_true([1.0] * 5, 5)[0] == 0


@pytest.mark.parametrize(("lasted", "wanted", "rings"), [(30, True, 1), (30, False, 0), (5, 1, 0)])
def test_bell_rings_once_after_something_long_if_wanted(
    lasted: float, wanted: bool, rings: int
) -> None:
    clock, rung = [0.0], []
    bell = CompletionSound(lambda: rung.append(1), lambda: wanted, lambda: clock[0])
    for seconds in (0, lasted / 2, lasted):
        clock[0] = seconds
        bell.on_progress(Progress("Propagating"))
    bell.on_progress(None)
    bell.on_progress(None)
    assert len(rung) == rings
