"""Makes the × of our dock hide it, as napari's own hide button beside it does.

napari's × takes the widget out of the window without destroying it (`destroyOnClose`, seen from
0.6.6 to 0.10.0rc1). The Plugins menu then makes a second dock, while the first still holds its
layers and the locks of its journals.
"""

from __future__ import annotations

from weakref import ref

from qtpy.QtWidgets import QDockWidget, QWidget

from napari_medsam.ui.napari_support.enclosing_widget import enclosing


def hide_on_close(widget: QWidget) -> None:
    """Let the × of the dock around a widget only hide it; the Plugins menu shows it again.

    Call it when the widget is shown: before that it may not be in a dock.
    """
    dock = enclosing(widget, QDockWidget)
    if dock is None:
        return
    shown = ref(dock)  # weak, so that the dock can be freed

    def hide() -> None:
        dock = shown()
        if dock is not None:
            dock.close()

    vars(dock)["destroyOnClose"] = hide
