"""Work that an earlier version put aside as damaged by mistake is offered when its image is opened.

The fault: under numpy 2.5 no journal could be read (`engine.data.stored_types`).
"""

from __future__ import annotations

import numpy as np
import pytest

from napari_medsam.journal.journal_files import journals
from napari_medsam.journal.location import journal_path
from napari_medsam.ui.state.resume_offers import OTHERS_RECOVERED, RECOVERED, RESUME, START_NEW
from tests.journal.versions import FINGERPRINT, PUT_ASIDE, assert_all_is_here, lay
from tests.ui.desk import Desk
from tests.ui.journals import found_by, kept, labelled, reopened, same

AT_THE_END = [3, 6, 8, 9, 10, 11, 12]
"""The axial slices with labels of what was put aside."""


@pytest.fixture
def aside() -> None:
    """As the earlier version left the folder: nothing but the one it put aside."""
    lay(PUT_ASIDE, PUT_ASIDE.name)


@pytest.mark.usefixtures("aside")
def test_it_is_offered_and_all_of_it_is_here() -> None:
    again = reopened(RESUME)
    (offer,) = again.view.offers
    assert "2 labels, 2 boxes, 7 slices" in offer.question
    assert RECOVERED in offer.question
    assert OTHERS_RECOVERED not in offer.question
    assert_all_is_here(again.annotation)
    assert again.boxes.nshapes == 2
    assert labelled(again) == AT_THE_END
    assert [row.name for row in again.view.panel.labels] == ["Leber", "Label 2"]
    again.controller.close()


@pytest.mark.usefixtures("aside")
def test_undo_goes_through_it_and_what_is_done_then_is_kept() -> None:
    again = reopened(RESUME)
    again.controller.history.redo()
    assert labelled(again) == sorted([*AT_THE_END, 14]), "the box that had been undone"
    again.controller.history.undo()
    again.controller.history.undo()
    assert labelled(again) == [n for n in AT_THE_END if n != 6], "the points"
    again.draw_on(15)
    assert len(again.annotation.boxes) == 2
    assert same(kept(again), again)
    n = 0
    while again.view.panel.can_undo:
        again.controller.history.undo()
        n += 1
    assert n == 7
    assert not again.labels.any()
    for _ in range(n):
        again.controller.history.redo()
    expected = again.labels.copy()
    assert expected[15].any()
    again.controller.close()
    third = reopened(RESUME)
    assert RECOVERED not in third.view.offers[0].question
    np.testing.assert_array_equal(third.labels, expected)
    third.controller.close()


@pytest.mark.usefixtures("aside")
@pytest.mark.parametrize("answer", [START_NEW, None])
def test_begun_otherwise_it_is_found_in_the_menu(answer: str | None) -> None:
    again = reopened(answer)
    assert not again.labels.any()
    again.draw_on(14)
    (one,) = found_by(again)
    again.controller.earlier.resume(one)
    assert_all_is_here(again.annotation)
    (other,) = found_by(again)
    again.controller.earlier.resume(other)
    assert labelled(again) == [14]
    again.controller.close()


def test_what_was_begun_since_is_offered_and_the_other_is_in_the_menu(desk: Desk) -> None:
    desk.draw_on(14)
    desk.controller.journals.close()
    lay(PUT_ASIDE, PUT_ASIDE.name)
    again = reopened(RESUME)
    (offer,) = again.view.offers
    assert "1 label, 1 box, 1 slice" in offer.question
    assert OTHERS_RECOVERED in offer.question
    assert RECOVERED not in offer.question
    assert labelled(again) == [14]
    (one,) = found_by(again)
    again.controller.earlier.resume(one)
    assert_all_is_here(again.annotation)
    again.controller.history.undo()
    again.draw_on(15)
    assert same(kept(again), again)
    (other,) = found_by(again)
    again.controller.earlier.resume(other)
    assert labelled(again) == [14]
    again.controller.close()


def test_one_that_is_damaged_is_not_offered() -> None:
    path = lay(PUT_ASIDE, PUT_ASIDE.name)
    path.write_bytes(path.read_bytes()[:9000])
    again = reopened(RESUME)
    assert again.view.offers == []
    again.draw_on(14)
    assert found_by(again) == []
    assert same(kept(again), again)
    assert {entry.path for entry in journals()} == {path, journal_path(FINGERPRINT)}
    again.controller.close()
