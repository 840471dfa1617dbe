"""A use of an infer request that another thread may cancel at any moment.

OpenVINO's own cancel acts on a request at work and is forgotten by one that is idle; here it is
remembered, so that a cancel between two inferences of one job is not lost, and one after the job
has no effect on the next.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.models.specs.errors import Cancelled


class InferJob:
    """One or several inferences in turn on one infer request.

    A cancel between two inferences is remembered and found by the next `start` or `result`;
    OpenVINO alone would forget it.
    """

    def __init__(self, request: Any, lock: threading.Lock) -> None:
        self._request = request
        self._lock = lock
        self._cancelled = False
        self.is_started = False

    def start(self, *inputs: NDArray[Any]) -> None:
        with self._lock:
            if self._cancelled:
                raise Cancelled("Cancelled.")
            for index, array in enumerate(inputs):
                _set_input(self._request, index, array)
            self._request.start_async()
            self.is_started = True

    def result(self) -> tuple[NDArray[np.float32], ...]:
        """Wait; return copies of the outputs, for the request's own memory is written again."""
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
        """Call with the lock held."""
        self._cancelled = True
        if self.is_started:
            self._request.cancel()

    def wait(self) -> None:
        """Stop and wait for what is still running."""
        if self.is_started:
            with self._lock:
                self.cancel()
            try:
                self.result()
            except Cancelled:
                return


def _set_input(request: Any, index: int, array: NDArray[Any]) -> None:
    """Copy `array` in, casting and rearranging on the way."""
    tensor = request.get_input_tensor(index)
    if tuple(tensor.shape) != array.shape:
        tensor.shape = array.shape
    np.copyto(tensor.data, array, casting="same_kind")
