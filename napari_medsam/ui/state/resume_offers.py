"""The question whether to resume earlier work, with its answers and its picture."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_medsam.engine.annotation.annotation import Annotation
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.formats.common.thumbnail import thumbnail
from napari_medsam.journal.history import history_in_words
from napari_medsam.journal.lookup import JournalLookup
from napari_medsam.ui.layers.image_layer import first_window_of

RESUME, START_NEW = "Resume", "Start over"
TAKE_OVER, ONLY_LOOK = "Take over", "Only look"
OPACITY = 0.5
RECOVERED = "It had been set aside as damaged by mistake; nothing is missing."
OTHERS_RECOVERED = "Other work set aside as damaged by mistake is available, too."


@dataclass(frozen=True, eq=False)
class ResumeOffer:
    """A question with a picture and its answers; the first is the default.

    `if_cancelled` is the answer that Escape means.
    """

    question: str
    answers: tuple[str, ...]
    if_cancelled: str
    picture: NDArray[np.uint8] | None = None

    @property
    def tooltips(self) -> tuple[str, ...]:
        """What explains the answers, one each."""
        return tuple(TOOLTIPS[answer] for answer in self.answers)


TOOLTIPS = {
    RESUME: "Show the earlier labels, boxes and names, and continue with them",
    START_NEW: "Start without labels; the earlier work is kept in the menu \u22ef",
    TAKE_OVER: "Edit here; later changes in the other window are not recorded",
    ONLY_LOOK: "Show the work; the other window edits it, and changes here are not recorded",
}
"""What each answer does."""


def offer_to_resume(image: ImageFile, found: JournalLookup) -> ResumeOffer:
    """The question whether to resume the work in the journal."""
    history = found.history
    if history is None:
        raise ValueError("There is no earlier work to resume.")
    unsaved = f" {history.unsaved_in_words}".rstrip()
    recovered = f" {RECOVERED}" if found.was_recovered else ""
    others = f" {OTHERS_RECOVERED}" if found.n_recovered else ""
    question = (
        f"Earlier work on this image was found: {history_in_words(found.counts)}, last changed on "
        f"{when(history.last_time)}.{unsaved}{recovered} Resume it? Undo will work as before. "
        f"If you start over, it is kept: menu \u22ef, Resume earlier work.{others}"
    )
    picture = offer_picture(image, history.annotation)
    return ResumeOffer(question, (RESUME, START_NEW), START_NEW, picture)


def offer_to_take_over(image: ImageFile, found: JournalLookup) -> ResumeOffer:
    """The question what to do while another window edits the same image."""
    question = (
        f"This image is open in another window, with {history_in_words(found.counts)}. "
        f"{TAKE_OVER}: you resume all of it here, and later changes in the other window are not "
        f"recorded. {ONLY_LOOK}: changes here are not recorded."
    )
    picture = offer_picture(image, found.history.annotation) if found.history else None
    return ResumeOffer(question, (ONLY_LOOK, TAKE_OVER), ONLY_LOOK, picture)


def offer_picture(image: ImageFile, annotation: Annotation) -> NDArray[np.uint8]:
    """The axial slice with the most labelled voxels, reduced, with the labels in their colours."""
    volume, labels = image.volume, annotation.labels
    counts = np.count_nonzero(labels.reshape(len(labels), -1), axis=1)
    z = int(counts.argmax()) if counts.any() else len(labels) // 2
    pixels = volume.voxels[z]
    grey = pixels
    if not volume.is_rgb:
        window = first_window_of(image)
        grey = window.to_uint8(pixels, low_is_bright=volume.low_is_bright)
    rgb = (grey if grey.ndim == 3 else np.repeat(grey[..., None], 3, axis=2)).astype(np.float32)
    for label in annotation.table:
        inside = labels[z] == label.number
        rgb[inside] += OPACITY * (255 * np.asarray(label.color, np.float32) - rgb[inside])
    return thumbnail(np.rint(rgb).astype(np.uint8), volume.spacing_xyz[:2])


def when(seconds: float) -> str:
    """Words like "26 November 2026 at 01:40"."""
    try:
        return time.strftime("%d %B %Y at %H:%M", time.localtime(seconds))
    except (ValueError, OverflowError, OSError):  # the clock was not set
        return "an unknown day"
