"""Count the clicks, drags, keys and waiting of segmenting five organs of a CT in the real window.

    python benchmarks/hour.py [--data FOLDER] [--case NAME] [--json] [--pictures FOLDER]

Opens the real window; on Linux without a screen it restarts itself under xvfb-run. A simulated
mouse and keyboard drop a CT series on it, name five labels, and for each draw a box (the
reference's extent, with the jitter of a hand) and propagate it. They correct the worst slice with a
box and the next worst label with a brush stroke, propagate onward from both, review the uncertain
slices, and save the labels. Prints the counts, how well the labels agree with the reference, and
whether the saved file is right. The case is in the folder `shared` beside the project, or in the
folder that NAPARI_MEDSAM_SHARED names; if it is missing, the script reports it and ends.
docs/hour.md explains the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

PROJECT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(PROJECT), str(PROJECT / "benchmarks")]

from hour_case import HourCase, NoCase, check_saved, open_case  # noqa: E402

CASE = "ct_dicom_totalseg"
SCREEN = "-screen 0 1600x1000x24"
MARGIN, JITTER = 2.0, 2.0
"""Pixels: aimed distance of the box from the organ, and the standard deviation of a hand."""
MAX_REVIEWED = 40
"""Uncertain slices that are reviewed per label."""


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    total = np.count_nonzero(found) + np.count_nonzero(truth)
    return 2.0 * np.count_nonzero(found & truth) / total if total else 1.0


class Hour:
    """The job on one case, from the drop to the saved file.

    Parameters
    ----------
    case
        The image and its reference.
    folder
        Folder for the saved labels.
    pictures
        Folder for a screenshot after each part; None: no screenshots.
    """

    def __init__(self, case: HourCase, folder: Path, pictures: Path | None) -> None:
        from hour_hands import CountedHands

        from napari_medsam.ui.plugin.app import new_viewer
        from napari_medsam.ui.widgets.dock import MedSamWidget

        self.case, self.saved, self._pictures = case, folder / "labels.nii.gz", pictures
        self.viewer = new_viewer()
        self.viewer.window.set_geometry(0, 0, 1600, 1000)
        dock = self.viewer.window._qt_window.findChildren(MedSamWidget)
        [self.dock] = dock
        self.parts, self.controller = self.dock.parts, self.dock.controller
        self.hands = CountedHands(self.viewer, self.dock)
        self.questions: list[str] = []
        self.dice_before: dict[str, float] = {}
        self._rng = np.random.default_rng(0)

    # --- state of the window -----------------------------------------------------------

    @property
    def labels(self) -> np.ndarray:
        return self.controller.case.annotation.labels

    @property
    def log(self) -> tuple[Any, ...]:
        return tuple(self.controller.case.annotation.log)

    def reference_mask(self, name: str) -> np.ndarray:
        return self.reference == self.case.organs[name]

    def label_mask(self, name: str) -> np.ndarray:
        return self.labels == 1 + list(self.case.organs).index(name)

    def scores(self) -> dict[str, float]:
        return {
            name: dice(self.label_mask(name), self.reference_mask(name))
            for name in self.case.organs
        }

    def is_idle(self) -> bool:
        return self.controller.panel().progress is None

    def screenshot(self, name: str) -> None:
        if self._pictures is not None:
            from tests.ui.hands import let_pass

            let_pass(300)
            path = self._pictures / f"hour_{name}.png"
            self.viewer.screenshot(path, canvas_only=False, flash=False)

    # --- the job -----------------------------------------------------------------------

    def run(self) -> None:
        self.open()
        for number, name in enumerate(self.case.organs):
            self.name_label(number, name)
            self.draw(name)
            self.widen_range(name)
            self.propagate()
            self.screenshot(f"{number + 1}_{name}")
        self.dice_before = self.scores()
        self.correct_with_a_box()
        self.correct_with_the_brush()
        for name in self.case.organs:
            self.review(name)
        self.screenshot("reviewed")
        self.measure()
        self.save()

    def open(self) -> None:
        from tests.ui.hands import let_pass

        let_pass(1000)  # the dock's question at the first start appears shortly after the window
        offer = self.parts.offer
        if offer.isVisible():
            with self.hands.step("answer the first question"):
                self.hands.click(offer.yes)
        with (
            self.hands.step("open the series"),
            self.hands.answering_dialogs("OK", self.questions),
        ):
            self.hands.drop(self.case.path)
            self.hands.wait(lambda: self.controller.case is not None, what="Opening")
            self.hands.wait(lambda: self.controller.desk.state.state == "ready", what="The model")
        self.reference = self.case.reference_in(self.controller.case.image.volume.voxels)
        self.screenshot("0_opened")

    def name_label(self, number: int, name: str) -> None:
        from qtpy.QtWidgets import QLineEdit

        with self.hands.step("name five labels"):
            if number:
                self.hands.click(self.parts.buttons["add_label"])
            table = self.parts.table
            cell = table.visualItemRect(table.item(number, 2)).center()
            self.hands.double_click(table.viewport(), cell)
            self.hands.write(table.findChild(QLineEdit), name.replace("_", " "))
            actual = self.controller.case.annotation.table[number].name
            if actual != name.replace("_", " "):
                raise RuntimeError(f"The label is called {actual!r} after {name!r} was typed.")

    def go_to(self, z: int) -> None:
        """Click on slice `z` in the strip."""
        from qtpy.QtCore import QPoint

        shown = self.controller.case.where()
        if shown is None or shown.index != z:
            strip = self.parts.strip
            x = round((z + 0.5) * strip.width() / len(self.reference))
            self.hands.click(strip, QPoint(x, strip.height() // 2))
        if self.controller.case.where().index != z:
            raise RuntimeError(f"The click on the strip did not show slice {z}.")

    def draw(self, name: str) -> None:
        with self.hands.step("draw five boxes"):
            self.go_to(int(self.reference_mask(name).sum(axis=(1, 2)).argmax()))
            self.drag_box(name)

    def drag_box(self, name: str) -> None:
        """Draw a box around the organ on the current slice, as exactly as a hand does."""
        z = self.controller.case.where().index
        pixels = np.argwhere(self.reference_mask(name)[z])
        margin = MARGIN + self._rng.normal(0, JITTER, (2, 2))
        low, high = pixels.min(axis=0) - margin[0], pixels.max(axis=0) + margin[1]
        low, high = (
            np.clip(corner, 0, np.array(self.labels.shape[1:]) - 1) for corner in (low, high)
        )
        n_events = len(self.log)
        self.hands.drag(self.controller.case.layer, (z, *low), (z, *high))
        self.hands.wait(lambda: len(self.log) > n_events and self.is_idle(), what="The mask")

    def widen_range(self, name: str) -> None:
        """Type the first and last slice if the organ extends beyond the proposed range."""
        slices = np.flatnonzero(self.reference_mask(name).any(axis=(1, 2)))
        row = self.parts.range
        with self.hands.step("widen the range"):
            for spin, end, is_short in (
                (row.first, slices[0], row.first.value() > slices[0]),
                (row.last, slices[-1], row.last.value() < slices[-1]),
            ):
                if is_short:
                    self.hands.double_click(spin.lineEdit(), spin.lineEdit().rect().center())
                    spin.lineEdit().selectAll()
                    self.hands.write(spin.lineEdit(), str(end))
                    if spin.value() != end:
                        raise RuntimeError(f"The range shows {spin.value()} after {end} was typed.")

    def propagate(self) -> None:
        with self.hands.step("propagate five times"):
            n_events = len(self.log)
            self.hands.key("G")
            self.hands.wait(
                lambda: len(self.log) > n_events and self.is_idle(), what="The propagation"
            )

    # --- corrections -------------------------------------------------------------------

    def worst_slice(self, skip: tuple[str, ...] = ()) -> tuple[str, int]:
        """The organ and slice with the most wrong voxels; slices with a drawn box are left out."""
        wrong = {
            (name, z): int(
                np.count_nonzero(self.label_mask(name)[z] ^ self.reference_mask(name)[z])
            )
            for name in self.case.organs
            if name not in skip
            for z in np.flatnonzero(self.reference_mask(name).any(axis=(1, 2)))
            if z not in self.controller.case.keyframes("z", self.number(name))
        }
        return max(wrong, key=lambda key: wrong[key])

    def number(self, name: str) -> int:
        return 1 + list(self.case.organs).index(name)

    def choose_label(self, name: str) -> None:
        table = self.parts.table
        row = list(self.case.organs).index(name)
        table.scrollToItem(table.item(row, 2))
        self.hands.click(table.viewport(), table.visualItemRect(table.item(row, 1)).center())

    def correct_with_a_box(self) -> None:
        name, z = self.worst_slice()
        self.box_corrected = name
        with self.hands.step("correct with a box, continue from it"):
            self.choose_label(name)
            self.go_to(z)
            self.hands.key("N", shift=True)
            self.drag_box(name)
            self.propagate_onward()
        self.screenshot("box_corrected")

    def propagate_onward(self) -> None:
        """Propagate again beyond the current slice."""
        from tests.ui.hands import let_pass

        self.hands.key("G", shift=True)
        let_pass(
            500
        )  # at the object's end nothing is propagated, and there is no event to wait for
        self.hands.wait(self.is_idle, what="The propagation")

    def correct_with_the_brush(self) -> None:
        """Draw one stroke through the largest missing part, or erase through the largest excess."""
        name, z = self.worst_slice(skip=(self.box_corrected,))
        self.brush_corrected = name
        missing = self.reference_mask(name)[z] & ~self.label_mask(name)[z]
        excess = self.label_mask(name)[z] & ~self.reference_mask(name)[z]
        is_missing = np.count_nonzero(missing) >= np.count_nonzero(excess)
        start, end = stroke_through(missing if is_missing else excess)
        with self.hands.step("correct with the brush, continue from it"):
            self.choose_label(name)
            self.go_to(z)
            self.choose_layer(self.controller.case.labels.layer)
            self.hands.key("P" if is_missing else "E")
            self.hands.drag(self.controller.case.layer, (z, *start), (z, *end))
            self.hands.wait(self.is_idle)
            self.propagate_onward()
        self.screenshot("brushed")

    def choose_layer(self, layer: Any) -> None:
        """Click a layer in napari's list."""
        view = self.viewer.window._qt_viewer.layers
        index = view.model().index(len(self.viewer.layers) - 1 - self.viewer.layers.index(layer), 0)
        self.hands.click(view.viewport(), view.visualRect(index).center())
        if self.viewer.layers.selection.active is not layer:
            raise RuntimeError(f"The click on the layer list did not select {layer.name}.")

    def is_current_slice_uncertain(self, name: str) -> bool:
        case = self.controller.case
        return case.where().index in case.reviews.status("z", self.number(name)).to_look_at

    # --- review and saving -------------------------------------------------------------

    def review(self, name: str) -> None:
        """Accept the uncertain slices: both corrections of the job are already made."""
        with self.hands.step("look through the uncertain slices"):
            self.choose_label(name)
            for _ in range(MAX_REVIEWED):
                if not self.controller.panel().n_doubtful:
                    return
                self.hands.key("H", shift=self.is_current_slice_uncertain(name))

    def measure(self) -> None:
        """Open the table of measures and save the one-page report."""
        report = self.saved.with_name("report.pdf")
        with self.hands.step("measure and report"):
            self.hands.choose(self.parts.files.more, self.parts.buttons["measure"])
            window = self.dock.dialogs.measures
            n_labels = len(self.case.organs)
            self.hands.wait(
                lambda: window.table.rowCount() == n_labels, what="The table of measures"
            )
            self.screenshot("measures")
            self.hands.write_into_dialog(lambda: self.hands.click(window.page), str(report))
            self.hands.wait(report.exists, what="The report")
            window.close()
            self.hands.counts.current.clicks += 1

    def save(self) -> None:
        with self.hands.step("save"):
            self.hands.write_into_dialog(lambda: self.hands.key("W"), str(self.saved))
            self.hands.wait(lambda: self.saved.exists() and self.is_idle(), what="Saving")
            message = self.parts.message
            self.hands.wait(lambda: "Saved" in message.text(), what="The message 'Saved'")
        self.screenshot("saved")


