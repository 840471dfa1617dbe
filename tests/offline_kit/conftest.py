"""A kit of empty wheels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from napari_medsam.offline_kit.build import build_kit
from napari_medsam.offline_kit.platforms import Target
from tests.offline_kit.wheelhouse import LINUX, MakeKit, Wheelhouse


@pytest.fixture
def make_kit(tmp_path: Path) -> MakeKit:
    """A kit of empty wheels and no weights."""

    def make(*targets: Target, needs: dict[str, Sequence[str]] | None = None) -> Path:
        folder = tmp_path / "kit"
        house = Wheelhouse(needs)
        build_kit(folder, targets or (LINUX,), models=(), fetcher=house.fetcher)
        return folder

    return make
