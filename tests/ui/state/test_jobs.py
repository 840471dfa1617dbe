"""The lane of jobs: order, staleness, errors, and the end of the process."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from napari_medsam.models.specs.errors import Cancelled
from napari_medsam.ui.state.jobs import Job, JobOutcome, Jobs, outcome_of
from tests.ui.immediate_jobs import ImmediateJobs


class Diary:
    """Remembers what a job called back."""

    def __init__(self) -> None:
        self.items: list[Any] = []
        self.ends: list[JobOutcome] = []

    def job(self, work: Callable[[Callable[[Any], None]], None], **more: Any) -> Job[Any]:
        return Job(work, self.items.append, self.ends.append, **more)


@pytest.fixture
def jobs(qapp: Any) -> Iterator[Jobs]:
    made = Jobs()
    yield made
    made.close()


def three(hand_over: Callable[[Any], None]) -> None:
    for n in range(3):
        hand_over(n)


def test_items_come_in_order_and_the_end_comes_last(jobs: Jobs, qtbot: Any) -> None:
    diary = Diary()
    jobs.start(diary.job(three))
    qtbot.waitUntil(lambda: bool(diary.ends))
    assert diary.items == [0, 1, 2]
    assert diary.ends == [JobOutcome("done")]
    assert not jobs.is_busy


def test_job_that_is_over_at_once_loses_nothing(jobs: Jobs, qtbot: Any) -> None:
    for _ in range(100):
        diary = Diary()
        jobs.start(diary.job(three))
        qtbot.waitUntil(lambda diary=diary: bool(diary.ends))
        assert diary.items == [0, 1, 2]


def test_callbacks_run_on_the_gui_thread(jobs: Jobs, qtbot: Any) -> None:
    threads: list[int] = []
    done: list[int] = []
    jobs.start(
        Job(three, lambda _: threads.append(threading.get_ident()), lambda _: done.append(1))
    )
    qtbot.waitUntil(lambda: bool(done))
    assert set(threads) == {threading.get_ident()}


def test_newer_job_makes_the_older_ones_items_stale(jobs: Jobs, qtbot: Any) -> None:
    old, new, go = Diary(), Diary(), threading.Event()

    def slow(hand_over: Callable[[Any], None]) -> None:
        hand_over("early")
        go.wait(5)
        hand_over("late")

    jobs.start(old.job(slow))
    jobs.start(new.job(three))
    go.set()
    qtbot.waitUntil(lambda: bool(new.ends))
    assert old.items == []
    assert old.ends == [JobOutcome("cancelled")]
    assert new.items == [0, 1, 2]


def test_cancel_interrupts_and_ends_the_job_once(jobs: Jobs, qtbot: Any) -> None:
    diary, interrupted = Diary(), threading.Event()

    def work(hand_over: Callable[[Any], None]) -> None:
        interrupted.wait(5)
        raise Cancelled("Cancelled.")

    jobs.start(diary.job(work, interrupt=interrupted.set))
    jobs.cancel()
    jobs.cancel()
    assert interrupted.is_set()
    qtbot.wait(50)
    assert diary.ends == [JobOutcome("cancelled")]


def test_work_stops_between_items_after_cancel(jobs: Jobs, qtbot: Any) -> None:
    reached: list[int] = []
    first, go = threading.Event(), threading.Event()

    def work(hand_over: Callable[[Any], None]) -> None:
        for n in range(100):
            reached.append(n)
            first.set()
            go.wait(5)
            hand_over(n)

    jobs.start(Diary().job(work))
    assert first.wait(5)
    jobs.cancel()
    go.set()
    qtbot.wait(100)
    assert reached == [0]


def test_error_becomes_one_sentence(jobs: Jobs, qtbot: Any) -> None:
    diary = Diary()

    def work(hand_over: Callable[[Any], None]) -> None:
        raise ValueError("The range 3 to 8 must contain slice 12.")

    jobs.start(diary.job(work))
    qtbot.waitUntil(lambda: bool(diary.ends))
    assert diary.ends == [JobOutcome("failed", "The range 3 to 8 must contain slice 12.")]


def test_closed_lane_calls_nothing_back(jobs: Jobs, qtbot: Any) -> None:
    diary, go = Diary(), threading.Event()
    jobs.start(diary.job(lambda hand_over: hand_over(go.wait(5))))
    jobs.close()
    go.set()
    qtbot.wait(50)
    assert diary.items == []
    assert diary.ends == []


def test_unforeseen_error_is_logged_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    outcome = outcome_of(KeyError("voxels"))
    assert "KeyError" in outcome.sentence
    assert caplog.records[0].exc_info is not None


def test_job_started_by_an_immediate_job_replaces_it() -> None:
    jobs, outer, inner = ImmediateJobs(), Diary(), Diary()
    jobs.start(Job(three, lambda n: n == 1 and jobs.start(inner.job(three)), outer.ends.append))
    assert outer.ends == [JobOutcome("cancelled")]
    assert inner.items == [0, 1, 2]


def test_process_ends_by_itself_with_a_job_under_way() -> None:
    program = """
        import threading, time
        from qtpy.QtCore import QTimer
        from qtpy.QtWidgets import QApplication, QWidget
        from napari_medsam.storage.errors import Cancelled
        from napari_medsam.ui.state.jobs import Job, Jobs

        app = QApplication([])
        widget, jobs, stop = QWidget(), Jobs(), threading.Event()

        def work(hand_over):
            hand_over(1)
            assert stop.wait(30)
            raise Cancelled("Cancelled.")

        jobs.start(Job(work, lambda item: QTimer.singleShot(0, widget.deleteLater),
                       interrupt=stop.set))
        widget.destroyed.connect(jobs.close)
        widget.destroyed.connect(app.quit)
        app.exec()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stderr == b""


def test_item_that_finds_no_memory_ends_its_job(jobs: Jobs, qtbot: Any) -> None:
    """A propagation that lost a slice must not say that it is done."""
    ends: list[JobOutcome] = []
    taken: list[int] = []

    def take(n: int) -> None:
        taken.append(n)
        raise MemoryError

    jobs.start(Job(three, take, ends.append))
    qtbot.waitUntil(lambda: bool(ends))
    assert taken == [0]
    assert [(end.kind, "free memory" in end.sentence) for end in ends] == [("failed", True)]
    assert not jobs.is_busy


def test_job_whose_thread_cannot_begin_fails_and_the_next_one_runs(
    jobs: Jobs, qtbot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")  # what Python says without memory

    diary = Diary()
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        jobs.start(diary.job(three))
    assert [end.kind for end in diary.ends] == ["failed"]
    assert "free memory" in diary.ends[0].sentence
    jobs.start(diary.job(three))
    qtbot.waitUntil(lambda: len(diary.ends) == 2)
    assert diary.items == [0, 1, 2]