def stroke_through(area: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the two ends (row, column) of a stroke along an area's largest connected part."""
    from scipy import ndimage

    parts, n = ndimage.label(area)
    largest = 1 + int(np.argmax(ndimage.sum(area, parts, range(1, n + 1))))
    pixels = np.argwhere(parts == largest).astype(float)
    middle = pixels.mean(axis=0)
    _, _, axes = np.linalg.svd(pixels - middle, full_matrices=False)
    along = (pixels - middle) @ axes[0]
    return middle + axes[0] * np.quantile(along, 0.1), middle + axes[0] * np.quantile(along, 0.9)


def figures(hour: Hour) -> dict[str, Any]:
    """Return everything that was counted and measured."""
    volume, counts = hour.controller.case.image.volume, hour.hands.counts
    affine = np.eye(4)
    affine[:3, :3] = volume.direction * volume.spacing_xyz
    affine[:3, 3] = volume.origin_xyz
    return {
        "steps": [asdict(step) for step in counts.steps],
        "total": {
            name: counts.total(name) for name in ("clicks", "drags", "keys", "letters", "waited_s")
        },
        "questions": hour.questions,
        "problems": counts.problems,
        "corrected": {"box": hour.box_corrected, "brush": hour.brush_corrected},
        "dice_before_corrections": hour.dice_before,
        "dice": hour.scores(),
        "wrong_in_file": check_saved(hour.saved, hour.case, hour.labels, affine),
    }


def as_markdown(result: dict[str, Any]) -> str:
    rows = [*result["steps"], {"name": "**all**", **result["total"]}]
    lines = ["| step | clicks | drags | keys | letters typed | waiting, s |", "|---|" + "---:|" * 5]
    lines += [
        f"| {row['name']} | {row['clicks']:.0f} | {row['drags']:.0f} | {row['keys']:.0f} "
        f"| {row['letters']:.0f} | {row['waited_s']:.1f} |"
        for row in rows
    ]
    lines += ["", "| label | Dice before the corrections | after |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {result['dice_before_corrections'][name]:.3f} | {after:.3f} |"
        for name, after in result["dice"].items()
    ]
    for title in ("questions", "problems", "wrong_in_file"):
        lines += ["", f"{title.replace('_', ' ')}: {'; '.join(result[title]) or 'none'}"]
    return "\n".join(lines)


def restart_under_xvfb_if_needed() -> None:
    """On Linux without a screen, replace this process by the same command under xvfb-run."""
    if not sys.platform.startswith("linux"):
        return
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    xvfb = shutil.which("xvfb-run")
    if xvfb is None:
        raise SystemExit("There is no screen: neither DISPLAY nor xvfb-run was found.")
    command = [sys.executable, str(Path(__file__)), *sys.argv[1:]]
    os.execv(xvfb, [xvfb, "-a", "-s", SCREEN, *command])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = Path(os.environ.get("NAPARI_MEDSAM_SHARED", PROJECT.parent / "shared"))
    parser.add_argument("--data", type=Path, default=shared / "data", metavar="FOLDER")
    parser.add_argument("--case", default=CASE, metavar="NAME")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument(
        "--pictures", type=Path, metavar="FOLDER", help="save a screenshot after each part"
    )
    options = parser.parse_args()
    try:
        case = open_case(options.data, options.case)
    except NoCase as error:
        print(error)
        return
    restart_under_xvfb_if_needed()
    with tempfile.TemporaryDirectory() as folder:
        # Without separate folders, an earlier run's cache and journal would shorten this run.
        for name in ("CACHE", "JOURNALS", "SETTINGS"):
            os.environ[f"NAPARI_MEDSAM_{name}"] = str(Path(folder) / name.lower())
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari" / "settings.yaml")
        hour = Hour(case, Path(folder), options.pictures)
        try:
            hour.run()
            result = figures(hour)
        except RuntimeError:  # print the steps done so far: they help to find the cause
            print(json.dumps([asdict(step) for step in hour.hands.counts.steps]), file=sys.stderr)
            raise
        finally:
            hour.controller.close()
            hour.viewer.close()
    print(json.dumps(result) if options.json else as_markdown(result))
    if result["wrong_in_file"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
