"""What is embedded while the user looks, what stops it, and what the strip and cache tell."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from napari.components import ViewerModel

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.engine.inference.embedding_disk_cache import DiskCache
from napari_medsam.engine.session import Session
from napari_medsam.headless.disk_cache_settings import cache_folder
from napari_medsam.ui.actions import prefetch as prefetch_module
from napari_medsam.ui.actions.prefetch import Prefetcher, machine_is_free
from napari_medsam.ui.state.jobs import Job, Jobs
from napari_medsam.ui.state.workspace import Workspace
from tests.tiny_model import TinyMedSam
from tests.ui.desk import Desk, NotingView, ellipsoid, image_layer, make_desk
from tests.ui.immediate_jobs import ImmediateJobs


@pytest.fixture(autouse=True)
def plugged_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine the tests run on may have a battery, and little memory."""
    monkeypatch.setattr(prefetch_module, "free_memory", lambda: 8 * 1000**3)
    monkeypatch.setattr(prefetch_module.psutil, "sensors_battery", lambda: None, raising=False)


ENTRY = 64 * 64 * 2
"""Bytes of an embedding of TinyMedSam, float16."""


def opened(**more: Any) -> Desk:
    desk = make_desk(prefetch=True, **more)
    desk.open(image_layer())
    return desk


class Notes:
    """A prefetcher on a lane of its own, and the slices it embedded."""

    def __init__(self, jobs: Any, **more: Any) -> None:
        self.model = TinyMedSam()
        self.session = Session(Volume(ellipsoid(), (0.8, 0.8, 3.0)), self.model, **more)
        self.ready: list[int] = []
        workspace = Workspace(ViewerModel(), NotingView(), make_jobs=lambda: jobs, idle=lambda f: f)
        workspace.slices_ready.connect(
            lambda slices: self.ready.extend(where.index for where in slices)
        )
        self.prefetcher = Prefetcher(workspace, lambda: True)
        self.prefetcher.use(self.session)


def test_neighbours_are_embedded_before_a_box_is_drawn() -> None:
    desk = opened()
    n_encoded = desk.shelf.model.n_encoded
    assert n_encoded == 20
    desk.draw_on(6)
    assert desk.shelf.model.n_encoded == n_encoded


def test_strip_shows_what_is_ready_and_a_click_on_it_goes_there() -> None:
    desk = opened()
    assert desk.view.strips[-1].ready == frozenset(range(20))
    desk.controller.view.choose_slice(3)
    assert desk.controller.case.where() == SliceRef("z", 3)
    assert desk.view.strips[-1].shown == 3


def test_turning_the_view_embeds_its_own_slices() -> None:
    desk = opened()
    desk.controller.view.choose_axis("x")
    assert desk.view.strips[-1].axis == "x"
    assert desk.view.strips[-1].ready == frozenset(range(48))


def test_nearest_slices_come_first_in_the_direction_of_scrolling() -> None:
    notes = Notes(ImmediateJobs())
    notes.prefetcher._is_free = lambda: False
    notes.prefetcher.focus(SliceRef("z", 8))
    notes.prefetcher._is_free = lambda: True
    notes.prefetcher.focus(SliceRef("z", 9))
    assert notes.ready[:4] == [9, 10, 11, 8]


def test_cache_without_room_is_not_filled_in_vain() -> None:
    notes = Notes(ImmediateJobs(), cache=EmbeddingCache(max_bytes=4 * ENTRY))
    notes.prefetcher.focus(SliceRef("z", 8))
    assert len(notes.ready) == 3


@pytest.mark.parametrize(
    ("plugged", "free", "expected"),
    [(True, 8, True), (False, 8, False), (None, 8, True), (True, 0.5, False)],
)
def test_battery_and_short_memory_pause_it(
    monkeypatch: pytest.MonkeyPatch, plugged: bool | None, free: float, expected: bool
) -> None:
    class Battery:
        power_plugged = plugged

    monkeypatch.setattr(prefetch_module.psutil, "sensors_battery", Battery, raising=False)
    monkeypatch.setattr(prefetch_module, "free_memory", lambda: int(free * 1000**3))
    assert machine_is_free() is expected


@pytest.fixture
def jobs(qapp: Any) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    made.close()


def test_users_job_stops_it_and_never_meets_it_in_the_model(jobs: Jobs, qtbot: Any) -> None:
    notes = Notes(jobs)
    inside: list[str] = []
    met: list[str] = []
    step = threading.Event()
    encode_many = notes.model.encode_many

    def slow(images: Any) -> Any:
        inside.append("prefetch")
        step.wait(0.2)
        inside.remove("prefetch")
        yield from encode_many(images)

    notes.model.encode_many = slow  # type: ignore[method-assign]
    notes.prefetcher.focus(SliceRef("z", 8))
    qtbot.waitUntil(lambda: bool(inside))
    done: list[Any] = []
    jobs.start(Job(lambda _: met.extend(inside), lambda _: None, done.append))
    qtbot.waitUntil(lambda: bool(done))
    assert met == []
    assert notes.model.n_cancelled == 1
    assert len(notes.ready) <= 1


def test_it_does_not_push_a_users_job_aside(jobs: Jobs, qtbot: Any) -> None:
    notes = Notes(jobs)
    go, done = threading.Event(), []
    jobs.start(Job(lambda _: go.wait(5), lambda _: None, done.append))
    notes.prefetcher.focus(SliceRef("z", 8))
    assert not notes.ready
    go.set()
    qtbot.waitUntil(lambda: bool(done))
    assert done[0].kind == "done"


def test_whole_volume_is_embedded_with_time_left_and_cancelled_by_key(desk: Desk) -> None:
    desk.controller.sessions.embed_all()
    seen = [
        p.progress for p in desk.view.panels if p.progress and p.progress.what == "Preparing slices"
    ]
    assert [p.n_done for p in seen] == list(range(21))
    assert seen[-1].seconds_left == 0
    assert desk.view.strips[-1].ready == frozenset(range(20))
    assert desk.view.panel.progress is None


def test_yesterdays_case_is_answered_from_disk(tmp_path: Path) -> None:
    first = make_desk(cache=EmbeddingCache(disk=DiskCache(tmp_path / "kept")))
    first.open(image_layer())
    first.draw_on(10)
    second = make_desk(cache=EmbeddingCache(disk=DiskCache(tmp_path / "kept")))
    second.open(image_layer())
    assert second.view.strips[-1].ready == {10}
    second.draw_on(10)
    assert second.shelf.model.n_encoded == 0
    np.testing.assert_array_equal(first.labels, second.labels)


def test_cleared_cache_is_empty_on_disk_and_on_the_strip(tmp_path: Path) -> None:
    disk = DiskCache(tmp_path / "kept")
    desk = make_desk(cache=EmbeddingCache(disk=disk))
    desk.open(image_layer())
    desk.draw_on(10)
    assert disk.n_entries == 1
    desk.controller.sessions.clear_cache()
    assert disk.n_entries == 0
    assert desk.view.strips[-1].ready == frozenset()


def test_folder_of_the_cache_follows_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NAPARI_MEDSAM_CACHE", "/somewhere")
    assert cache_folder() == Path("/somewhere")
    monkeypatch.delenv("NAPARI_MEDSAM_CACHE")
    assert "napari-medsam" in str(cache_folder())
