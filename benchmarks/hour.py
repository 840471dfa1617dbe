"""The clinician's hour: a real mouse and keyboard segment five organs of a CT, and are counted.

    python benchmarks/hour.py [--data FOLDER] [--case NAME] [--json] [--pictures FOLDER]

Opens the real window on the screen there is; on Linux without one it starts itself under
xvfb-run. A CT series is dropped on it, five labels are named, a box is drawn around each (from
the reference's extent, with the jitter of a hand) and propagated, the worst slice is put right
with a box and the next worst label with a brush stroke, each going on from there, the
uncertain slices are looked through, and the labels are saved. Prints what it took, how well the
labels agree with the reference, and whether the file is right. The case is in the folder `shared`
beside the project, or where NAPARI_MEDSAM_SHARED says; without it there is nothing to do, which is
said.
docs/hour.md says how to read the figures.
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
"""Pixels: how far outside the organ a hand aims, and the standard deviation of where it lands."""
MOST_LOOKS = 40


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    total = np.count_nonzero(found) + np.count_nonzero(truth)
    return 2.0 * np.count_nonzero(found & truth) / total if total else 1.0


class Hour:
    """The job on one case, from the drop to the saved file.

    Parameters
    ----------
    case
        What is worked on.
    folder
        Where the labels are saved.
    pictures
        Where a picture is left after each part; None: nowhere.
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
        self.before: dict[str, float] = {}
        self._rng = np.random.default_rng(0)

    # --- what the user sees ------------------------------------------------------------

    @property
    def labels(self) -> np.ndarray:
        return self.controller.case.annotation.labels

    @property
    def log(self) -> tuple[Any, ...]:
        return tuple(self.controller.case.annotation.log)

    def truth(self, name: str) -> np.ndarray:
        return self.reference == self.case.organs[name]

    def found(self, name: str) -> np.ndarray:
        return self.labels == 1 + list(self.case.organs).index(name)

    def scores(self) -> dict[str, float]:
        return {name: dice(self.found(name), self.truth(name)) for name in self.case.organs}

    def is_idle(self) -> bool:
        return self.controller.panel().progress is None

    def picture(self, name: str) -> None:
        if self._pictures is not None:
            from tests.ui.hands import let_pass

            let_pass(300)
            path = self._pictures / f"hour_{name}.png"
            self.viewer.screenshot(path, canvas_only=False, flash=False)

    # --- the job -----------------------------------------------------------------------

    def play(self) -> None:
        self.open()
        for number, name in enumerate(self.case.organs):
            self.name_label(number, name)
            self.draw(name)
            self.widen(name)
            self.propagate()
            self.picture(f"{number + 1}_{name}")
        self.before = self.scores()
        self.correct_with_a_box()
        self.correct_with_the_brush()
        for name in self.case.organs:
            self.look_through(name)
        self.picture("reviewed")
        self.measure()
        self.save()

    def open(self) -> None:
        from tests.ui.hands import let_pass

        let_pass(1000)  # what the dock asks at the first start comes a moment after the window
        offer = self.parts.offer
        if offer.isVisible():
            with self.hands.step("answer the first question"):
                self.hands.click(offer.yes)
        with (
            self.hands.step("open the series"),
            self.hands.saying_yes("OK", self.questions),
        ):
            self.hands.drop(self.case.path)
            self.hands.wait(lambda: self.controller.case is not None, what="Opening")
            self.hands.wait(lambda: self.controller.desk.state.state == "ready", what="The model")
        self.reference = self.case.reference_in(self.controller.case.image.volume.voxels)
        self.picture("0_opened")

    def name_label(self, number: int, name: str) -> None:
        from qtpy.QtWidgets import QLineEdit

        with self.hands.step("name five labels"):
            if number:
                self.hands.click(self.parts.add_label)
            table = self.parts.table
            cell = table.visualItemRect(table.item(number, 2)).center()
            self.hands.double_click(table.viewport(), cell)
            self.hands.write(table.findChild(QLineEdit), name.replace("_", " "))
            told = self.controller.case.annotation.table[number].name
            if told != name.replace("_", " "):
                raise RuntimeError(f"The label is called {told!r} after {name!r} was typed.")

    def go_to(self, z: int) -> None:
        """Click on the strip where slice `z` is."""
        from qtpy.QtCore import QPoint

        where = self.controller.case.where()
        if where is None or where.index != z:
            strip = self.parts.strip
            x = round((z + 0.5) * strip.width() / len(self.reference))
            self.hands.click(strip, QPoint(x, strip.height() // 2))
        if self.controller.case.where().index != z:
            raise RuntimeError(f"The strip did not lead to slice {z}.")

    def draw(self, name: str) -> None:
        with self.hands.step("draw five boxes"):
            self.go_to(int(self.truth(name).sum(axis=(1, 2)).argmax()))
            self.drag_box(name)

    def drag_box(self, name: str) -> None:
        """A box around the organ on the slice on screen, as exact as a hand is."""
        z = self.controller.case.where().index
        where = np.argwhere(self.truth(name)[z])
        off = MARGIN + self._rng.normal(0, JITTER, (2, 2))
        low, high = where.min(axis=0) - off[0], where.max(axis=0) + off[1]
        low, high = (np.clip(end, 0, np.array(self.labels.shape[1:]) - 1) for end in (low, high))
        n_events = len(self.log)
        self.hands.drag(self.controller.case.layer, (z, *low), (z, *high))
        self.hands.wait(lambda: len(self.log) > n_events and self.is_idle(), what="The mask")

    def widen(self, name: str) -> None:
        """Type the first and the last slice where the organ goes on beyond the range offered."""
        there = np.flatnonzero(self.truth(name).any(axis=(1, 2)))
        row = self.parts.range
        with self.hands.step("widen the range"):
            for spin, end, is_short in (
                (row.first, there[0], row.first.value() > there[0]),
                (row.last, there[-1], row.last.value() < there[-1]),
            ):
                if is_short:
                    self.hands.double_click(spin.lineEdit(), spin.lineEdit().rect().center())
                    spin.lineEdit().selectAll()
                    self.hands.write(spin.lineEdit(), str(end))
                    if spin.value() != end:
                        raise RuntimeError(f"The range took {spin.value()} for {end}.")

    def propagate(self) -> None:
        with self.hands.step("propagate five times"):
            n_events = len(self.log)
            self.hands.key("G")
            self.hands.wait(lambda: len(self.log) > n_events and self.is_idle(), what="It")

    # --- corrections -------------------------------------------------------------------

    def worst(self, skip: tuple[str, ...] = ()) -> tuple[str, int]:
        """The organ and slice where the most voxels are wrong, away from the drawn box."""
        wrong = {
            (name, z): int(np.count_nonzero(self.found(name)[z] ^ self.truth(name)[z]))
            for name in self.case.organs
            if name not in skip
            for z in np.flatnonzero(self.truth(name).any(axis=(1, 2)))
            if z not in self.controller.case.keyframes("z", self.number(name))
        }
        return max(wrong, key=lambda key: wrong[key])

    def number(self, name: str) -> int:
        return 1 + list(self.case.organs).index(name)

    def pick(self, name: str) -> None:
        table = self.parts.table
        row = list(self.case.organs).index(name)
        table.scrollToItem(table.item(row, 2))
        self.hands.click(table.viewport(), table.visualItemRect(table.item(row, 1)).center())

    def correct_with_a_box(self) -> None:
        name, z = self.worst()
        self.boxed = name
        with self.hands.step("correct with a box, go on from it"):
            self.pick(name)
            self.go_to(z)
            self.hands.key("N", shift=True)
            self.drag_box(name)
            self.go_on()
        self.picture("box_corrected")

    def go_on(self) -> None:
        from tests.ui.hands import let_pass

        self.hands.key("G", shift=True)
        let_pass(500)  # at the end of an object there is nothing to go on to, and no event
        self.hands.wait(self.is_idle, what="Going on")

    def correct_with_the_brush(self) -> None:
        """One stroke through the largest part that is missing, or that is too much."""
        name, z = self.worst(skip=(self.boxed,))
        self.brushed = name
        missing = self.truth(name)[z] & ~self.found(name)[z]
        excess = self.found(name)[z] & ~self.truth(name)[z]
        is_missing = np.count_nonzero(missing) >= np.count_nonzero(excess)
        start, end = stroke_through(missing if is_missing else excess)
        with self.hands.step("correct with the brush, go on from it"):
            self.pick(name)
            self.go_to(z)
            self.choose_layer(self.controller.case.labels.layer)
            self.hands.key("P" if is_missing else "E")
            self.hands.drag(self.controller.case.layer, (z, *start), (z, *end))
            self.hands.wait(self.is_idle)
            self.go_on()
        self.picture("brushed")

    def choose_layer(self, layer: Any) -> None:
        """Click a layer in napari's list."""
        view = self.viewer.window._qt_viewer.layers
        index = view.model().index(len(self.viewer.layers) - 1 - self.viewer.layers.index(layer), 0)
        self.hands.click(view.viewport(), view.visualRect(index).center())
        if self.viewer.layers.selection.active is not layer:
            raise RuntimeError(f"The layer list did not choose {layer.name}.")

    def is_on_doubtful(self, name: str) -> bool:
        case = self.controller.case
        where = case.where()
        return where.index in case.reviews.status("z", self.number(name)).to_look_at

    # --- review and saving -------------------------------------------------------------

    def look_through(self, name: str) -> None:
        """Accept the uncertain slices; the two corrections that the job has are spent by now."""
        with self.hands.step("look through the uncertain slices"):
            self.pick(name)
            for _ in range(MOST_LOOKS):
                if not self.controller.panel().n_doubtful:
                    return
                self.hands.key("H", shift=self.is_on_doubtful(name))

    def measure(self) -> None:
        """The table of measures, and the report of one page."""
        report = self.saved.with_name("report.pdf")
        with self.hands.step("measure and report"):
            self.hands.choose(self.parts.files.more, self.parts.files.measure)
            window = self.dock.measure_window
            n_labels = len(self.case.organs)
            self.hands.wait(lambda: window.table.rowCount() == n_labels, what="Measuring")
            self.picture("measures")
            self.hands.write_into_dialog(lambda: self.hands.click(window.page), str(report))
            self.hands.wait(report.exists, what="The page")
            window.close()
            self.hands.diary.now.clicks += 1

    def save(self) -> None:
        with self.hands.step("save"):
            self.hands.write_into_dialog(lambda: self.hands.key("W"), str(self.saved))
            self.hands.wait(lambda: self.saved.exists() and self.is_idle(), what="Saving")
            told = self.parts.message
            self.hands.wait(lambda: "Saved" in told.text(), what="Being told so")
        self.picture("saved")


def stroke_through(area: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ends of a stroke along the largest connected part of an area, (row, column) each."""
    from scipy import ndimage

    parts, n = ndimage.label(area)
    largest = 1 + int(np.argmax(ndimage.sum(area, parts, range(1, n + 1))))
    where = np.argwhere(parts == largest).astype(float)
    middle = where.mean(axis=0)
    _, _, axes = np.linalg.svd(where - middle, full_matrices=False)
    along = (where - middle) @ axes[0]
    return middle + axes[0] * np.quantile(along, 0.1), middle + axes[0] * np.quantile(along, 0.9)


def figures(hour: Hour) -> dict[str, Any]:
    """Everything that was counted and found."""
    volume, diary = hour.controller.case.image.volume, hour.hands.diary
    affine = np.eye(4)
    affine[:3, :3] = volume.direction * volume.spacing_xyz
    affine[:3, 3] = volume.origin_xyz
    return {
        "steps": [asdict(step) for step in diary.steps],
        "total": {
            name: diary.total(name) for name in ("clicks", "drags", "keys", "letters", "waited_s")
        },
        "questions": hour.questions,
        "problems": diary.problems,
        "corrected": {"box": hour.boxed, "brush": hour.brushed},
        "dice_before_corrections": hour.before,
        "dice": hour.scores(),
        "wrong_in_file": check_saved(hour.saved, hour.case, hour.labels, affine),
    }


def as_markdown(found: dict[str, Any]) -> str:
    rows = [*found["steps"], {"name": "**all**", **found["total"]}]
    lines = ["| step | clicks | drags | keys | letters typed | waiting, s |", "|---|" + "---:|" * 5]
    lines += [
        f"| {row['name']} | {row['clicks']:.0f} | {row['drags']:.0f} | {row['keys']:.0f} "
        f"| {row['letters']:.0f} | {row['waited_s']:.1f} |"
        for row in rows
    ]
    lines += ["", "| label | Dice before the corrections | after |", "|---|---:|---:|"]
    lines += [
        f"| {name} | {found['dice_before_corrections'][name]:.3f} | {after:.3f} |"
        for name, after in found["dice"].items()
    ]
    for title in ("questions", "problems", "wrong_in_file"):
        lines += ["", f"{title.replace('_', ' ')}: {'; '.join(found[title]) or 'none'}"]
    return "\n".join(lines)


def show_yourself_on_a_screen() -> None:
    """Start again under xvfb-run where there is no screen."""
    if not sys.platform.startswith("linux"):
        return
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    xvfb = shutil.which("xvfb-run")
    if xvfb is None:
        raise SystemExit("There is no screen: neither DISPLAY nor xvfb-run was found.")
    again = [sys.executable, str(Path(__file__)), *sys.argv[1:]]
    os.execv(xvfb, [xvfb, "-a", "-s", SCREEN, *again])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = Path(os.environ.get("NAPARI_MEDSAM_SHARED", PROJECT.parent / "shared"))
    parser.add_argument("--data", type=Path, default=shared / "data")
    parser.add_argument("--case", default=CASE)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--pictures", type=Path)
    given = parser.parse_args()
    try:
        case = open_case(given.data, given.case)
    except NoCase as why:
        print(why)
        return
    show_yourself_on_a_screen()
    with tempfile.TemporaryDirectory() as folder:
        # What an earlier run left in cache and journal would make this one too quick.
        for name in ("CACHE", "JOURNALS", "SETTINGS"):
            os.environ[f"NAPARI_MEDSAM_{name}"] = str(Path(folder) / name.lower())
        os.environ["NAPARI_CONFIG"] = str(Path(folder) / "napari" / "settings.yaml")
        hour = Hour(case, Path(folder), given.pictures)
        try:
            hour.play()
            found = figures(hour)
        except RuntimeError:  # what was done until then is worth knowing
            print(json.dumps([asdict(step) for step in hour.hands.diary.steps]), file=sys.stderr)
            raise
        finally:
            hour.controller.close()
            hour.viewer.close()
    print(json.dumps(found) if given.json else as_markdown(found))
    if found["wrong_in_file"]:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
