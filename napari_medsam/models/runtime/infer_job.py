"""`InferJob`: inferences on one OpenVINO infer request that any thread may cancel at any time.

OpenVINO's own cancel affects only a running request; on an idle request it is lost. A job stores
it, so that a cancel between two inferences of the job takes effect, and a cancel after the job does
not affect the next job.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.models.specs.errors import Cancelled


class InferJob:
    """One or more inferences, one after the other, on one infer request.

    After a cancel between two inferences the next `start` or `result` raises `Cancelled`.
    """

    def __init__(self, request: Any, lock: threading.Lock) -> None:
        self._request = request
        self._lock = lock
        self._cancelled = False
        self.is_started = False

    def start(self, *inputs: NDArray[Any]) -> None:
        """Copy the inputs and start an inference in the background."""
        with self._lock:
            if self._cancelled:
                raise Cancelled("Cancelled.")
            for index, array in enumerate(inputs):
                _set_input(self._request, index, array)
            self._request.start_async()
            self.is_started = True

    def result(self) -> tuple[NDArray[np.float32], ...]:
        """Wait for the inference; return copies of the outputs, which the next one overwrites."""
        try:
            self._request.wait()
        except RuntimeError:
            if not self._cancelled:
                raise
        self.is_started = False
        if self._cancelled:
            raise Cancelled("Cancelled.")
        return tuple(tensor.data.copy() for tensor in self._request.output_tensors)

    def cancel(self) -> None:
        """Cancel the job; call this with the lock held."""
        self._cancelled = True
        if self.is_started:
            self._request.cancel()

    def wait(self) -> None:
        """Cancel the inference, if one is running, and wait for its end."""
        if self.is_started:
            with self._lock:
                self.cancel()
            with contextlib.suppress(Cancelled):
                self.result()


def _set_input(request: Any, index: int, array: NDArray[Any]) -> None:
    """Copy `array` into input tensor `index`; its number type and memory layout are converted."""
    tensor = request.get_input_tensor(index)
    if tuple(tensor.shape) != array.shape:
        tensor.shape = array.shape
    np.copyto(tensor.data, array, casting="same_kind")
