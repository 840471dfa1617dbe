"""The catalogue's records are complete and consistent."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_medsam.models.catalogue import CATALOGUE, DEFAULT, ModelSpec, WheelSource, spec
from napari_medsam.models.loading import FAMILIES


def test_names_are_unique() -> None:
    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)


def test_default_is_known() -> None:
    assert spec(DEFAULT).name == DEFAULT


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_each_model_can_be_built_and_cited(model: ModelSpec) -> None:
    assert model.family in FAMILIES
    assert "https://" in model.paper
    assert model.homepage.startswith("https://")
    assert model.licence


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_what_is_fetched_by_itself_is_pinned_by_hash(model: ModelSpec) -> None:
    if isinstance(model.source, WheelSource):
        assert len(model.source.sha256) == 64
        assert model.file.sha256 is not None
        assert model.file.n_bytes is not None


def test_listing_models_loads_no_runtime() -> None:
    code = (
        "import sys; from napari_medsam.models import store, catalogue;"
        "assert not {'openvino', 'napari', 'qtpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
