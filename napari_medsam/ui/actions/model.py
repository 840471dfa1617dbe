"""Model commands: choose, install or import a model, and open it in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from napari_medsam.engine.inference.predictor import PromptableModel
from napari_medsam.models.runtime.precision_choice import PrecisionPreference
from napari_medsam.models.store.modality_routing import AUTO
from napari_medsam.storage.settings import Settings, settings
from napari_medsam.ui.actions.model_source import ImportedModel, ModelSource
from napari_medsam.ui.state.dock_state import ModelState, Progress
from napari_medsam.ui.state.jobs import Job, JobOutcome
from napari_medsam.ui.state.workspace import Workspace


class ModelActions:
    """The chosen model and the jobs that make it ready; `shelf` is where models come from."""

    def __init__(self, workspace: Workspace, shelf: ModelSource) -> None:
        self.shelf = shelf
        self.progress: Progress | None = None
        self._jobs = workspace.lanes.models
        self._workspace = workspace
        self.modality = ""
        self.choices: tuple[tuple[str, str], ...] = ()
        self._target = next(iter(shelf.titles()))
        self.state = ModelState(AUTO, "Auto", "missing")
        self._list_models()
        self.preference = shelf.preference()
        self._threads = settings().threads
        workspace.settings_changed.connect(self._on_settings)

    def _on_settings(self, chosen: Settings) -> None:
        if chosen.threads != self._threads:
            self._threads = chosen.threads
            self.choose(self.state.name)  # compiled again

    def choose(self, name: str) -> None:
        """Open a model, or show that it is not installed; "auto" chooses by the modality."""
        self._jobs.cancel()
        self._workspace.use_model(None)
        self._list_models()
        why, self._target = "", name
        if name == AUTO:
            self._target, why = self._resolved()
        if self.shelf.is_installed(self._target):
            self._load(name, why)
        else:
            self._enter(self._missing(name))

    def choose_precision(self, preference: PrecisionPreference) -> None:
        """Compute with another precision from now on; the choice is stored."""
        self.preference = preference
        self.shelf.store_preference(preference)
        self.choose(self.state.name)

    def on_modality(self, modality: str) -> None:
        """Handle an image of another modality: "auto" may choose another model for it."""
        self.modality = modality
        if self.state.name != AUTO or self.state.state == "installing":
            return
        target, why = self._resolved()
        if target != self._target:
            self.choose(AUTO)
        elif self.state.state == "ready":
            self._enter(ModelState(AUTO, self.state.title, "ready", why))

    def _resolved(self) -> tuple[str, str]:
        """The model that "auto" means now, and why; the default if none is installed."""
        try:
            return self.shelf.resolve(self.modality)
        except ValueError:
            return next(iter(self.shelf.titles())), ""

    def _list_models(self) -> None:
        """List the choices: Auto, the installed models, the others; with those that take points."""
        here: list[tuple[str, str]] = []
        others: list[tuple[str, str]] = []
        for name, title in self.shelf.titles().items():
            is_here = self.shelf.is_installed(name)
            notes = ["points"] if self.shelf.takes_points(name) else []
            words = ", ".join(notes if is_here else [*notes, "not installed"])
            (here if is_here else others).append((name, f"{title} ({words})" if words else title))
        self.choices = ((AUTO, "Auto: by modality"), *here, *others)

    def _missing(self, name: str) -> ModelState:
        shelf, title = self.shelf, self.shelf.titles()[self._target]
        sentence = f"{title} is not installed ({shelf.about(self._target)})."
        if shelf.can_install(self._target):
            return ModelState(name, title, "missing", sentence, True)
        words, page = shelf.how_to_get(self._target)
        return ModelState(name, title, "missing", f"{sentence} {words}", page=page)

    def _load(self, name: str, why: str) -> None:
        """Open the target; `name` is the choice, its own name or "auto"."""
        target, title = self._target, self.shelf.titles()[self._target]
        self._enter(ModelState(name, title, "loading", f"Loading {title} ..."))

        def on_model(model: PromptableModel) -> None:
            self._enter(ModelState(name, title, "ready", why))
            self._workspace.use_model(model)

        def on_end(outcome: JobOutcome) -> None:
            if outcome.kind == "failed":
                can = self.shelf.can_install(target)
                self._enter(ModelState(name, title, "failed", outcome.sentence, can))
            elif outcome.kind == "done" and preference == "auto":
                self._measure(name, why)

        shelf, preference = self.shelf, self.preference
        self._jobs.start(
            Job(lambda hand_over: hand_over(shelf.open(target, preference)), on_model, on_end)
        )

    def _measure(self, name: str, why: str) -> None:
        """Measure which precision "auto" means if that is unknown; the model can be used meanwhile.

        If a faster precision is safe, the model is opened again with it.
        """
        found: list[str] = []
        is_better: list[bool] = []
        shelf, target = self.shelf, self._target

        def work(hand_over: Callable[[bool | None], None]) -> None:
            if not shelf.is_measured(target):
                hand_over(None)
                hand_over(shelf.measure(target, found.append))

        def on_item(better: bool | None) -> None:
            if better is None:
                self.progress = Progress("Measuring this machine, once")
                self._workspace.refresh()
            else:
                is_better.append(better)

        def on_end(outcome: JobOutcome) -> None:
            self.progress = None
            if found:
                self._workspace.show_message(" ".join(found))
            elif outcome.kind == "failed":
                self._workspace.show_message(outcome.sentence, is_problem=True)
            if any(is_better):
                self._load(name, why)
            self._workspace.refresh()

        self._jobs.start(Job(work, on_item, on_end))

    def install(self) -> None:
        """Fetch the chosen model's weights, then open it."""
        name, title, shelf, target = self.state.name, self.state.title, self.shelf, self._target
        cancel = threading.Event()

        def work(hand_over: Callable[[tuple[int, int]], None]) -> None:
            shelf.install(target, lambda done, total: hand_over((done, total)), cancel)

        def on_progress(bytes_done: tuple[int, int]) -> None:
            self.progress = Progress(f"Installing {title}", *bytes_done)
            self._workspace.refresh()

        self.progress = Progress(f"Installing {title}")
        self._enter(ModelState(name, title, "installing", f"Installing {title} ..."))
        self._jobs.start(
            Job(work, on_progress, lambda o: self._installed(name, o), interrupt=cancel.set)
        )

    def import_file(self, path: Path) -> None:
        """Import the models of a file, folder or zip, then open the first of them."""
        found: list[ImportedModel] = []
        shelf, name = self.shelf, self.state.name
        self.progress = Progress(f"Importing {path.name}")
        self._workspace.refresh()

        def ended(outcome: JobOutcome) -> None:
            self._installed(found[0].name if found else name, outcome)
            if found:
                self._workspace.show_message(found[0].sentence)

        self._jobs.start(
            Job(lambda hand_over: hand_over(shelf.import_file(path)), found.append, ended)
        )

    def cancel(self) -> None:
        """Stop an install; the loading of a model continues."""
        if self.progress is not None:
            self._jobs.cancel()

    def _installed(self, name: str, outcome: JobOutcome) -> None:
        self.progress = None
        if outcome.kind == "failed":
            self._workspace.show_message(outcome.sentence, is_problem=True)
        elif outcome.kind == "cancelled":
            self._workspace.show_message("The model was not installed.")
        self.choose(name)

    def _enter(self, state: ModelState) -> None:
        self.state = state
        self._workspace.refresh()
