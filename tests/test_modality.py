"""One list of modalities, and every spelling in it leads to one of them."""

from __future__ import annotations

import pytest

from napari_medsam.formats.challenge_npz.arrays import modality_in_name
from napari_medsam.modality import (
    CHALLENGE_SPELLINGS,
    DICOM_MODALITIES,
    MODALITIES,
    SPELLINGS,
)
from napari_medsam.models.specs.catalogue import CHALLENGE_MODALITIES
from napari_medsam.models.store.modality_routing import challenge_modality


@pytest.mark.parametrize("table", [SPELLINGS, CHALLENGE_SPELLINGS, DICOM_MODALITIES])
def test_spellings_lead_to_every_modality_and_to_nothing_else(table: dict[str, str]):
    assert set(table.values()) == set(MODALITIES)


def test_the_catalogue_and_the_volumes_have_the_same_words():
    assert CHALLENGE_MODALITIES is MODALITIES


def test_names_of_files_are_read_in_lower_case():
    assert all(word == word.lower() for word in CHALLENGE_SPELLINGS)


@pytest.mark.parametrize("word", SPELLINGS)
def test_challenge_files_are_read_alike_by_their_reader_and_by_the_routing(word: str):
    name = f"2DBox_{word}_0001.npz"
    assert modality_in_name(name) == challenge_modality(name) == SPELLINGS[word]
