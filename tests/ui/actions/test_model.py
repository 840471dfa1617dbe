"""The model's part of the dock: Auto by modality, imports, and what to click on a web page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_medsam.models.specs.catalogue import CATALOGUE
from napari_medsam.models.specs.model_spec import PageSource
from napari_medsam.models.store.modality_routing import AUTO
from napari_medsam.ui.actions.model_source import ModelSource
from tests.tiny_model import TinyMedSam
from tests.ui.desk import Desk, image_layer, make_desk


@pytest.fixture
def two_models() -> Iterator[Desk]:
    """TinyMedSam for anything, and one for PET."""
    made = make_desk()
    made.shelf.others["petsam"] = TinyMedSam(identity="petsam")
    made.shelf.routes["PET"] = "petsam"
    yield made
    made.controller.close()


def model_in_use(desk: Desk) -> str:
    session = desk.controller.case.session
    assert session is not None
    return session.model.identity


def test_auto_is_chosen_at_first_and_says_why(desk: Desk) -> None:
    model = desk.view.panel.model
    assert model is not None
    assert (model.name, model.state) == (AUTO, "ready")
    assert model.sentence == "TinyMedSam is for anything."


def test_auto_opens_the_model_of_the_images_modality_and_comes_back(two_models: Desk) -> None:
    two_models.open(image_layer(name="first", modality="PET"))
    assert model_in_use(two_models) == "petsam"
    assert two_models.view.panel.model.sentence == "PETSAM is for PET."
    two_models.open(image_layer(name="second", modality="CT"))
    assert model_in_use(two_models) == "tiny"


def test_modality_is_read_from_a_challenge_files_name(two_models: Desk) -> None:
    two_models.open(image_layer(name="3DBox_PET_0001.npz"))
    assert model_in_use(two_models) == "petsam"


def test_users_choice_stays_whatever_is_opened(two_models: Desk) -> None:
    two_models.open(image_layer(name="first", modality="PET"))
    two_models.controller.desk.choose("tiny")
    two_models.open(image_layer(name="second", modality="PET"))
    assert model_in_use(two_models) == "tiny"
    assert two_models.view.panel.model.sentence == ""


def test_without_any_model_auto_offers_the_default() -> None:
    desk = make_desk(installed=False)
    model = desk.view.panel.model
    assert (model.name, model.state, model.can_install) == (AUTO, "missing", True)
    assert "TinyMedSam is not installed" in model.sentence
    desk.controller.desk.install()
    assert desk.view.panel.model.state == "ready"
    desk.controller.close()


def test_imported_model_is_listed_and_used_and_told(desk: Desk) -> None:
    assert [name for name, _ in desk.view.panel.models] == [AUTO, "tiny"]
    desk.controller.desk.import_file(Path("models.zip"))
    assert [name for name, _ in desk.view.panel.models] == [AUTO, "tiny", "brought"]
    assert desk.view.panel.model.name == "brought"
    assert desk.view.panel.message == "Recognized as BROUGHT."


def test_file_that_is_no_model_is_refused_and_the_model_stays(desk: Desk) -> None:
    desk.controller.desk.import_file(Path("notes.txt"))
    assert desk.view.panel.message == "notes.txt is no weights file."
    assert desk.view.panel.is_problem
    assert desk.view.panel.model.state == "ready"


def test_model_on_a_web_page_says_what_to_click(desk: Desk) -> None:
    desk.shelf.pages["pagesam"] = "https://example.org/weights"
    desk.controller.desk.choose("pagesam")
    model = desk.view.panel.model
    assert model.state == "missing"
    assert not model.can_install
    assert model.page == "https://example.org/weights"
    assert model.sentence.endswith("Click the arrow.")
    assert ("pagesam", "PAGESAM (not installed)") in desk.view.panel.models


@pytest.mark.parametrize(
    "name", [one.name for one in CATALOGUE if isinstance(one.source, PageSource)]
)
def test_every_model_on_a_page_has_words_and_an_address(name: str) -> None:
    words, page = ModelSource().how_to_get(name)
    assert "mport" in words
    assert page.startswith("https://")


def test_shelf_imports_a_folder_and_resolves_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.models.released_graphs import encoder, unit_box_decoder

    monkeypatch.setenv("NAPARI_MEDSAM_HOME", str(tmp_path / "home"))
    shelf = ModelSource()
    with pytest.raises(ValueError, match="No model is installed"):
        shelf.resolve("CT")
    folder = tmp_path / "litemedsam"
    folder.mkdir()
    encoder("hwc", 256).save(folder / "encoder.xml")
    unit_box_decoder(256).save(folder / "decoder.xml")
    taken = shelf.import_file(folder)
    assert taken.name == "hawken50-litemedsam"
    assert "Self-test on a drawn disc" in taken.sentence
    assert shelf.is_installed(taken.name)
    name, why = shelf.resolve("CT")
    assert (name, why) == (taken.name, "hawken50 LiteMedSAM is the only model that is installed.")
