"""A panel over the whole window: palette, shortcut sheet. Esc or a click beside it closes it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QFrame, QVBoxLayout, QWidget


class Overlay(QWidget):
    """Covers its host. The focus stays inside while it is open and goes back where it was."""

    def __init__(self, host: QWidget, name: str, width: int, top: int = 96) -> None:
        super().__init__(host)
        self._host = host
        self._top = top
        self._before: QWidget | None = None
        self.setAccessibleName(name)
        self.panel = QFrame(self)
        self.panel.setProperty("kind", "raised")
        self.panel.setFixedWidth(width)
        self.column = QVBoxLayout(self.panel)
        self.column.setContentsMargins(8, 8, 8, 8)
        self.column.setSpacing(6)
        host.installEventFilter(self)
        self.hide()

    def open_over(self, focus: QWidget) -> None:
        """Show it, with the focus in `focus`."""
        if not self.isVisible():
            self._before = QApplication.focusWidget()
        self._fit()
        self.show()
        self.raise_()
        focus.setFocus(Qt.FocusReason.PopupFocusReason)

    def dismiss(self) -> None:
        """Close it."""
        if self.isVisible():
            self.hide()
            if self._before is not None:
                self._before.setFocus(Qt.FocusReason.PopupFocusReason)
            self._before = None

    def _fit(self) -> None:
        self.setGeometry(self._host.rect())
        self.panel.adjustSize()
        height = min(self.panel.sizeHint().height(), self.height() - 2 * 24)
        top = min(self._top, max(24, (self.height() - height) // 2))
        self.panel.setGeometry((self.width() - self.panel.width()) // 2, top, self.panel.width(), height)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if watched is self._host and event.type() == QEvent.Type.Resize and self.isVisible():
            self._fit()
        return False

    def focusNextPrevChild(self, forward: bool) -> bool:
        # What lies below must not take the focus while it is covered.
        return False

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape:
            self.dismiss()
        event.accept()  # no key is for what lies below

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if not self.panel.geometry().contains(event.position().toPoint()):
            self.dismiss()

    def paintEvent(self, event: QPaintEvent) -> None:
        QPainter(self).fillRect(self.rect(), QColor(0, 0, 0, 110))
