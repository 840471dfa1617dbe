"""An annotation for the tests of what changes it."""

from __future__ import annotations

import pytest

from napari_medsam.engine.annotation.annotation import Annotation
from tests.engine.annotations import SHAPE


@pytest.fixture
def annotation() -> Annotation:
    annotation = Annotation(SHAPE)
    annotation.add_label("liver")
    annotation.add_label("spleen")
    return annotation
