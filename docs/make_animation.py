"""Make the animation at the top of the README: the whole job on the synthetic case.

    xvfb-run -a -s "-screen 0 1000x640x24" python docs/make_animation.py

Needs the weights of LiteMedSAM. The window is the real one, operated by mouse and keyboard; the
pointer and the line of text are drawn onto its screenshots. Writes docs/images/job.webp.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageDraw, ImageFont
from qtpy.QtCore import QPoint, Qt
from qtpy.QtTest import QTest
from stage import FOLDER, LIVER, SLICE, Stage, with_empty_settings

SIZE = (1000, 640)
CAPTION_HEIGHT = 34
ARROW = ((0, 0), (0, 17), (4, 13), (7, 20), (10, 19), (7, 12), (13, 12))
LEFT = Qt.MouseButton.LeftButton


@dataclass
class Film:
    """Screenshots of a stage's window, each with its duration in milliseconds."""

    stage: Stage
    frames: list[Picture.Image] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    text: str = ""
    pointer: tuple[int, int] | None = None

    def add_frame(self, milliseconds: int) -> None:
        """Add a screenshot; if it equals the last frame, only lengthen that."""
        frame = self._with_pointer(Picture.fromarray(self.stage.pixels()))
        if self.frames and np.array_equal(np.asarray(frame), np.asarray(self.frames[-1])):
            self.times[-1] += milliseconds
            return
        self.frames.append(frame)
        self.times.append(milliseconds)

    def show_text(self, text: str, milliseconds: int) -> None:
        """Add a frame with a new line of text."""
        self.text = text
        self.stage.pass_time(0.3)
        self.add_frame(milliseconds)

    def point_at(self, canvas_pixel: QPoint) -> None:
        window = self.stage.viewer.window._qt_window
        canvas = self.stage.viewer.window._qt_viewer.canvas.native
        position = canvas.mapTo(window, canvas_pixel)
        self.pointer = position.x(), position.y()

    def _with_pointer(self, picture: Picture.Image) -> Picture.Image:
        width, height = picture.size
        framed = Picture.new("RGB", (width, height + CAPTION_HEIGHT), (20, 24, 32))
        framed.paste(picture, (0, CAPTION_HEIGHT))
        draw = ImageDraw.Draw(framed)
        font = ImageFont.load_default(19)
        draw.text((12, 5), self.text, font=font, fill=(255, 255, 255))
        if self.pointer is not None:
            x, y = self.pointer[0], self.pointer[1] + CAPTION_HEIGHT
            draw.polygon([(x + a, y + b) for a, b in ARROW], fill="white", outline="black")
        return framed

    def save(self, name: str) -> None:
        path = FOLDER / name
        self.frames[0].save(
            path,
            save_all=True,
            append_images=self.frames[1:],
            duration=self.times,
            loop=0,
            lossless=True,
            quality=60,
            method=4,
        )
        seconds, size = sum(self.times) / 1000, path.stat().st_size / 1e6
        print(f"{name}: {len(self.frames)} pictures, {seconds:.1f} s, {size:.2f} MB")


def draw_a_box(film: Film, index: int) -> None:
    """Press, move and release the mouse, with a frame for each move."""
    stage = film.stage
    start, end = (
        stage.hands.pixel(stage.case.layer, corner) for corner in stage.corners("z", index)
    )
    canvas, n_events = stage.viewer.window._qt_viewer.canvas.native, len(stage.case.annotation.log)
    film.point_at(start)
    film.add_frame(500)
    QTest.mousePress(canvas, LEFT, pos=start)
    for n in range(1, 9):
        position = start + (end - start) * n / 8
        QTest.mouseMove(canvas, position)
        stage.pass_time(0.35)
        film.point_at(position)
        film.add_frame(160)
    QTest.mouseRelease(canvas, LEFT, pos=end)
    stage.wait(lambda: len(stage.case.annotation.log) > n_events and not stage.is_busy)


def propagate(film: Film) -> None:
    """Press G, with a frame after every five slices."""
    stage, n_shown = film.stage, 0
    n_events = len(stage.case.annotation.log)
    stage.hands.press("G")

    def has_moved() -> bool:
        progress = stage.controller.panel().progress
        return progress is None or progress.n_done >= n_shown + 5

    while len(stage.case.annotation.log) == n_events or stage.is_busy:
        stage.wait(has_moved)
        progress = stage.controller.panel().progress
        n_shown = progress.n_done if progress else n_shown
        film.add_frame(180)


def record() -> Film:
    stage = Stage(size=SIZE)
    for dock in ("dockLayerControls", "dockLayerList"):  # leaves more space for the image
        getattr(stage.viewer.window._qt_viewer, dock).hide()
    stage.case.rename_label(LIVER, "liver")
    film = Film(stage)
    stage.show_slice("z", SLICE)
    stage.pass_time(3)
    film.show_text("1  Open a CT, name the label. For research use only.", 1600)
    film.text = "2  Drag a box around the liver"
    draw_a_box(film, SLICE)
    film.show_text("2  Let go: the mask, on the processor of a laptop", 1500)
    film.pointer = None
    film.text = "3  G: follow it through the volume"
    film.add_frame(600)
    propagate(film)
    film.show_text("3  Every slice has a confidence: the strip on the right", 1700)
    stage.hands.press("H")
    film.show_text("4  H: the most uncertain slice. It is wrong: it leaks", 1800)
    stage.hands.press("N", Qt.KeyboardModifier.ShiftModifier)
    film.text = "5  Shift-N: draw the right box here"
    draw_a_box(film, stage.case.where().index)
    film.show_text("5  Shift-G: continue from here; the slices beyond are found again", 1000)
    film.pointer = None
    n_events = len(stage.case.annotation.log)
    stage.hands.press("G", Qt.KeyboardModifier.ShiftModifier)
    stage.wait(lambda: len(stage.case.annotation.log) > n_events and not stage.is_busy)
    film.show_text("5  Shift-G: continue from here; the slices beyond are found again", 1200)
    stage.hands.press("9")
    film.show_text("6  9: look at it from the front", 1600)
    save(stage)
    film.show_text("7  W: saved on the image's own grid, read back and compared", 2600)
    return film


def save(stage: Stage) -> None:
    with tempfile.TemporaryDirectory() as folder:
        stage.controller.save(Path(folder) / "liver.nii.gz")
        stage.wait(lambda: "Saved" in stage.parts.message.text())


if __name__ == "__main__":
    with with_empty_settings():
        film = record()
        film.save("job.webp")
        film.stage.close()
