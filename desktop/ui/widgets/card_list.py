"""Cards below each other, one of them chosen: the list of what a page is about."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QKeyEvent, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QAbstractButton, QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from desktop.ui.theme import Theme


class CardRow(QAbstractButton):
    """One card, by its name. Choosing it shows its details; the context menu holds its verbs."""

    menu_wanted = Signal(str, object)  # name, global QPoint

    def __init__(self, name: str, tall: int, spark: int) -> None:
        """`tall`: its height, `spark`: the width of its fine line; both in px."""
        super().__init__()
        self.name = name
        self._tall, self._spark_wide = tall, spark
        self._spark: Sequence[float] = ()
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFixedHeight(tall)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(340, self._tall)

    def show_spark(self, values: Sequence[float]) -> None:
        """The last minutes, as a fine line."""
        self._spark = values[:: max(1, len(values) // self._spark_wide)]
        self.update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_wanted.emit(self.name, event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def paint_card(self, painter: QPainter) -> QRectF:
        """The ground and the edge, as it is chosen, focused or under the mouse; what is inside."""
        theme = Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = "surface" if self.isChecked() else "hover" if self.underMouse() else "window"
        edge = "focus" if self.hasFocus() else "line_strong" if self.isChecked() else "line"
        painter.setPen(QPen(theme.color(edge), 2 if self.hasFocus() else 1))
        painter.setBrush(theme.color(ground))
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(box, 8, 8)
        return box

    def paint_spark(self, painter: QPainter, box: QRectF, color: QColor, least: float) -> None:
        """The fine line; its upper end is at `least` or above. NaN breaks it."""
        known = [v for v in self._spark if not math.isnan(v)]
        if len(known) < 2:
            return
        top, wide = max(least, *known), box.width() / (len(self._spark) - 1)
        painter.setPen(QPen(color, 1.0))
        points: list[QPointF] = []
        for i, value in enumerate(self._spark):
            if math.isnan(value):
                painter.drawPolyline(QPolygonF(points))
                points = []
            else:
                points.append(QPointF(box.left() + i * wide, box.bottom() - value / top * box.height()))
        painter.drawPolyline(QPolygonF(points))


Row = TypeVar("Row", bound=CardRow)


class CardList(QScrollArea, Generic[Row]):
    """The cards; one of them is chosen while there is any."""

    chosen = Signal(str)
    menu_wanted = Signal(str, object)

    def __init__(self, name: str, make: Callable[[str], Row], below: int = 0) -> None:
        """`name`: what it is for a screen reader; `below`: px that stay free under the last card."""
        super().__init__()
        self._make_row = make
        self.rows: dict[str, Row] = {}
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(name)
        inner = QWidget()
        inner.setProperty("kind", "page")
        self._column = QVBoxLayout(inner)
        self._column.setContentsMargins(0, 0, 4, below)
        self._column.setSpacing(8)
        self._column.addStretch()
        self.setWidget(inner)
        Theme.current.changed.connect(self._repaint)

    @property
    def current(self) -> str:
        """The name of the card that is chosen; empty when there is none."""
        return next((name for name, row in self.rows.items() if row.isChecked()), "")

    def show_names(self, names: Sequence[str]) -> None:
        """Have a card for each of these, in this order."""
        if list(names) != list(self.rows):
            self._rebuild(list(names))

    def show_sparks(self, read: Callable[[str], Sequence[float]]) -> None:
        """Draw each card's fine line anew."""
        for name, row in self.rows.items():
            row.show_spark(read(name))

    def choose(self, name: str) -> None:
        """Choose a card and bring it to the eye."""
        if name in self.rows:
            self.rows[name].setChecked(True)
            self.ensureWidgetVisible(self.rows[name])
            self.chosen.emit(name)

    def _rebuild(self, names: list[str]) -> None:
        before = self.current
        for name in set(self.rows) - set(names):
            row = self.rows.pop(name)
            row.hide()
            row.deleteLater()
        self.rows = {name: self.rows.get(name) or self._make(name) for name in names}
        for at, row in enumerate(self.rows.values()):
            self._column.insertWidget(at, row)
        if names and before not in names:
            self.choose(names[0])

    def _make(self, name: str) -> Row:
        row = self._make_row(name)
        row.clicked.connect(lambda: self.chosen.emit(name))
        row.menu_wanted.connect(self.menu_wanted)
        return row

    def _repaint(self) -> None:
        for row in self.rows.values():
            row.update()
