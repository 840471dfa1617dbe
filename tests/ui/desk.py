"""A controller on a bare viewer with a bright ellipsoid, and a view that records."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from napari.components import ViewerModel
from napari.layers import Image

from napari_medsam.engine.data.prompts import SliceRef
from napari_medsam.engine.data.volume import Volume
from napari_medsam.engine.inference.embedding_cache import EmbeddingCache
from napari_medsam.formats.common.grid import Geometry, SourceGrid
from napari_medsam.formats.common.image_file import ImageFile
from napari_medsam.models.runtime.precision_choice import PrecisionPreference
from napari_medsam.ui.actions.model_source import ImportedModel
from napari_medsam.ui.controller import Controller
from napari_medsam.ui.layers.image_layer import image_layer_data
from napari_medsam.ui.state.dock_state import DockState, StripState
from napari_medsam.ui.state.jobs import Job
from napari_medsam.ui.state.resume_offers import ResumeOffer
from napari_medsam.ui.state.workspace import Workspace
from tests.tiny_model import TinyMedSam
from tests.ui.immediate_jobs import ImmediateJobs

SHAPE = (20, 64, 48)


CENTRE = np.array([10, 30, 24])


RADII = np.array([6, 14, 10])


SPACING_XYZ = (0.8, 0.8, 3.0)


def ellipsoid(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """(Z, Y, X) uint8: 200 inside an ellipsoid, 0 outside."""
    grid = np.moveaxis(np.indices(shape), 0, -1)
    inside = (((grid - CENTRE) / RADII) ** 2).sum(axis=-1) <= 1
    return np.where(inside, 200, 0).astype(np.uint8)


def image_file(
    voxels: np.ndarray | None = None, name: str = "case", modality: str = ""
) -> ImageFile:
    voxels = ellipsoid() if voxels is None else voxels
    geometry = Geometry(voxels.shape[:3], SPACING_XYZ, (10.0, -20.0, 30.0), np.eye(3))
    grid = SourceGrid("nifti", Path(f"{name}.nii.gz"), geometry, 3 if len(voxels) > 1 else 2)
    volume = Volume(voxels, SPACING_XYZ, (10.0, -20.0, 30.0), modality=modality)
    return ImageFile(volume, grid, name)


def image_layer(voxels: np.ndarray | None = None, name: str = "case", modality: str = "") -> Image:
    data, settings, _ = image_layer_data(image_file(voxels, name, modality))
    return Image(data, **settings)


@dataclass
class TinyModelSource:
    """A shelf with one model, which may have to be installed first, and others besides.

    `others` are installed models by name; `routes` say which is for which modality; `pages` are
    models that a person must fetch.
    """

    model: TinyMedSam = field(default_factory=TinyMedSam)
    installed: bool = True
    others: dict[str, TinyMedSam] = field(default_factory=dict)
    routes: dict[str, str] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    stored_preference: PrecisionPreference = "f32"
    opened: list[PrecisionPreference] = field(default_factory=list)
    fast_is_safe: bool | None = None  # None: not measured yet
    will_be_safe: bool = True

    def titles(self) -> dict[str, str]:
        names = (*self.others, *self.pages)
        return {"tiny": "TinyMedSam", **{name: name.upper() for name in names}}

    def is_installed(self, name: str) -> bool:
        return self.installed if name == "tiny" else name in self.others

    def takes_points(self, name: str) -> bool:
        model = self.model if name == "tiny" else self.others.get(name)
        return model is not None and model.contract.accepts_points

    def about(self, name: str) -> str:
        return "1 MB, Apache-2.0"

    def can_install(self, name: str) -> bool:
        return name not in self.pages

    def how_to_get(self, name: str) -> tuple[str, str]:
        return "Click the arrow.", self.pages[name]

    def resolve(self, modality: str) -> tuple[str, str]:
        if modality in self.routes:
            name = self.routes[modality]
            return name, f"{name.upper()} is for {modality}."
        if not self.installed:
            raise ValueError("No model is installed.")
        return "tiny", "TinyMedSam is for anything."

    def open(self, name: str, preference: PrecisionPreference) -> TinyMedSam:
        self.opened.append(preference)
        return self.model if name == "tiny" else self.others[name]

    def preference(self) -> PrecisionPreference:
        return self.stored_preference

    def store_preference(self, preference: PrecisionPreference) -> None:
        self.stored_preference = preference

    def is_measured(self, name: str) -> bool:
        return self.fast_is_safe is not None

    def measure(self, name: str, report: Callable[[str], None]) -> bool:
        self.fast_is_safe = self.will_be_safe
        report("bf16 was measured.")
        return self.fast_is_safe

    def install(
        self, name: str, progress: Callable[[int, int], None], cancel: threading.Event
    ) -> None:
        progress(500_000, 1_000_000)
        self.installed = True

    def import_file(self, path: Path) -> ImportedModel:
        if path.suffix == ".pth":
            self.installed = True
            return ImportedModel("tiny", "Recognized as TinyMedSam.")
        if path.suffix == ".zip":
            self.others["brought"] = TinyMedSam()
            return ImportedModel("brought", "Recognized as BROUGHT.")
        raise ValueError(f"{path.name} is no weights file.")


@dataclass
class NotingView:
    """A dock that only remembers what it was shown."""

    panels: list[DockState] = field(default_factory=list)

    def show_panel(self, panel: DockState) -> None:
        self.panels.append(panel)

    strips: list[StripState | None] = field(default_factory=list)

    def show_strip(self, strip: StripState | None) -> None:
        self.strips.append(strip)

    asked: list[str] = field(default_factory=list)
    answers: list[str | None] = field(default_factory=list)

    def ask(self, question: str, answers: tuple[str, ...]) -> str | None:
        self.asked.append(question)
        answer = self.answers.pop(0) if self.answers else None
        assert answer is None or answer in answers
        return answer

    offers: list[ResumeOffer] = field(default_factory=list)
    replies: list[str | None] = field(default_factory=list)

    def offer(self, offer: ResumeOffer, answer: Callable[[str | None], None]) -> None:
        self.offers.append(offer)
        answer(self.replies.pop(0) if self.replies else None)

    @property
    def panel(self) -> DockState:
        return self.panels[-1]


class HeldJobs(ImmediateJobs):
    """A lane whose worker is slow: a started job runs at `release`."""

    held: Job | None = None

    def start(self, job: Job) -> None:
        self.cancel()
        self.held = self._job = job

    def release(self) -> None:
        job, self.held = self.held, None
        if job is not None and self._job is job:
            self._job = None
            super().start(job)


@dataclass
class Desk:
    """A controller at work on a bare viewer, and a user's hands."""

    viewer: ViewerModel
    view: NotingView
    shelf: TinyModelSource
    controller: Controller
    lanes: list[ImmediateJobs]

    def open(self, layer: Image) -> Image:
        self.viewer.add_layer(layer)
        self.controller.on_image_chosen(layer)
        return layer

    @property
    def labels(self) -> np.ndarray:
        return np.asarray(self.controller.case.labels.layer.data)

    @property
    def boxes(self):
        return self.controller.case.boxes.layer

    @property
    def annotation(self):
        return self.controller.case.annotation

    def draw(self, low: tuple[float, ...], high: tuple[float, ...]) -> None:
        """Add a rectangle with corners `low` and `high` (layer voxels), as the mouse would."""
        self.boxes.add_rectangles(rectangle(low, high))

    def draw_on(self, z: int) -> None:
        """Draw a box around the ellipsoid on an axial slice."""
        self.viewer.dims.set_point(0, z * SPACING_XYZ[2])
        self.draw((z, 12, 10), (z, 48, 38))


