"""Networks with random weights, small enough to be fast."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_medsam.models.networks.sam_decoder import SamDecoder
from napari_medsam.models.networks.state_dict_reader import Weights
from napari_medsam.models.networks.tiny_vit import TinyViT

SMALL_ENCODER = TinyViT(
    side=32, stem_kernel=1, stem_stride=1, widths=(32, 64, 64, 96), depths=(1, 1, 1, 1), neck=32
)


SMALL_DECODER = SamDecoder(prompt_side=32.0, side=8, channels=32, heads=4, mlp=48)


class RandomWeights(Weights):
    """Every requested tensor exists: random, reproducible, and stored in `arrays`."""

    def __init__(self, seed: int = 0) -> None:
        self.arrays: dict[str, NDArray[np.float32]] = {}
        self._random = np.random.default_rng(seed)
        super().__init__(self.arrays, "random.pth", "a small network")

    def take(self, key: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
        if key not in self.arrays:
            fan_in = max(1, int(np.prod(shape[1:])))
            values = self._random.standard_normal(shape) / np.sqrt(fan_in)
            if key.endswith("running_var"):
                values = 0.5 + np.abs(values)
            self.arrays[key] = values.astype(np.float32)
        return super().take(key, shape)
