"""The model for a modality is chosen by the teams' rules, never by a stray word in a path."""

from __future__ import annotations

from dataclasses import replace

import pytest

from napari_medsam.models.specs.catalogue import CATALOGUE, CHALLENGE_MODALITIES, ModelSpec, spec
from napari_medsam.models.store.modality_routing import (
    DAFT_ROUTES,
    HAWKEN50_ROUTES,
    challenge_modality,
    resolve,
    route,
)

LITE = spec("litemedsam")


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("3DBox_CT_0566.npz", "CT"),
        ("3DBox_PET_0001.npz", "PET"),
        ("2DBox_MR_0133.npz", "MR"),
        ("2DBox_X-Ray_0001.npz", "X-Ray"),
        ("2DBox_XRay_0001.npz", "X-Ray"),
        ("2DBox_CXR_1.npz", "X-Ray"),
        ("2DBox_Microscope_0001.npz", "Microscopy"),
        ("2DBox_Microscopy_0001.npz", "Microscopy"),
        ("2DBox_Mammography_demo.npz", "Mammography"),
        ("/US/CT/2DBox_Endoscopy_1.npz", "Endoscopy"),
        ("2DBox_OCT_1.npz", "OCT"),
        ("2DBox_Something_1.npz", ""),
        ("patient_US_7.npz", ""),
        ("MR_BRUCE_CT.npz", ""),
        ("my2DBox_CT_1.npz", ""),
        ("3DBox_CTA_1.npz", ""),
    ],
)
def test_modality_is_read_from_challenge_names_only(name: str, modality: str) -> None:
    assert challenge_modality(name) == modality


def test_every_modality_has_a_model_of_daft() -> None:
    assert {one.modality for one in DAFT_ROUTES} == set(CHALLENGE_MODALITIES)
    for one in (*DAFT_ROUTES, *HAWKEN50_ROUTES):
        assert one.modality in spec(one.model).modalities


@pytest.mark.parametrize(
    ("modality", "name"), [("CT", "daft-3d"), ("US", "daft-us"), ("OCT", "daft-oct")]
)
def test_auto_takes_the_model_for_the_modality(modality: str, name: str) -> None:
    installed = [LITE, spec("daft-3d"), spec("daft-us"), spec("daft-oct"), spec("daft-general")]
    chosen, why = resolve("auto", modality, installed)
    assert chosen.name == name
    assert why == f"{chosen.title} is DAFT's model for {modality}."


def test_auto_without_a_special_model_takes_the_general_one() -> None:
    chosen, why = resolve("auto", "Fundus", [spec("daft-3d"), spec("mobilesam"), LITE])
    assert chosen == LITE
    assert why == "LiteMedSAM is used because no installed model is specific to Fundus."
    assert resolve("auto", "", [spec("daft-3d"), LITE])[1].endswith("the modality is unknown.")


def test_auto_prefers_a_medical_model_to_one_of_photographs() -> None:
    assert resolve("auto", "CT", [spec("mobilesam"), spec("repmedsam")])[0].name == "repmedsam"
    assert resolve("auto", "CT", [spec("mobilesam")])[0].name == "mobilesam"


def test_own_model_for_a_modality_comes_before_the_general() -> None:
    own = replace(LITE, name="mine", title="Mine", modalities=("US",))
    assert resolve("auto", "US", [LITE, own])[0] == own
    assert resolve("auto", "CT", [LITE, own])[0] == LITE


def test_own_files_under_a_catalogue_name_are_for_what_they_say() -> None:
    restricted = replace(spec("daft-3d"), modalities=("MR",))
    assert resolve("auto", "CT", [LITE, restricted])[0] == LITE


def test_hawken50_votes_over_three_views_for_pet_volumes_only() -> None:
    volume = route("hawken50", "PET", is_3d=True)
    assert volume is not None
    assert (volume.model, volume.views) == ("hawken50-litemedsam", 3)
    flat = route("hawken50", "PET", is_3d=False)
    assert flat is not None
    assert flat.views == 1
    xray = route("hawken50", "X-Ray", is_3d=False)
    assert xray is not None
    assert xray.model == "hawken50-efficientvit"
    assert route("DAFT", "", is_3d=True) is None


def test_model_asked_for_is_taken_or_named_as_missing() -> None:
    assert resolve("litemedsam", "CT", [LITE])[0] == LITE
    with pytest.raises(ValueError, match=r"daft-3d is not installed; installed models: litemedsam"):
        resolve("daft-3d", "CT", [LITE])
    with pytest.raises(ValueError, match="No model is installed"):
        resolve("auto", "CT", [])


@pytest.mark.parametrize("model", CATALOGUE, ids=lambda model: model.name)
def test_every_installed_model_alone_can_be_chosen(model: ModelSpec) -> None:
    assert resolve("auto", "CT", [model])[0] == model
