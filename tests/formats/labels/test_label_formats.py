"""One table of label formats: it is light, whole, and what everything else takes them from."""

from __future__ import annotations

import warnings
from pathlib import Path
from pkgutil import resolve_name

import pytest

from napari_medsam.diagnostics import format_check
from napari_medsam.formats.images.read import SUFFIXES, suffix_of
from napari_medsam.formats.images.write import IMAGE_FORMATS
from napari_medsam.formats.labels import label_formats
from napari_medsam.formats.labels.label_formats import (
    BY_SUFFIX,
    DICOM_SEG,
    LABEL_FORMATS,
    LabelFormat,
)
from napari_medsam.headless.convert import TARGETS
from tests.conftest import PROJECT
from tests.project.test_import_layers import HEAVY, loaded_by


def test_every_format_of_the_module_is_in_the_table() -> None:
    defined = [one for one in vars(label_formats).values() if isinstance(one, LabelFormat)]
    assert defined == list(LABEL_FORMATS)
    assert len({one.title for one in LABEL_FORMATS}) == len(LABEL_FORMATS)


def test_no_suffix_chooses_two_formats_and_each_is_read_as_one() -> None:
    assert len(BY_SUFFIX) == sum(len(one.suffixes) for one in LABEL_FORMATS)
    assert all(suffix_of(Path(f"case.v2{suffix}")) == suffix for suffix in BY_SUFFIX)


@pytest.mark.parametrize("one", LABEL_FORMATS, ids=lambda one: one.title)
def test_functions_that_a_format_names_exist(one: LabelFormat) -> None:
    named = [f"{one.module}:write", f"{one.module}:check", *([one.reader] if one.reader else [])]
    assert all(callable(resolve_name(f"napari_medsam.formats.{name}")) for name in named)


def test_table_loads_no_library() -> None:
    statement = "import napari_medsam.formats.labels.label_formats"
    unwanted = (*HEAVY, "numpy", "SimpleITK", "nibabel", "pydicom", "highdicom", "PIL", "tifffile")
    assert loaded_by(statement).isdisjoint(unwanted)


def test_formats_that_hold_images_are_those_that_images_are_written_in() -> None:
    holds = {suffix for suffix, one in BY_SUFFIX.items() if one.holds_images}
    assert holds == set(IMAGE_FORMATS)
    assert set(TARGETS) == set(BY_SUFFIX)


def test_what_is_written_can_be_opened() -> None:
    own_readers = {suffix for suffix, one in BY_SUFFIX.items() if one.reader}
    assert set(BY_SUFFIX) <= set(SUFFIXES) | own_readers


def test_doctor_tries_every_format() -> None:
    tried = {one.title for one in format_check.try_formats()}
    assert tried == {one.title for one in LABEL_FORMATS} | {"DICOM series"}


def test_napari_is_offered_every_format() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # npe2's own, under new pydantic
        from npe2 import PluginManifest

        manifest = PluginManifest.from_file(PROJECT / "napari_medsam" / "napari.yaml")
    offered = [
        suffix for one in manifest.contributions.writers for suffix in one.filename_extensions
    ]
    assert len(offered) == len(set(offered))
    # A plain .dcm is for DICOM images too, so no line proposes it.
    assert set(offered) == set(BY_SUFFIX) - set(DICOM_SEG.suffixes[1:])
