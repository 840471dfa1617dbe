"""`Embedding`: the encoder's output for one view (a slice or a crop of it)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.inference.model_coordinates import Frame


@dataclass(frozen=True, eq=False)
class Embedding:
    """The encoder's output for a view.

    Parameters
    ----------
    features
        (C, h, w), float16, or float32 in compat mode.
    frame
        The geometry of the view in the model's input.
    key
        The cache key; see `Predictor.key`.
    """

    features: NDArray[np.floating]
    frame: Frame
    key: str

    @property
    def n_bytes(self) -> int:
        return int(self.features.nbytes)
