"""Saving a case's labels in the background, and where to propose to save them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from napari_medsam.formats.exits import proposed_suffix
from napari_medsam.formats.label_files import write_label_files
from napari_medsam.formats.labels import Saved, write_labels
from napari_medsam.ui.case import Case
from napari_medsam.ui.images import UNKNOWN_PLACE
from napari_medsam.ui.jobs import Job, JobRunner, Outcome
from napari_medsam.ui.panel import Progress, Tell


@dataclass(frozen=True)
class How:
    """A file for each label instead of one for all; ITK-SNAP's description beside each."""

    one_a_label: bool = False
    description: bool = False


ONE_FILE = How()


class Saver:
    """Writes labels on a lane of its own, so that a click never cancels a save."""

    def __init__(self, jobs: JobRunner, tell: Tell, on_change: Callable[[], None]) -> None:
        self.progress: Progress | None = None
        self._jobs = jobs
        self._tell = tell
        self._on_change = on_change

    def save(self, case: Case, path: Path, how: How = ONE_FILE) -> None:
        """Write the labels as they are now onto the image's own grid, and check the file."""
        annotation, grid = case.annotation, case.image.grid
        labels, table, last = annotation.labels.copy(), annotation.table, annotation.log[-1]
        place = "" if case.has_known_place else f" {UNKNOWN_PLACE}"

        def work(hand_over: Callable[[list[Saved]], None]) -> None:
            if how.one_a_label:
                hand_over(write_label_files(path, labels, grid, table, description=how.description))
            else:
                hand_over([write_labels(path, labels, grid, table, description=how.description)])

        def on_saved(saved: list[Saved]) -> None:
            if annotation.log and annotation.log[-1] is last:
                annotation.mark_saved()
            self._tell(f"{told(saved)}{place}", False)

        def on_end(outcome: Outcome) -> None:
            self.progress = None
            if outcome.kind == "failed":
                self._tell(outcome.sentence, True)
            self._on_change()

        self._jobs.cancel()
        self.progress = Progress(f"Saving {path.name}")
        self._on_change()
        self._jobs.start(Job(work, on_saved, on_end))


def told(saved: list[Saved]) -> str:
    """What was saved and what was checked, in a sentence or two."""
    if not saved:
        return "There is no label to save, so no file was written."
    names = ", ".join(one.path.name for one in saved)
    n_labels, n_voxels = sum(s.n_labels for s in saved), sum(s.n_voxels for s in saved)
    labels = f"{n_labels} label" + ("" if n_labels == 1 else "s")
    return f"Saved {names}: {labels}, {n_voxels:,} voxels. {saved[0].checked}"


def suggested_path(case: Case) -> Path:
    """Beside the image, under a name of its own; in the home folder where it has no file."""
    source = case.image.grid.source
    folder = source.parent if source.exists() else Path.home()
    stem = Path(case.image.name).name.split(".")[0] or "image"
    return folder / f"{stem}_labels{proposed_suffix(case.image.grid)}"
