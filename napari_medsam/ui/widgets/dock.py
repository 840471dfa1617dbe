"""The dock: connects its widgets to the `Controller`, shows its `DockState`, and opens dialogs."""

from __future__ import annotations

from collections.abc import Callable

from napari.layers import Image
from napari.viewer import Viewer
from qtpy.QtCore import QSize, Qt, QTimer
from qtpy.QtGui import QResizeEvent, QShowEvent
from qtpy.QtWidgets import QApplication, QVBoxLayout, QWidget
from superqt.utils import qthrottled

from napari_medsam.headless.disk_cache_settings import cache_preferences_file, lasting_cache
from napari_medsam.storage.settings import set_settings, settings, settings_file
from napari_medsam.ui.actions.label_templates import fill_menu
from napari_medsam.ui.actions.model_source import ModelSource
from napari_medsam.ui.actions.tour import OFFER, SLICE, Tour
from napari_medsam.ui.controller import Controller
from napari_medsam.ui.layers.sample_data import synthetic_ct
from napari_medsam.ui.napari_support.close_button import hide_on_close
from napari_medsam.ui.napari_support.deferred_calls import Later
from napari_medsam.ui.napari_support.mesh_redraw import keep_shaders
from napari_medsam.ui.napari_support.mouse_position import keep_mouse_in_place
from napari_medsam.ui.napari_support.release_memory import give_back_large_arrays
from napari_medsam.ui.state import preferred_reader, shortcuts
from napari_medsam.ui.state.action_table import ACTIONS
from napari_medsam.ui.state.case import Case
from napari_medsam.ui.state.dock_state import DockState, StripState
from napari_medsam.ui.state.file_watch import FileWatch
from napari_medsam.ui.state.resume_offers import ResumeOffer
from napari_medsam.ui.state.workspace import Workspace
from napari_medsam.ui.widgets import file_dialogs
from napari_medsam.ui.widgets.case_dialogs import CaseDialogs
from napari_medsam.ui.widgets.close_guard import ClosingQuestion
from napari_medsam.ui.widgets.completion_sound import CompletionSound
from napari_medsam.ui.widgets.dock_layout import DockLayout
from napari_medsam.ui.widgets.fitting_scroll_area import FittingScrollArea
from napari_medsam.ui.widgets.journal_dialogs import show_offer
from napari_medsam.ui.widgets.key_repeats import KeyRepeats
from napari_medsam.ui.widgets.napari_preferences import NapariPreferences
from napari_medsam.ui.widgets.preferences import PreferencesDialog
from napari_medsam.ui.widgets.shortcut_sheet import ShortcutSheet

WIDTH = 320
LEAST_HEIGHT = 60
"""Least height of the dock in pixels: with napari's layer list it must fit 768 lines."""
LEAST_ABOVE = 75
"""Pixels above progress and saving; if there are fewer, these scroll with the rest."""
REDRAW_MS = 60
IDLE_MS = 500


def _throttle(function: Callable[[], None]) -> Callable[[], None]:
    return qthrottled(function, timeout=REDRAW_MS)


def _idle(function: Callable[[], None]) -> Callable[[], None]:
    """Run half a second after the first of many calls; further scrolling does not delay it."""
    return qthrottled(function, timeout=IDLE_MS, leading=False)


