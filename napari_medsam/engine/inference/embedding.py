"""What the encoder made of one view of a slice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.inference.frame import Frame


@dataclass(frozen=True, eq=False)
class Embedding:
    """What the encoder made of a view: `features` (C, h, w), the view's `frame`, and its key."""

    features: NDArray[np.floating]
    frame: Frame
    key: str

    @property
    def n_bytes(self) -> int:
        return int(self.features.nbytes)
