"""`ModelSource`: lists, installs, imports and opens the models that the dock offers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_medsam.diagnostics.precision_check import remember_precision
from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.models import loading
from napari_medsam.models.import_model import import_path
from napari_medsam.models.install import install_model
from napari_medsam.models.runtime import precision_choice
from napari_medsam.models.runtime.device import EXACT
from napari_medsam.models.runtime.precision_choice import PrecisionPreference
from napari_medsam.models.specs import catalogue
from napari_medsam.models.specs.model_spec import PageSource
from napari_medsam.models.store import modality_routing, store
from napari_medsam.storage.settings import settings


@dataclass(frozen=True)
class ImportedModel:
    """The result of an import: the model to open, and a sentence about it."""

    name: str
    sentence: str


class ModelSource:
    """The models of `models.specs.catalogue` and those imported, in the user's data folder.

    The tests have a source of their own.
    """

    def titles(self) -> dict[str, str]:
        """All models, name to title, the default first."""
        return {spec.name: spec.title for spec in store.known()}

    def is_installed(self, name: str) -> bool:
        """Whether a model's weights are on this machine."""
        return store.stored_model(name).is_installed

    def takes_points(self, name: str) -> bool:
        """Whether a model takes point prompts as well as boxes."""
        return store.model_spec(name).contract.accepts_points

    def about(self, name: str) -> str:
        """A model's size and licence, in words."""
        spec = store.model_spec(name)
        size = getattr(spec.source, "n_bytes", None) or spec.file.n_bytes
        megabytes = size / 1e6 if size else spec.megabytes
        return f"{megabytes:.0f} MB, {spec.licence}" if megabytes else spec.licence

    def can_install(self, name: str) -> bool:
        """Whether the program can download the weights."""
        return store.model_spec(name).can_install

    def how_to_get(self, name: str) -> tuple[str, str]:
        """For weights that the user must download: what to do, and the web page."""
        source = store.model_spec(name).source
        if not isinstance(source, PageSource):
            return "", ""
        return f"{source.clicks} {source.hint}".strip(), source.page

    def resolve(self, modality: str) -> tuple[str, str]:
        """The installed model for a modality, and why; ValueError if there is none."""
        here = [stored.spec for stored in store.installed()]
        chosen, why = modality_routing.resolve(modality_routing.AUTO, modality, here)
        if len(here) == 1:
            why = f"{chosen.title} is the only model that is installed."
        return chosen.name, why

    def open(self, name: str, preference: PrecisionPreference) -> PromptableModel:
        """Read a model and compile it for a precision; takes about a second."""
        return loading.open_model(name, precision=preference, threads=settings().threads or None)

    def install(
        self, name: str, progress: Callable[[int, int], None], cancel: threading.Event
    ) -> None:
        """Download the weights, reporting bytes done and bytes in all."""
        install_model(catalogue.spec(name), progress=progress, cancel=cancel)

    def import_file(self, path: Path) -> ImportedModel:
        """Import the models of a file, folder or zip."""
        skipped: list[str] = []
        taken = import_path(path, report=skipped.append)
        if len(taken) == 1:
            sentence = " ".join(taken[0].report())
        else:
            names = ", ".join(imported.spec.title for imported in taken)
            sentence = f"{len(taken)} models were imported: {names}."
        return ImportedModel(taken[0].spec.name, " ".join([sentence, *skipped]))

    def preference(self) -> PrecisionPreference:
        """The chosen precision."""
        return precision_choice.precision_preference()

    def store_preference(self, preference: PrecisionPreference) -> None:
        """Store the chosen precision."""
        precision_choice.set_precision_preference(preference)

    def is_measured(self, name: str) -> bool:
        """Whether it has been measured what "auto" means for a model on this machine."""
        return precision_choice.recall(loading.identity_of(name)) is not None

    def measure(self, name: str, report: Callable[[str], None]) -> bool:
        """Measure that, in about ten seconds; True if it is not exact arithmetic."""
        return remember_precision(name, report) != EXACT
