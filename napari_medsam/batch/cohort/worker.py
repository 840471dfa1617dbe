"""Running one cohort case in a worker process, from image file to label file and record."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import lru_cache

from napari_medsam.batch.cohort.case_record import CaseRecord, failure, read_record, record_of
from napari_medsam.batch.cohort.request import case_request
from napari_medsam.batch.cohort.task import Task
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.formats.common.errors import one_line
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.images.read import read_image
from napari_medsam.headless.build_request import modality_of
from napari_medsam.headless.run import save, segment_request
from napari_medsam.models.loading import open_model
from napari_medsam.models.runtime.sam_model import SamModel
from napari_medsam.models.store import store
from napari_medsam.models.store.modality_routing import AUTO, resolve
from napari_medsam.storage.json_file import write_json

ModelFor = Callable[[Task, ImageFile], tuple[str, PromptableModel]]
"""Returns the model's name and the model for a case, of which the image is read."""

_one_at_a_time = threading.Lock()
"""A model serves one caller at a time; a worker's threads are all used by OpenVINO."""


def run_task(task: Task) -> CaseRecord:
    """Run a case, unless it has a record already; its errors are reported in the record.

    A missing model affects all cases, so that error is raised. Opened models stay loaded in the
    process.
    """
    with _one_at_a_time:
        return read_record(task) or run_attempt(task, _model)


def run_attempt(task: Task, model_for: ModelFor) -> CaseRecord:
    """Read, segment and save a case, and write its record; never uses an earlier record."""
    started = time.perf_counter()
    try:
        image = read_image(task.case.path)
    except (OSError, ValueError, MemoryError) as error:
        return failure(task, one_line(error))
    reading = time.perf_counter() - started
    name, model = model_for(task, image)
    try:
        request = case_request(
            task.case, image, model.contract, compat=task.compat, window=task.window
        )
        result = save(segment_request(request, model), task.target)
        result.seconds["read"] = reading
        record = record_of(task, result, name)
        write_json(task.record, record)
    except (OSError, ValueError, RuntimeError, MemoryError) as error:
        return failure(task, one_line(error))
    return record


def _model(task: Task, image: ImageFile) -> tuple[str, SamModel]:
    name = task.model
    if name == AUTO:
        installed = [stored.spec for stored in store.installed()]
        name = resolve(AUTO, modality_of(image), installed)[0].name
    return name, _opened(name, task.threads)


@lru_cache(maxsize=4)
def _opened(name: str, threads: int | None) -> SamModel:
    return open_model(name, threads=threads)
