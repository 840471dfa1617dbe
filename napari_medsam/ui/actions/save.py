"""Saves a case's labels in the background, and proposes a file name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

from napari_medsam.engine.annotation.events import Event
from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.images.read import without_suffix
from napari_medsam.formats.labels.formats_for_image import proposed_suffix
from napari_medsam.formats.labels.per_label import label_paths, write_label_files
from napari_medsam.formats.labels.write import Saved, write_labels
from napari_medsam.storage.file_names import without_problem
from napari_medsam.ui.layers.image_layer import PLACE_NOT_KNOWN, UNKNOWN_PLACE
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.case_files import state_of
from napari_medsam.ui.state.dock_state import Progress
from napari_medsam.ui.state.jobs import Job, JobOutcome
from napari_medsam.ui.state.workspace import Workspace


@dataclass(frozen=True)
class SaveOptions:
    """Whether to write one file per label, and an ITK-SNAP description beside each file."""

    one_a_label: bool = False
    description: bool = False


ONE_FILE = SaveOptions()
SAVE_EMPTY, NOTHING_DRAWN = "Save an empty file", "Nothing is drawn yet. Save an empty file?"
NOTHING_SAVED = "Nothing is drawn yet, so no file was saved."
REPLACE = "Replace it"
CHANGED = "another program has changed this since it was opened or saved here. Replace it?"
BORROWED = "Another window is editing this image; save under a new name."
BUSY = "The labels are already being saved; save again when that has ended."


class SaveActions:
    """Writes labels on a separate lane, so that a click never cancels a save."""

    def __init__(self, workspace: Workspace) -> None:
        self.progress: Progress | None = None
        self._jobs = workspace.lanes.saving
        self._ask = workspace.view.ask
        self._show_message = workspace.show_message
        self._on_change = workspace.refresh
        self._failed: WeakSet[Case] = WeakSet()

    def has_failed(self, case: Case) -> bool:
        """Whether the last save of a case failed; one that the user cancelled does not count."""
        return case in self._failed

    def save(self, case: Case, path: Path, how: SaveOptions = ONE_FILE) -> None:
        """Write the current labels on the image's own grid, and check the file.

        Asks before saving a file without labels, and before replacing a file that another program
        has written since it was opened or saved here. While another window edits the image, no
        file is replaced.
        """
        existing = _existing(case, path, how)
        why_not = _why_not(case, existing)
        if why_not:
            self._failed.add(case)
            self._show_message(why_not, is_problem=True, lasts=True)
            return
        # else a message about another file stays beside a question about this one
        self._show_message("", for_now=True)
        is_empty = not how.one_a_label and not case.annotation.labels.any()
        if is_empty and self._ask(NOTHING_DRAWN, (SAVE_EMPTY,)) != SAVE_EMPTY:
            self._show_message(NOTHING_SAVED, for_now=True)
            return
        declined = self._declined(case, existing)
        if declined:
            self._show_message(declined, for_now=True)
            return
        annotation, grid = case.annotation, case.image.grid
        labels, table, last = annotation.labels.copy(), annotation.table, annotation.log[-1]

        def work(hand_over: Callable[[list[Saved]], None]) -> None:
            if how.one_a_label:
                hand_over(write_label_files(path, labels, grid, table, description=how.description))
            else:
                hand_over([write_labels(path, labels, grid, table, description=how.description)])

        def on_saved(saved: list[Saved]) -> None:
            self._on_saved(case, saved, last)

        def on_end(outcome: JobOutcome) -> None:
            self.progress = None
            if outcome.kind == "failed":
                self._failed.add(case)
                self._show_message(outcome.sentence, is_problem=True, lasts=True)
            self._on_change()

        self._jobs.cancel()
        self.progress = Progress(f"Saving {path.name}")
        self._on_change()
        self._jobs.start(Job(work, on_saved, on_end))

    def save_now(self, case: Case, path: Path) -> Path:
        """Write the labels before returning; empty ones without asking.

        napari and scripts call it, and a script has nobody to answer. It asks, as `save` does,
        only before replacing a file that another program has written.

        Raises
        ------
        SaveError
            Nothing was written.
        """
        if self.progress is not None:
            raise SaveError(BUSY)  # else the running save could overwrite these with older labels
        existing = _existing(case, path, ONE_FILE)
        why_not = _why_not(case, existing)
        if why_not:
            self._failed.add(case)
            raise SaveError(why_not)
        declined = self._declined(case, existing)
        if declined:
            raise SaveError(declined)
        self._failed.add(case)  # until it is written
        annotation = case.annotation
        last = annotation.log[-1]
        saved = write_labels(path, annotation.labels.copy(), case.image.grid, annotation.table)
        self._on_saved(case, [saved], last)
        self._on_change()
        return saved.path

    def _on_saved(self, case: Case, saved: list[Saved], last: Event) -> None:
        """Handle written files, which hold the labels as of the event `last`."""
        for file in saved:
            case.files.remember(file.path, state_of(file.path))
            case.files.saved_in = file.path.absolute().parent
        annotation = case.annotation
        if saved:
            self._failed.discard(case)
            if annotation.log and annotation.log[-1] is last:
                annotation.mark_saved()
        sentence, detail = saved_message(saved), saved_detail(saved)
        if not case.has_known_place:
            sentence, detail = f"{sentence} {PLACE_NOT_KNOWN}", f"{detail}\n{UNKNOWN_PLACE}"
        self._show_message(sentence, detail=detail)

    def _declined(self, case: Case, existing: list[Path]) -> str:
        """Ask before replacing changed files; a sentence if the user declines, else empty."""
        changed = case.files.changed(existing)
        if changed and self._ask(f"{_names(changed)}: {CHANGED}", (REPLACE,)) != REPLACE:
            return f"{_names(changed)} was not replaced; save under a new name."
        return ""


def _existing(case: Case, path: Path, how: SaveOptions) -> list[Path]:
    """The files that a save would replace."""
    annotation = case.annotation
    rows = [label for label in annotation.table if annotation.voxel_count(label.number)]
    targets = label_paths(path, rows) if how.one_a_label else [path]
    return [target for target in targets if target.exists()]


def _why_not(case: Case, existing: list[Path]) -> str:
    """A sentence: why existing files may not be replaced; empty if they may."""
    if case.is_borrowed and existing:
        return f"{_names(existing)} was not replaced. {BORROWED}"
    return ""


def _names(paths: list[Path]) -> str:
    return ", ".join(path.name for path in paths)


def saved_message(saved: list[Saved]) -> str:
    """One line: what was saved; several files are only counted."""
    if not saved:
        return "There is no label to save, so no file was written."
    name = saved[0].path.name if len(saved) == 1 else f"{len(saved)} files"
    n_labels = sum(file.n_labels for file in saved)
    return f"Saved and checked: {name}, {n_labels} label{'' if n_labels == 1 else 's'}."


def saved_detail(saved: list[Saved]) -> str:
    """A line for each file, and one that says what was checked; "" if there is no file."""
    lines = [f"{file.path}: {file.n_voxels:,} labelled voxels" for file in saved]
    return "\n".join([*lines, saved[0].checked]) if saved else ""


def suggested_path(case: Case) -> Path:
    """A file name in the folder last saved to, else beside the image, else in the home folder."""
    source, saved_in = case.image.grid.source, case.files.saved_in
    folder = source.parent if source.exists() else Path.home()
    if saved_in is not None and saved_in.is_dir():
        folder = saved_in
    stem = without_problem(without_suffix(Path(case.image.name).name)) or "image"
    return folder / f"{stem}_labels{proposed_suffix(case.image.grid)}"
