"""`Opening`: a model that is compiled in the background while the caller reads the image.

Reading and building a model occupies Python's interpreter, as importing modules and reading the
image do: run in parallel, each would only slow down the other. Compiling does not need the
interpreter.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from napari_medsam.models import loading
from napari_medsam.models.runtime.precision_choice import PrecisionPreference
from napari_medsam.models.runtime.sam_model import SamModel


class Opening:
    """A model that is read and built at once, and compiled in a thread; `model` waits for it.

    Parameters
    ----------
    name, precision
        As in `loading.open_model`, which also lists the exceptions.
    """

    def __init__(self, name: str, precision: PrecisionPreference = "f32") -> None:
        prepared = loading.prepare(name)
        executor = ThreadPoolExecutor(1, "compile-model")
        self._compiled = executor.submit(lambda: loading.compiled(prepared, precision=precision))
        executor.shutdown(wait=False)

    def model(self) -> SamModel:
        """The compiled model."""
        return self._compiled.result()
