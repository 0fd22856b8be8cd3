"""What every dialog of the window is."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QWidget


class Dialog(QDialog):
    """Modal over its window and gone when closed; the window is active again then.

    Window managers do the last by themselves, a display without one does not: keys would reach nobody.
    """

    def __init__(self, parent: QWidget, title: str) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.setWindowTitle(title)
        self._over = parent.window()
        self.finished.connect(self._over.activateWindow)

    def resize_within(self, width: int, height: int) -> None:
        """Take this size, or as much of it as the window has."""
        room = self._over.size()
        self.resize(min(width, room.width() - 48), min(height, room.height() - 48))
