"""In compat mode the masks are those of the original LiteMedSAM script, pixel by pixel.

The original's results were recorded by running it unmodified (reference/README.md).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from napari_medsam.engine.data.prompts import SliceRef, box_prompt
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.propagation.propagation_seeds import seed_from_3d_box
from napari_medsam.engine.session import Session

pytestmark = [pytest.mark.weights, pytest.mark.shared]

MOST_DIFFERING = 1e-4
"""One pixel in ten thousand; measured is none."""


@pytest.fixture(scope="module")
def model(weights_path):
    from napari_medsam.models.loading import open_model

    return open_model("litemedsam")


@pytest.fixture(scope="module")
def pipeline(shared_dir) -> Path:
    return shared_dir / "reference" / "litemedsam" / "pipeline"


def reference_volume(shared_dir: Path) -> np.ndarray:
    path = shared_dir / "reference" / "fill.py"
    module_spec = importlib.util.spec_from_file_location("reference_fill", path)
    fill = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(fill)
    return fill.make_volume(1, 24, 160, 208)


@pytest.mark.parametrize(
    "case", ["2DBox_Microscope_coins", "2DBox_Fundus_microaneurysms", "2DBox_Fundus_retina"]
)
def test_2d_masks_equal_the_original_script(model, pipeline, case):
    recorded = np.load(pipeline / f"{case}.npz")
    volume = Volume(recorded["imgs"][None])
    shape = volume.slice_shape("z")
    boxes = [box_prompt(SliceRef("z", 0), tuple(b), shape) for b in recorded["boxes"]]
    segs = np.zeros(shape, np.uint8)
    for n, mask in enumerate(Session(volume, model, compat=True).segment(boxes), start=1):
        segs[mask.mask] = n
    assert (segs != recorded["segs"]).mean() <= MOST_DIFFERING


def test_3d_masks_equal_the_original_script(model, pipeline, shared_dir):
    recorded = np.load(pipeline / "3DBox_CT_synthetic.npz")
    volume = Volume(reference_volume(shared_dir))
    session = Session(volume, model, compat=True)
    segs = np.zeros(volume.shape_zyx, np.uint8)
    for n, (x0, y0, z0, x1, y1, z1) in enumerate(recorded["boxes"].tolist(), start=1):
        box = box_prompt(SliceRef("z", 0), (x0, y0, x1, y1), volume.slice_shape("z"))
        for _, mask in session.propagate([seed_from_3d_box(box, z0, z1, label=n)]):
            segs[mask.slice.index][mask.mask] = n
    assert (segs != recorded["segs"]).mean() <= MOST_DIFFERING
