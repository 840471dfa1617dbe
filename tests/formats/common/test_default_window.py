"""What a header knows of the window, and when it is followed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_medsam.engine.data.volume import Volume
from napari_medsam.formats.common.default_window import (
    FROM_FILE,
    first_window,
    requested_window,
    why_this_window,
    window_named,
    window_names,
)
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.common.image_file import ImageFile


def image(
    modality: str, window: tuple[float, float] | None = None, body_part: str = ""
) -> ImageFile:
    voxels = np.linspace(-1000, 1500, 60).reshape(3, 4, 5).astype(np.int16)
    grid = SourceGrid("dicom", Path("ct"), Geometry((3, 4, 5), (1, 1, 1), (0, 0, 0), np.eye(3)))
    return ImageFile(Volume(voxels, modality=modality), grid, "ct", (), window, body_part)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ((-1350, 150), "lung"),
        ((-160, 240), "soft tissue"),
        ((-1400, 200), "lung"),
        ((-125, 225), "mediastinum"),
        ((-300, 900), FROM_FILE),
        ((-1024, 3071), "auto"),
        ((5000, 6000), "auto"),
    ],
)
def test_ct_begins_with_the_window_its_header_asks_for(
    window: tuple[float, float], expected: str
) -> None:
    assert first_window(image("CT", window)) == expected


def test_body_part_counts_where_no_window_is_stated() -> None:
    assert first_window(image("CT", None, "head")) == "brain"
    assert first_window(image("CT", None, "chest")) == "auto"


def test_radiograph_begins_with_its_headers_window() -> None:
    found = image("X-Ray", (100.0, 900.0))
    window = window_named(found, first_window(found))
    assert (window.lower, window.upper) == (100.0, 900.0)


@pytest.mark.parametrize("modality", ["MR", "PET", "US", ""])
def test_other_modalities_offer_it_and_begin_as_their_models_were_trained(modality: str) -> None:
    found = image(modality, (100.0, 900.0))
    assert first_window(found) == "auto"
    assert FROM_FILE in window_names(found)


def test_image_without_a_window_does_not_offer_one() -> None:
    assert FROM_FILE not in window_names(image("MR"))
    with pytest.raises(ValueError, match="states no window"):
        window_named(image("MR"), FROM_FILE)


def test_auto_on_the_command_line_is_what_the_screen_begins_with() -> None:
    window = requested_window(image("CT", (-1350, 150)), "auto")
    assert (window.lower, window.upper) == (-1000.0, 150.0)
    assert requested_window(image("CT"), "0,80").upper == 80.0


def test_why_is_said_only_where_there_is_a_reason() -> None:
    assert why_this_window(image("CT")) == ""
    assert why_this_window(image("CT", (-1350, 150))) == "Window: lung (from the file)."
    assert why_this_window(image("CT", None, "brain")) == "Window: brain (for this body part)."