class MedSamWidget(QWidget):
    """Box segmentation in a napari viewer.

    Parameters
    ----------
    napari_viewer
        The viewer of the dock.
    shelf
        Where models come from; by default the catalogue and the imported models.
    """

    def __init__(self, napari_viewer: Viewer, shelf: ModelSource | None = None) -> None:
        super().__init__()
        give_back_large_arrays()
        keep_shaders()
        keep_mouse_in_place()
        self._viewer = napari_viewer
        self._later = Later(self)
        self._state: DockState | None = None  # what is shown; None if all must be shown again
        self._guidance: tuple[str, str, bool] | None = None
        self.parts = DockLayout(self._images, self.act)
        self._tour = Tour()
        self._completion_sound = CompletionSound(QApplication.beep, lambda: settings().sound)
        # A typed number changes with each digit, and each change of threads recompiles the model.
        self._apply_soon = QTimer(self)
        self._apply_soon.setSingleShot(True)
        self._apply_soon.setInterval(IDLE_MS)
        self._apply_soon.timeout.connect(self._apply_settings)
        self._napari_preferences = NapariPreferences(
            self._apply_soon.start,
            lambda *arguments: self._later(lambda: self.controller.show_message(*arguments)),
        )
        self._napari_preferences.meet()  # before anything is built from the settings
        self._lay_out()
        workspace = Workspace(
            napari_viewer,
            self,
            throttle=_throttle,
            later=self._later,
            idle=_idle,
            cache=lasting_cache(settings().memory_mb * 1024**2),
        )
        self.controller = Controller(workspace, shelf)
        self.dialogs = CaseDialogs(self, self.controller, self.parts.files.description.isChecked)
        self._closing = ClosingQuestion(self, self.controller.unsaved, self.ask, self.dialogs.save)
        self._connect()
        self.controller.start()
        self.reset_choices()

    def _lay_out(self) -> None:
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        # No minimum width of our own: it would replace the one that the parts need.
        scroll = FittingScrollArea(self.parts, least_width=WIDTH)
        scroll.setMinimumHeight(LEAST_HEIGHT // 2)
        layout.addWidget(scroll, stretch=1)
        layout.addWidget(self.parts.end)

    def minimumSizeHint(self) -> QSize:
        """A low minimum height: what does not fit scrolls."""
        needed = super().minimumSizeHint()
        return QSize(needed.width(), min(needed.height(), LEAST_HEIGHT))

    def resizeEvent(self, event: QResizeEvent | None) -> None:
        """Place progress and saving below the scroll area, or inside it if there is no room."""
        super().resizeEvent(event)
        end = self.parts.end
        is_low = self.height() < end.minimumSizeHint().height() + LEAST_ABOVE
        holder = self.parts if is_low else self
        layout = holder.layout()
        if layout is not None and end.parentWidget() is not holder:
            layout.addWidget(end)

    def _connect(self) -> None:
        parts, controller = self.parts, self.controller
        parts.image.changed.connect(controller.on_image_chosen)
        parts.model.chosen.connect(lambda name: controller.desk.choose(name))
        parts.precision.activated.connect(
            lambda index: controller.desk.choose_precision(parts.precision.itemData(index))
        )
        parts.preset.textActivated.connect(controller.sessions.choose_window)
        parts.own_window.returnPressed.connect(self._on_window_typed)
        parts.seen.fold.toggled.connect(lambda: self._show_seen())
        parts.model_row.install.clicked.connect(lambda: controller.desk.install())
        for wanted in (parts.model_row.import_file.clicked, parts.model.file_wanted):
            wanted.connect(lambda: self.dialogs.import_model())
        for wanted in (parts.model_row.import_folder.clicked, parts.model.folder_wanted):
            wanted.connect(lambda: self.dialogs.import_model(folder=True))
        on_case = controller.on_case
        parts.table.picked.connect(lambda n: on_case(Case.pick_label, n))
        parts.table.renamed.connect(lambda n, name: on_case(Case.rename_label, n, name))
        parts.table.recolored.connect(lambda n, color: on_case(Case.recolor_label, n, color))
        parts.table.locked.connect(lambda n, on: on_case(Case.lock_label, n, on))
        parts.table.stated.connect(lambda n, state: on_case(Case.set_state, n, state))
        parts.replace.toggled.connect(controller.workspace.choose_replace)
        parts.range.chosen.connect(controller.propagation.choose_range)
        parts.range.extent.clicked.connect(controller.propagation.choose_extent)
        parts.strip.jumped.connect(controller.view.choose_slice)
        parts.strip.end_moved.connect(controller.review.move_end)
        parts.end_tour.clicked.connect(self.end_tour)
        parts.offer.answered.connect(self._on_offer_answered)
        templates = parts.files.templates
        templates.aboutToShow.connect(lambda: fill_menu(templates, controller.templates, self))
        self._bound = dict(shortcuts.bound())
        shortcuts.bind(self._viewer, self.act)
        self._repeats = KeyRepeats(self, shortcuts.action_of, lambda name: ACTIONS[name].repeats)
        viewer = self._viewer
        self.destroyed.connect(lambda: shortcuts.unbind(viewer))
        # The dock gets no close event with the window, only `destroyed`.
        self.destroyed.connect(controller.close)
        self.destroyed.connect(self._napari_preferences.close)
        watched = (settings_file(), cache_preferences_file(), self._napari_preferences.file)
        self._watch = FileWatch(self, [file for file in watched if file], self._on_settings_written)

    def act(self, name: str) -> None:
        """Run an action of `action_table`, as its button, key or menu entry does."""
        ACTIONS[name].run(self)

    def show_panel(self, panel: DockState) -> None:
        if self._later.is_over:  # a throttled redraw can outlive the dock
            return
        self.parts.show_state(self._state, panel)
        self._state = panel
        self._completion_sound.on_progress(panel.progress)
        self._show_guidance()

    def _show_guidance(self) -> None:
        """Show one thing at a time: a question that is asked once, the tour, or the hint."""
        state, tour, parts = self._state, self._tour, self.parts
        if state is None:
            return
        is_time = state.model is not None and state.model.state == "ready" and not state.has_case
        question = self._question() if is_time and not tour.is_on else ""
        hint = tour.sentence(self.controller.case) if tour.is_on else state.hint
        if self._guidance != (question, hint, tour.is_on):
            self._guidance = question, hint, tour.is_on
            parts.offer.offer(question)
            parts.hint.setText(hint)
            parts.hint.setVisible(not question)
            parts.end_tour.setVisible(tour.is_on)

    def _question(self) -> str:
        now = settings()
        if now.opens_files == "":
            return preferred_reader.QUESTION
        return "" if now.tour_seen else OFFER

    def _on_offer_answered(self, yes: bool) -> None:
        self._guidance = None  # the row has hidden itself
        if settings().opens_files == "":
            preferred_reader.answer_preferred_reader(yes)
        elif yes:
            self.start_tour()
        else:
            set_settings(tour_seen=True)
        self.controller.refresh()

    def _on_window_typed(self) -> None:
        """Use the window that was typed; without the focus its field shows the one in use again."""
        self.parts.own_window.clearFocus()
        self.controller.sessions.choose_window(self.parts.own_window.text().strip())

    def start_tour(self) -> None:
        """Begin the tour, on the sample case."""
        set_settings(tour_seen=True)
        [(voxels, how, _)] = synthetic_ct()
        sample = Image(voxels, **how)
        self._viewer.add_layer(sample)
        self.controller.on_image_chosen(sample)
        self._tour.start()
        self.controller.view.choose_slice(SLICE)
        self.controller.refresh()

    def end_tour(self) -> None:
        self._tour.stop()
        self.controller.refresh()

    def show_strip(self, strip: StripState | None) -> None:
        if self._later.is_over:
            return
        self.parts.strip.show_strip(strip)
        self._show_seen()
        self._show_guidance()

    def _show_seen(self) -> None:
        self.parts.seen.show_seen(self.controller.case)

    def ask_preferences(self) -> None:
        """Show the preferences dialog and apply what was chosen."""
        page = PreferencesDialog(self, self.controller.desk.preference)
        if page.exec():
            if page.precision.currentData() != self.controller.desk.preference:
                self.controller.desk.choose_precision(page.precision.currentData())
            self._napari_preferences.meet()
            self._apply_settings()

    def _on_settings_written(self) -> None:
        """Show and apply settings that the user or another window wrote to the files."""
        self._napari_preferences.meet()
        self._apply_soon.start()

    def _apply_settings(self) -> None:
        """Apply the current settings."""
        bound = dict(shortcuts.bound())
        if bound != self._bound:
            shortcuts.unbind(self._viewer, self._bound)
            shortcuts.bind(self._viewer, self.act)
            self._bound, self._state = bound, None  # buttons and tooltips have keys
        self.controller.workspace.apply_settings(settings())

    def show_keys(self) -> None:
        """Show the sheet of keys beside the window."""
        sheet = ShortcutSheet(self)
        sheet.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        sheet.show()

    # --- images ------------------------------------------------------------------------

    def _images(self, _: object = None) -> list[Image]:
        return [layer for layer in self._viewer.layers if isinstance(layer, Image)]

    def reset_choices(self, event: object = None) -> None:
        """Update the image choices from the layers; napari calls this when they change.

        napari 0.6 does so even after the dock is gone.
        """
        if self._later.is_over:
            return
        with self.parts.image.changed.blocked():
            self.parts.image.reset_choices()
        # Deferred: napari is still adding the layer; it selects it and fits the view after this.
        self._later(self.open_chosen)

    def open_chosen(self) -> None:
        """Open the case of the chosen image, if it is not open yet."""
        self.controller.on_image_chosen(self.parts.image.value)

    def showEvent(self, event: QShowEvent | None) -> None:
        super().showEvent(event)
        self._closing.watch()
        hide_on_close(self)

    # --- dialogs -----------------------------------------------------------------------

    def ask(self, question: str, answers: tuple[str, ...]) -> str | None:
        return file_dialogs.ask(self, question, answers)

    def offer(self, offer: ResumeOffer, answer: Callable[[str | None], None]) -> None:
        show_offer(self, offer, answer)
