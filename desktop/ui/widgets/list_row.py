"""A row of a list that is a button: chosen or not, under the pointer, with the focus."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QKeyEvent, QPainter
from PySide6.QtWidgets import QAbstractButton

from desktop.ui.theme import Theme


class ListRow(QAbstractButton):
    """Checkable, of one height, reached and pressed by keyboard. A subclass paints on `ground`."""

    def __init__(self, tall: int, narrowest: int) -> None:
        super().__init__()
        self._hint = QSize(narrowest, tall)
        self.setCheckable(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFixedHeight(tall)

    def sizeHint(self) -> QSize:
        return self._hint

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def ground(self, painter: QPainter) -> QRectF:
        """Paint what lies behind the words; the rectangle that it fills."""
        theme = Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.setPen(theme.color("focus") if self.hasFocus() else Qt.PenStyle.NoPen)
        ground = "selected" if self.isChecked() else "hover" if self.underMouse() else ""
        painter.setBrush(theme.color(ground) if ground else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(box, 6, 6)
        return box
