"""`LabelFiles`: opens label files on the open image, and imports and exports its label table.

Labels on the image's grid are loaded at once. If their grid differs, the user decides whether they
are resampled; if the image already has labels, whether those stay.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_medsam.formats.common.errors import OtherGrid, ReadError, SaveError
from napari_medsam.formats.common.label_file import LabelFile
from napari_medsam.formats.common.label_table import read_label_table, write_label_table
from napari_medsam.formats.labels.read import read_label_file
from napari_medsam.ui.actions.background_read import BackgroundRead
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.case_files import state_of
from napari_medsam.ui.state.workspace import Workspace

Read = tuple[LabelFile, int]
"""A label file and its number of labels."""
RESAMPLE, REPLACE, ADD = "Yes, resample", "Replace them", "Add to them"
FILL, LEAVE = "Fill between", "Leave empty"


class LabelFiles:
    """Opens label files and label tables on the open case."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._ask = workspace.view.ask
        self._show_message = workspace.show_message
        self.reading = BackgroundRead(workspace, workspace.lanes.label_files)

    def open(self, path: Path) -> None:
        """Read labels in the background and load them as one step that can be undone."""
        case = self._workspace.case
        if case is None:
            self._show_message("Open the image first; labels are placed on it.", is_problem=True)
        else:
            # else a message about another file stays beside a question about this one
            self._show_message("", for_now=True)
            self._read(case, path)

    def _read(
        self, case: Case, path: Path, *, resample: bool = False, fill_gaps: bool | None = None
    ) -> None:
        grid, state = case.image.grid, state_of(path)

        def read() -> Read | OtherGrid:
            try:
                file = read_label_file(path, grid, resample=resample, fill_gaps=bool(fill_gaps))
            except OtherGrid as other:
                if resample or not other.can_resample:
                    raise
                return other
            return file, int(np.count_nonzero(np.unique(file.labels)))

        def then(found: Read | OtherGrid) -> None:
            if isinstance(found, OtherGrid):
                self._ask_to_resample(case, path, found)
            elif found[0].gaps and fill_gaps is None:
                self._ask_to_fill(case, path, found)
            else:
                case.files.remember(path, state)
                self._take_over(case, path, *found)

        self.reading.start(f"Reading {path.name}", read, then)

    def _ask_to_resample(self, case: Case, path: Path, other: OtherGrid) -> None:
        if (
            self._ask(question_about(path, other), (RESAMPLE,)) == RESAMPLE
            and case is self._workspace.case
        ):
            self._read(case, path, resample=True)
        else:
            self._show_message(f"{path.name} was not opened: its grid differs from the image's.")

    def _ask_to_fill(self, case: Case, path: Path, found: Read) -> None:
        answer = self._ask(f"{found[0].gaps}\n\nFill the slices between?", (FILL, LEAVE))
        if answer is None or case is not self._workspace.case:
            self._show_message(f"{path.name} was not opened.")
        else:
            self._read(case, path, fill_gaps=answer == FILL)

    def _take_over(self, case: Case, path: Path, file: LabelFile, n: int) -> None:
        if case is not self._workspace.case:
            self._show_message(
                f"{path.name} was not opened: another image is open now.", is_problem=True
            )
            return
        case.take_over()
        answer: str | None = REPLACE
        if case.annotation.labels.any():
            answer = self._ask(
                f"This image already has labels. Replace them with {path.name}, or add to them?",
                (REPLACE, ADD),
            )
        if answer is None:
            self._show_message(f"{path.name} was not opened.")
            return
        try:
            case.load_labels(file, keep_existing=answer == ADD)
        except ValueError as error:
            self._show_message(f"{path.name} was not opened: {error}", is_problem=True)
            return
        case.files.opened[case.annotation.log[-1]] = path.name
        labels, them = ("label", "it") if n == 1 else ("labels", "them")
        opened = f"Opened {path.name}: {n} {labels}. Undo removes {them}."
        self._show_message(" ".join((opened, *file.notes)), bool(file.notes))

    # --- the label table ---------------------------------------------------------------

    def import_table(self, path: Path) -> None:
        """Load names, colours and coded terms from an ITK-SNAP description or a CSV file."""
        case = self._workspace.case
        if case is None:
            return
        try:
            table = read_label_table(path)
            case.load_table(table)
        except (ReadError, ValueError) as error:
            self._show_message(str(error), is_problem=True)
            return
        self._show_message(f"{path.name}: {len(table)} labels named.")

    def export_table(self, path: Path) -> None:
        """Write the label table as an ITK-SNAP description (.txt) or a CSV file."""
        case = self._workspace.case
        if case is None:
            return
        try:
            write_label_table(path, case.annotation.table)
        except SaveError as error:
            self._show_message(str(error), is_problem=True)
            return
        self._show_message(f"Saved {path.name}: {len(case.annotation.table)} labels.")


def question_about(path: Path, other: OtherGrid) -> str:
    """Whether labels on another grid belong to this image, and then whether to resample them."""
    if other.sizes_xyz is not None:
        image, own = (" x ".join(str(n) for n in size) for size in other.sizes_xyz)
        differs = f"has {own} voxels, the image {image}"
    elif other.difference:
        differs = f"has the image's size but another grid ({other.difference})"
    else:
        differs = "is on another grid than the image, or outside it"
    return (
        f"{path.name} {differs}. Does it belong to this image?\n\nIf so, its labels can be "
        f"resampled by nearest neighbour. Outlines move by up to half a voxel."
    )
