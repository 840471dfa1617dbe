"""Cases done by the tiny model in a worker process, which imports this file; some workers die."""

from __future__ import annotations

import os
import time
from pathlib import Path

from napari_medsam.batch.cohort.record import CaseRecord, read_record
from napari_medsam.batch.cohort.task import Task
from napari_medsam.batch.cohort.worker import run_attempt
from tests.conftest import TinyMedSam


def do(task: Task) -> CaseRecord:
    """As `work.do`, and a line in the file `log` for whoever counts."""
    with (task.folder.parent / "log").open("a") as log:
        log.write(f"{task.case.name} {os.getpid()} {task.threads}\n")
    return read_record(task) or run_attempt(task, lambda task, request: ("tiny", TinyMedSam()))


def die_once(task: Task) -> CaseRecord:
    """The first worker that is given case c takes it to its grave."""
    grave = task.folder.parent / "grave"
    if task.case.name.startswith("c") and not grave.exists():
        grave.write_text(str(os.getpid()))
        os._exit(9)
    return do(task)


def die_always(task: Task) -> CaseRecord:
    """Nobody survives case c."""
    if task.case.name.startswith("c"):
        os._exit(9)
    return do(task)


def slow(task: Task) -> CaseRecord:
    """Half a second a case, so that somebody can be killed in the middle of one."""
    begun = task.folder.parent / "begun"
    Path(begun).mkdir(exist_ok=True)
    (begun / f"{task.case.name}.{os.getpid()}").touch()
    time.sleep(0.5)
    return do(task)


def no_model(task: Task) -> CaseRecord:
    raise RuntimeError("The model is not installed. Install it.")
