"""The catalogue's records are complete and consistent."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_medsam.input_contract import InputContract
from napari_medsam.models.loading import FAMILIES
from napari_medsam.models.specs.catalogue import (
    CATALOGUE,
    CHALLENGE_MODALITIES,
    DEFAULT,
    ModelSpec,
    PageSource,
    UrlSource,
    WheelSource,
    spec,
)


def test_names_are_unique() -> None:
    assert len({model.name for model in CATALOGUE}) == len(CATALOGUE)


def test_default_is_known() -> None:
    assert spec(DEFAULT).name == DEFAULT


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_each_model_can_be_built_and_cited(model: ModelSpec) -> None:
    assert model.family in FAMILIES or "OpenVINO" in model.formats
    assert "https://" in model.paper
    assert model.homepage.startswith("https://")
    assert model.licence


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_what_is_fetched_by_itself_is_pinned_by_hash(model: ModelSpec) -> None:
    if isinstance(model.source, WheelSource):
        assert len(model.source.sha256) == 64
        assert model.file.sha256 is not None
        assert model.file.n_bytes is not None


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_addresses_are_https_and_words_are_of_one_vocabulary(model: ModelSpec) -> None:
    address = {WheelSource: "", UrlSource: "url", PageSource: "page"}[type(model.source)]
    assert not address or getattr(model.source, address).startswith("https://")
    assert set(model.modalities) <= set(CHALLENGE_MODALITIES)
    assert model.note
    assert model.gmacs > 0
    assert InputContract.from_dict(model.contract.as_dict()) == model.contract


def test_points_are_offered_where_they_were_trained() -> None:
    assert spec("litemedsam").prompts == "boxes"
    assert spec("efficientsam-ti").prompts == "boxes, positive points (at most 6)"
    assert spec("sam-med2d").prompts == "boxes, points, masks"
    assert spec("medsam-vit-b").prompts == "boxes"


def test_listing_models_loads_no_runtime() -> None:
    code = (
        "import sys; from napari_medsam.models.store import store; "
        "from napari_medsam.models.specs import catalogue; "
        "assert not {'openvino', 'napari', 'qtpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
