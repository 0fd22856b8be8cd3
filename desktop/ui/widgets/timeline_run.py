"""Under the charts of a run: the words of their time axis, and the marks of the stretch that is shown."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QMouseEvent, QPainter, QPaintEvent, QPen, QWheelEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.ui import fonts
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart import MARGINS
from desktop.ui.widgets.chart_hand import Hand
from desktop.ui.widgets.chart_labels import paint_selection
from desktop.ui.widgets.chart_span import RunAxis
from desktop.ui.widgets.timeline import Timeline
from desktop.ui.words import count, duration

_TALL = 26
_TICK_EVERY = 110  # px


def track_of(widget: QWidget) -> QRectF:
    """Where the time axis lies in a widget that stands under the charts."""
    left, right = MARGINS
    return QRectF(left, 0, max(1, widget.width() - left - right), widget.height())


class Ruler(QWidget):
    """The words of the time axis. Dragging on it draws a stretch, and zooms to it."""

    def __init__(self, axis: RunAxis) -> None:
        super().__init__()
        self.axis = axis
        self._hand = Hand(axis, self, lambda: track_of(self), draws=True)
        self.setFixedHeight(_TALL)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip("Drag over a stretch to zoom to it")
        axis.changed.connect(self._changed)
        axis.cross_moved.connect(self.update)
        axis.selection_changed.connect(self.update)
        Theme.current.changed.connect(self.update)
        self._changed()

    def _changed(self) -> None:
        clock = self.axis.clock
        self.setAccessibleName(f"Time axis, {clock(self.axis.since)} to {clock(self.axis.until)}")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(640, _TALL)

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.setAccepted(self._hand.wheel(event))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._hand.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hand.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._hand.release(event)
        self.setCursor(Qt.CursorShape.CrossCursor)

    def leaveEvent(self, event: QEvent) -> None:
        self._hand.leave()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme, track = QPainter(self), Theme.current, track_of(self)
        painter.setFont(fonts.font("small"))
        metrics = QFontMetricsF(painter.font())
        free = 0.0  # px up to which there are words already
        for t, word in self.axis.ticks(int(track.width() // _TICK_EVERY)):
            x = track.right() + (t - self.axis.until) / self.axis.span * track.width()
            painter.setPen(QPen(theme.color("line_strong"), 1))
            painter.drawLine(QPointF(round(x) + 0.5, 0), QPointF(round(x) + 0.5, 4))
            wide = metrics.horizontalAdvance(word)
            left = min(max(x - wide / 2, track.left()), track.right() - wide)
            if left >= free:
                painter.setPen(theme.color("muted"))
                painter.drawText(QRectF(left, 6, wide + 2, 16), int(Qt.AlignmentFlag.AlignLeft), word)
                free = left + wide + 12
        painter.setPen(theme.color("muted"))
        beside = QRectF(track.right() + 10, 0, self.width() - track.right() - 14, self.height())
        painter.drawText(beside, int(Qt.AlignmentFlag.AlignVCenter), "drag here to zoom")
        paint_selection(painter, track, self.axis)
        if self.axis.selection is not None:
            since, until = self.axis.selection
            middle = (since + until) / 2
            self._paint_box(painter, middle, f"{duration(until - since)}", metrics)
        elif self.axis.moment is not None:
            self._paint_box(painter, self.axis.moment, self._moment(self.axis.moment), metrics)

    def _moment(self, t: float) -> str:
        ago = f"  ·  {duration(self.axis.last - t)} ago" if self.axis.live and t < self.axis.last else ""
        return f"{self.axis.clock(t)}{ago}"

    def _paint_box(self, painter: QPainter, t: float, text: str, metrics: QFontMetricsF) -> None:
        theme, track = Theme.current, track_of(self)
        x = track.right() + (t - self.axis.until) / self.axis.span * track.width()
        wide = metrics.horizontalAdvance(text) + 16
        left = min(max(x - wide / 2, track.left()), track.right() - wide)
        box = QRectF(left, 3, wide, 20)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(theme.color("line_strong"), 1))
        painter.setBrush(theme.color("raised"))
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5), 5, 5)
        painter.setPen(theme.color("text"))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)


class RunTimeline(Timeline):
    """The marks of the stretch that is shown; the wheel zooms here too, a drag moves."""

    NOTHING = "No mark in this stretch"

    def __init__(self, axis: RunAxis) -> None:
        self._run = axis
        super().__init__(axis)
        self._hand = Hand(axis, self, lambda: track_of(self))

    def refresh(self) -> None:
        super().refresh()
        axis = self._run
        shown = sum(len(place.marks) for place in self.clusters)
        stretch = f"{axis.clock(axis.since)} to {axis.clock(axis.until)}"
        self.setAccessibleName(f"Time line, {count(shown, 'mark')} from {stretch}")

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.setAccepted(self._hand.wheel(event))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        super().mousePressEvent(event)
        self._hand.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hand.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._hand.release(event)
