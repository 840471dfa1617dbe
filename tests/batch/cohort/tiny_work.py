"""Cases done by the tiny model in a worker process, which imports this file; some workers die."""

from __future__ import annotations

import os
import time
from pathlib import Path

from napari_medsam.batch.cohort.case_record import CaseRecord, read_record
from napari_medsam.batch.cohort.task import Task
from napari_medsam.batch.cohort.worker import run_attempt
from tests.tiny_model import TinyMedSam


def do(task: Task) -> CaseRecord:
    """As `run_task` with the tiny model; adds a line to the file `log`."""
    with (task.folder.parent / "log").open("a") as log:
        log.write(f"{task.case.name} {os.getpid()} {task.threads}\n")
    return read_record(task) or run_attempt(task, lambda task, image: ("tiny", TinyMedSam()))


def do_unseen(task: Task) -> CaseRecord:
    """As `do`, without the log."""
    return read_record(task) or run_attempt(task, lambda task, image: ("tiny", TinyMedSam()))


def die_once(task: Task) -> CaseRecord:
    """Kills the first worker that gets case c."""
    grave = task.folder.parent / "grave"
    if task.case.name.startswith("c") and not grave.exists():
        grave.write_text(str(os.getpid()))
        os._exit(9)
    return do(task)


def die_always(task: Task) -> CaseRecord:
    """Kills every worker that gets case c."""
    if task.case.name.startswith("c"):
        os._exit(9)
    return do(task)


def slow(task: Task) -> CaseRecord:
    """Takes half a second per case, so that a worker can be killed in the middle of one."""
    begun = task.folder.parent / "begun"
    Path(begun).mkdir(exist_ok=True)
    (begun / f"{task.case.name}.{os.getpid()}").touch()
    time.sleep(0.5)
    return do(task)


def no_model(task: Task) -> CaseRecord:
    raise RuntimeError("The model is not installed. Install it.")