def rectangle(low: tuple[float, ...], high: tuple[float, ...]) -> np.ndarray:
    """(4, ndim) corners; the axis in which both agree is the hidden one."""
    low, high = np.asarray(low, float), np.asarray(high, float)
    first, second = np.flatnonzero(low != high)
    corners = np.tile(low, (4, 1))
    corners[2:, first] = high[first]
    corners[1:3, second] = high[second]
    return corners


def _at_once(function: Callable[[], None]) -> Callable[[], None]:
    return function


def make_desk(
    lane: type[ImmediateJobs] = ImmediateJobs,
    *,
    installed: bool = True,
    prefetch: bool = False,
    cache: EmbeddingCache | None = None,
    shelf: TinyModelSource | None = None,
) -> Desk:
    lanes: list[ImmediateJobs] = []

    def make_lane() -> ImmediateJobs:
        lanes.append(lane())
        return lanes[-1]

    viewer, view = ViewerModel(), NotingView()
    shelf = shelf or TinyModelSource(installed=installed)
    workspace = Workspace(
        viewer, view, make_jobs=make_lane, idle=_at_once if prefetch else None, cache=cache
    )
    controller = Controller(workspace, shelf)
    controller.start()
    DESKS.append(controller)
    return Desk(viewer, view, shelf, controller, lanes)


DESKS: list[Controller] = []
"""Those of the test that runs."""


def unsure_on(controller: Controller, model: TinyMedSam, scores: dict[int, float]) -> None:
    """The model's predicted quality becomes `scores` on these axial slices."""
    decode, case = model.decode, controller.case
    assert case is not None
    assert case.session is not None
    session = case.session
    keys = {z: session._predictor.key(SliceRef("z", z)) for z in scores}

    def doubting(embedding: np.ndarray, boxes: np.ndarray):
        decoded = decode(embedding, boxes)
        for z, score in scores.items():
            known = session.cache.get(keys[z])
            if known is not None and np.shares_memory(known.features, embedding):
                return decoded._replace(iou=np.full_like(decoded.iou, score))
        return decoded

    model.decode = doubting  # type: ignore[method-assign]
