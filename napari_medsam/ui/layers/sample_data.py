"""Sample images, available offline: a synthetic CT, and pictures from scikit-image.

napari depends on scikit-image. Only pictures in its wheel are offered; others would be downloaded.
"""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files

from napari_medsam.formats.images.read import read_image
from napari_medsam.headless.synthetic_case import synthetic_abdomen
from napari_medsam.ui.layers.image_layer import LayerData, image_layer_data


def synthetic_ct() -> list[LayerData]:
    """A synthetic abdomen, not of a person."""
    return [image_layer_data(synthetic_abdomen().image)]


def fundus() -> list[LayerData]:
    """A retina (scikit-image, `data.retina`)."""
    return _picture("retina.jpg", "fundus", "Fundus")


def microaneurysms() -> list[LayerData]:
    """A detail of a retina in diabetes (scikit-image, `data.microaneurysms`)."""
    return _picture("microaneurysms.png", "microaneurysms", "Fundus")


def histology() -> list[LayerData]:
    """Colonic glands, stained (scikit-image, `data.immunohistochemistry`)."""
    return _picture("ihc.png", "histology", "Microscopy")


def cell() -> list[LayerData]:
    """A cell under the microscope (scikit-image, `data.cell`)."""
    return _picture("cell.png", "cell", "Microscopy")


def _picture(file: str, name: str, modality: str) -> list[LayerData]:
    with as_file(files("skimage") / "data" / file) as path:
        image = read_image(path)
    volume = replace(image.volume, modality=modality)
    return [image_layer_data(replace(image, volume=volume, name=name))]
