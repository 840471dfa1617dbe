"""Saves a case's labels in the background, and proposes a file name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from napari_medsam.engine.annotation.events import Event
from napari_medsam.formats.common.errors import SaveError
from napari_medsam.formats.images.read import without_suffix
from napari_medsam.formats.labels.formats_for_image import proposed_suffix
from napari_medsam.formats.labels.per_label import label_paths, write_label_files
from napari_medsam.formats.labels.write import Saved, write_labels
from napari_medsam.storage.file_names import spelled, without_problem
from napari_medsam.ui.layers.image_layer import PLACE_NOT_KNOWN, UNKNOWN_PLACE, has_other_pixels
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
OTHER_IMAGE = (
    "The image's pixels were changed outside this dock; the labels are on the grid of its file as "
    "it was read."
)
BORROWED = "Another window is editing this image; save under a new name."
BUSY = "The labels are already being saved; save again when that has ended."


class _Declined(SaveError):
    """The user wanted no file to be written; the save has not failed."""


class SaveActions:
    """Writes labels on a separate lane, so that a click never cancels a save."""

    def __init__(self, workspace: Workspace) -> None:
        self.progress: Progress | None = None
        self._jobs = workspace.lanes.saving
        self._ask = workspace.view.ask
        self._show_message = workspace.show_message
        self._workspace = workspace

    def save(self, case: Case, path: Path, how: SaveOptions = ONE_FILE) -> None:
        """Write the current labels on the image's own grid, and check the file.

        Asks before saving a file without labels, and before replacing a file that another program
        has written since it was opened or saved here. While another window edits the image, no
        file is replaced.
        """
        try:
            job = self._job(case, path, how, ask_if_empty=not how.one_a_label)
        except _Declined as declined:
            self._show_message(str(declined), for_now=True)
            return
        except SaveError as error:
            self._show_message(str(error), is_problem=True, lasts=True)
            return
        self._jobs.cancel()
        self.progress = Progress(f"Saving {path.name}")
        self._workspace.refresh()
        self._jobs.start(job)

    def save_now(self, case: Case, path: Path, moved_to: Path | None = None) -> Path:
        """Do the same as `save` before returning; empty labels are saved without asking.

        napari and scripts call it, and a script has nobody to answer. A file that the caller may
        then move to `moved_to` counts as saved in the next turn of the event loop, where it is.

        Raises
        ------
        SaveError
            Nothing was written.
        """
        if self.progress is not None:
            raise SaveError(BUSY)  # else the running save could overwrite these with older labels
        job, saved = self._job(case, path, ONE_FILE, ask_if_empty=False), list[Saved]()
        case.has_failed_save = True  # until it is written
        try:
            job.work(saved.extend)
            if moved_to is None:
                job.on_item(saved)
            else:
                self._mark_later(job, saved[0], moved_to)
        finally:
            job.on_end(JobOutcome("done"))
        return saved[0].path

    def _job(
        self, case: Case, path: Path, how: SaveOptions, *, ask_if_empty: bool
    ) -> Job[list[Saved]]:
        """Ask what must be asked; the job that then writes the labels as they are now.

        Raises
        ------
        _Declined
            The user did not want it.
        SaveError
            Files may not be replaced.
        """
        existing = existing_files(case, path, how)
        if case.is_borrowed and existing:
            case.has_failed_save = True
            raise SaveError(f"{_names(existing)} was not replaced. {BORROWED}")
        # else a message about another file stays beside a question about this one
        self._show_message("", for_now=True)
        case.take_over()
        annotation, grid = case.annotation, case.image.grid
        is_empty = not annotation.labels.any()
        if ask_if_empty and is_empty and self._ask(NOTHING_DRAWN, (SAVE_EMPTY,)) != SAVE_EMPTY:
            raise _Declined(NOTHING_SAVED)
        changed = case.files.changed(existing)
        if changed and self._ask(f"{_names(changed)}: {CHANGED}", (REPLACE,)) != REPLACE:
            raise _Declined(f"{_names(changed)} was not replaced; save under a new name.")
        labels, table, last = annotation.labels.copy(), annotation.table, annotation.log[-1]

        def work(hand_over: Callable[[list[Saved]], None]) -> None:
            if how.one_a_label:
                hand_over(write_label_files(path, labels, grid, table, description=how.description))
            else:
                hand_over([write_labels(path, labels, grid, table, description=how.description)])

        def on_end(outcome: JobOutcome) -> None:
            self.progress = None
            if outcome.kind == "failed":
                case.has_failed_save = True
                self._show_message(outcome.sentence, is_problem=True, lasts=True)
            self._workspace.refresh()

        return Job(work, lambda saved: self._on_saved(case, saved, last), on_end)

    def _mark_later(self, job: Job[list[Saved]], saved: Saved, moved_to: Path) -> None:
        written = state_of(saved.path)

        def mark() -> None:
            for path in (moved_to, saved.path):
                if written is not None and state_of(path) == written:
                    job.on_item([replace(saved, path=path)])
                    return

        self._workspace.later(mark)

    def _on_saved(self, case: Case, saved: list[Saved], last: Event) -> None:
        """Handle written files, which hold the labels as of the event `last`."""
        for file in saved:
            case.files.remember(file.path, state_of(file.path))
            case.files.saved_in = file.path.absolute().parent
        annotation = case.annotation
        if saved:
            case.has_failed_save = False
            if annotation.log and annotation.log[-1] is last:
                annotation.mark_saved()
        sentence, detail = saved_message(saved), saved_detail(saved)
        if not case.has_known_place:
            sentence, detail = f"{sentence} {PLACE_NOT_KNOWN}", f"{detail}\n{UNKNOWN_PLACE}"
        elif has_other_pixels(case.layer, case.image):
            self._show_message(f"{sentence} {OTHER_IMAGE}", is_problem=True, detail=detail)
            return
        self._show_message(sentence, detail=detail)


def existing_files(case: Case, path: Path, how: SaveOptions) -> list[Path]:
    """The files that a save would replace."""
    annotation = case.annotation
    rows = [label for label in annotation.table if annotation.voxel_count(label.number)]
    targets = label_paths(path, rows) if how.one_a_label else [path]
    return [target for target in targets if target.exists()]


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
    lines = [f"{file.path.absolute()}: {file.n_voxels:,} labelled voxels" for file in saved]
    return "\n".join([*lines, saved[0].checked]) if saved else ""


def suggested_path(case: Case) -> Path:
    """A file name in the folder last saved to, else beside the image, else in the home folder."""
    source, saved_in = case.image.grid.source, case.files.saved_in
    folder = source.parent if source.exists() else Path.home()
    if saved_in is not None and saved_in.is_dir():
        folder = saved_in
    stem = without_problem(without_suffix(Path(case.image.name).name)) or "image"
    return folder / spelled(f"{stem}_labels{proposed_suffix(case.image.grid)}")
