"""Saving a case's labels in the background, and where to propose to save them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_medsam.formats.labels import Saved, write_labels
from napari_medsam.ui.case import Case
from napari_medsam.ui.images import UNKNOWN_PLACE
from napari_medsam.ui.jobs import Job, JobRunner, Outcome
from napari_medsam.ui.panel import Progress, Tell


class Saver:
    """Writes labels on a lane of its own, so that a click never cancels a save."""

    def __init__(self, jobs: JobRunner, tell: Tell, on_change: Callable[[], None]) -> None:
        self.progress: Progress | None = None
        self._jobs = jobs
        self._tell = tell
        self._on_change = on_change

    def save(self, case: Case, path: Path) -> None:
        """Write the labels as they are now onto the image's own grid, and check the file."""
        annotation, grid = case.annotation, case.image.grid
        labels, table, last = annotation.labels.copy(), annotation.table, annotation.log[-1]
        place = "" if case.has_known_place else f" {UNKNOWN_PLACE}"

        def on_saved(saved: Saved) -> None:
            if annotation.log and annotation.log[-1] is last:
                annotation.mark_saved()
            labels = f"{saved.n_labels} label" + ("" if saved.n_labels == 1 else "s")
            self._tell(
                f"Saved {saved.path.name}: {labels}, {saved.n_voxels:,} voxels. "
                f"{saved.checked}{place}",
                False,
            )

        def on_end(outcome: Outcome) -> None:
            self.progress = None
            if outcome.kind == "failed":
                self._tell(outcome.sentence, True)
            self._on_change()

        self._jobs.cancel()
        self.progress = Progress(f"Saving {path.name}")
        self._on_change()
        self._jobs.start(
            Job(
                lambda hand_over: hand_over(write_labels(path, labels, grid, table)),
                on_saved,
                on_end,
            )
        )


def suggested_path(case: Case) -> Path:
    """Beside the image, under a name of its own; in the home folder where it has no file."""
    source = case.image.grid.source
    folder = source.parent if source.exists() else Path.home()
    stem = Path(case.image.name).name.split(".")[0] or "image"
    suffix = ".png" if case.image.volume.is_flat else ".nii.gz"
    return folder / f"{stem}_labels{suffix}"
