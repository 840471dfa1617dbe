"""A drawn slice, encoded and decoded, and compared with reference values from another machine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_medsam.diagnostics.check_result import Check, first_line
from napari_medsam.models.specs.catalogue import DEFAULT

TEST_BOX = (60.0, 70.0, 180.0, 190.0)
"""In the 256 x 256 frame, around the disc of `disc_on_ramp`."""
EXPECTED = {
    "embedding mean": 0.0720446,
    "embedding value": 0.0214645,
    "mask area": 0.119690,
    "logit": 18.0022,
    "score": 0.979348,
}
"""What `fingerprint` returned in f32 with OpenVINO 2026.4; the disc's true area is 0.1198."""
TOLERANCE = 0.002
"""Relative, or absolute for values below 1: orders of summation differ between processors."""


def reference_slice() -> Check:
    """Encode and decode a drawn disc and compare with LiteMedSAM's reference values."""
    from napari_medsam.models.loading import open_model

    reinstall = "The processor or OpenVINO computes wrongly: reinstall openvino, then report it."
    try:
        measured = fingerprint(open_model(DEFAULT))
    except (ValueError, RuntimeError, OSError) as error:
        return Check("test slice", "problem", first_line(error), reinstall)
    wrong = [
        f"{name} is {measured[name]:.5g}, not {right:.5g}"
        for name, right in EXPECTED.items()
        if abs(measured[name] - right) > TOLERANCE * max(1.0, abs(right))
    ]
    if wrong:
        return Check("test slice", "problem", "; ".join(wrong), reinstall)
    return Check("test slice", "ok", "encoded and decoded with the expected result")


def disc_on_ramp() -> NDArray[np.float32]:
    """(3, 256, 256): a bright disc on a ramp."""
    rows, columns = np.mgrid[:256, :256].astype(np.float32)
    disc = (columns - 120) ** 2 + (rows - 130) ** 2 < 50**2
    image = np.where(disc, np.float32(0.8), (rows + columns) / 2048)
    return np.repeat(image[None], 3, axis=0).astype(np.float32)


def fingerprint(model: Any) -> dict[str, float]:
    """A few numbers that change if anything in the network does."""
    embedding = model.encode(disc_on_ramp())
    decoded = model.decode(embedding, np.array([TEST_BOX], dtype=np.float32))
    return {
        "embedding mean": float(np.mean(np.abs(embedding))),
        "embedding value": float(embedding[7, 30, 30]),
        "mask area": float(np.count_nonzero(decoded.logits > 0)) / decoded.logits[0].size,
        "logit": float(decoded.logits[0, 0].max()),
        "score": float(decoded.iou[0, 0]),
    }
