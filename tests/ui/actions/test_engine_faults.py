"""The engine fails in the middle of things: a sentence, what was found stays, work goes on."""

from __future__ import annotations

import errno
import os
import time

import numpy as np
import pytest

from napari_medsam.engine.annotation.edit import Edit
from napari_medsam.engine.annotation.events import Event
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.embedding_disk_cache import DiskCache
from napari_medsam.journal.database import JournalDatabase
from napari_medsam.journal.history import read_history
from tests.ui.desk import Desk, ellipsoid, image_layer, make_desk


def consistent(desk: Desk) -> bool:
    """Undo and redo lead away and back, and the journal tells the same."""
    labels = desk.labels.copy()
    desk.controller.history.undo()
    desk.controller.history.redo()
    journal = desk.controller.journals.of(desk.controller.case)
    journal.link.writer.wait()
    with JournalDatabase(journal.link.writer.path) as book:
        back = read_history(book).annotation.labels
    return np.array_equal(desk.labels, labels) and np.array_equal(back, labels)


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(RuntimeError("device lost"), id="device"),
        pytest.param(OSError(errno.ENOENT, os.strerror(errno.ENOENT)), id="weights are gone"),
        pytest.param(ValueError("not the shape that was compiled"), id="weights were replaced"),
    ],
)
def test_an_encoder_that_fails_keeps_what_was_propagated(desk: Desk, error: Exception) -> None:
    desk.draw_on(10)
    model = desk.shelf.model
    encode, left = model.encode_many, 3

    def failing(images):
        nonlocal left
        for embedding in encode(images):
            left -= 1
            if left < 0:
                raise error
            yield embedding

    model.encode_many = failing
    desk.controller.propagation.propagate(2, 18)
    assert desk.view.panel.is_problem
    assert "are kept" in desk.view.panel.message
    segmented = desk.labels.any(axis=(1, 2))
    assert segmented[10]
    assert 1 < segmented.sum() < 13
    assert consistent(desk)
    model.encode_many = encode
    desk.controller.propagation.propagate(2, 18)
    np.testing.assert_array_equal(desk.labels > 0, ellipsoid() > 0)


def test_a_box_whose_encoding_fails_is_told_and_the_next_one_works(desk: Desk) -> None:
    model = desk.shelf.model
    encode = model.encode_many

    def failing(images):
        raise RuntimeError("device lost")
        yield

    model.encode_many = failing
    desk.draw_on(12)
    assert "device lost" in desk.view.panel.message
    assert not desk.labels.any()
    model.encode_many = encode
    desk.draw_on(13)
    assert desk.labels[13].any()
    assert consistent(desk)


def test_no_memory_while_a_mask_is_found_is_a_sentence(desk: Desk) -> None:
    """On a real lane a MemoryError ends the job and not the program."""
    from napari_medsam.ui.state.jobs import outcome_of

    outcome = outcome_of(MemoryError())
    assert outcome.kind == "failed"
    assert "not enough free memory" in outcome.sentence


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_cache_that_cannot_be_written_costs_no_mask(
    tmp_path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    desk = make_desk(cache=EmbeddingCache(disk=DiskCache(tmp_path / "embeddings")))
    desk.open(image_layer())

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patched:
        patched.setattr("napari_medsam.engine.inference.embedding_disk_cache.Path.open", refuse)
        patched.setattr(
            "napari_medsam.engine.inference.embedding_disk_cache.Path.write_bytes", refuse
        )
        patched.setattr("napari_medsam.engine.inference.embedding_disk_cache.Path.mkdir", refuse)
        desk.draw_on(10)
    assert desk.labels[10].any()
    assert not desk.view.panel.is_problem
    desk.controller.close()


def test_a_clock_that_jumps_changes_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = iter([4e9, -5e8, 0.0, 1e9] * 100)
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    desk.draw_on(10)
    desk.controller.propagation.propagate(8, 12)
    desk.draw_on(13)
    assert desk.labels[8:14].any(axis=(1, 2)).all()
    assert consistent(desk)


def test_a_mask_that_finds_no_memory_ends_the_propagation_and_keeps_what_came(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.draw_on(10)
    paint, left = Edit.paint, 3

    def short(self: Edit, *given: object, **named: object) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            raise MemoryError
        return paint(self, *given, **named)

    with monkeypatch.context() as patched:
        patched.setattr(Edit, "paint", short)
        desk.controller.propagation.propagate(2, 18)
    assert desk.view.panel.is_problem
    assert "free memory" in desk.view.panel.message
    assert "are kept" in desk.view.panel.message
    assert 1 < desk.labels.any(axis=(1, 2)).sum() < 13
    assert consistent(desk)
    desk.controller.propagation.propagate(2, 18)
    np.testing.assert_array_equal(desk.labels > 0, ellipsoid() > 0)


def test_an_edit_that_finds_no_memory_to_close_is_closed_by_the_next(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def short(_self: Event) -> Event:
        raise MemoryError

    desk.draw_on(10)
    with monkeypatch.context() as patched:
        patched.setattr(Event, "packed", property(short))
        with pytest.raises(MemoryError):
            desk.controller.propagation.propagate(8, 12)
    painted = desk.labels.copy()
    assert painted.any(axis=(1, 2)).sum() > 1
    desk.controller.propagation.propagate(10, 14)
    assert [event.kind for event in desk.annotation.log][-2:] == ["propagate", "propagate"]
    desk.controller.history.undo()
    np.testing.assert_array_equal(desk.labels, painted)
    assert consistent(desk)
