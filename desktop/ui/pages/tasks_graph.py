"""Tasks that ended, over the whole run: failures point down. Dragging chooses a stretch of time."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.engine.api import Band, Mark, MarkKind
from desktop.ui import fonts
from desktop.ui.theme import Theme
from desktop.ui.widgets.timeline_marks import TONES, cluster, paint_mark

SERIES = ("ended:", "failed:")
TALL = 84
_LEFT, _RIGHT, _BOTTOM, _TOP = 100, 12, 18, 8
_WIDE = 3  # px of a column
_TOLD = (MarkKind.KILLED, MarkKind.EXITED, MarkKind.SIGNAL)
_SAMPLE = 1.0  # seconds in which a series has at least one sample
_CLICK = 4  # px: a drag shorter than that is a click


class RunGraph(QWidget):
    """A column a few pixels wide shows the least and the most of its stretch: no spike is averaged away.

    `chosen(since, until)` when a person has chosen a stretch; (None, None) when it was taken away.
    """

    chosen = Signal(object, object)
    width_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.span = (0.0, 1.0)
        self.selected: tuple[float, float] | None = None
        self.marks: tuple[Mark, ...] = ()
        self._ended: Sequence[tuple[float, float, float]] = ()  # middle, least, most
        self._failed: Sequence[tuple[float, float, float]] = ()
        self._count = 1  # columns that there are room for
        self._drag: tuple[float, float] | None = None
        self._hover: float | None = None
        self.setFixedHeight(TALL)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setToolTip("")
        Theme.current.changed.connect(self.update)
        self._tell()

    def buckets(self, seconds: float) -> int:
        """In how many stretches it shows a run of so many seconds: none of them without a sample."""
        return max(8, min(int(self._area().width() / _WIDE), int(seconds / _SAMPLE)))

    def show_bands(self, span: tuple[float, float], bands: Mapping[str, Band], marks: Sequence[Mark]) -> None:
        """Show the run, as it was read for `buckets`."""
        self.span = span if span[1] > span[0] else (span[0], span[0] + 1.0)
        self._count = max((len(band.t) for band in bands.values()), default=1)
        self._ended, self._failed = (_columns(bands.get(name)) for name in SERIES)
        self.marks = tuple(mark for mark in marks if mark.kind in _TOLD)
        self._tell()
        self.update()

    def select(self, since: float | None, until: float | None) -> None:
        """Show a stretch as chosen, without telling anybody."""
        new = None if since is None or until is None else (since, until)
        if new != self.selected:
            self.selected = new
            self._tell()
            self.update()

    def _tell(self) -> None:
        most = max((high for _t, _low, high in self._ended), default=0.0)
        since, until = (_clock(t) for t in self.span)
        told = f"Tasks ended over the run, {since} to {until}, at most {most:.0f} a second"
        if self.selected is not None:
            told += f"; chosen: {_clock(self.selected[0])} to {_clock(self.selected[1])}"
        self.setAccessibleName(told)
        self.setAccessibleDescription(
            "Left and right move the chosen stretch, with Shift its end; Esc clears it"
        )

    def sizeHint(self) -> QSize:
        return QSize(480, TALL)

    # geometry

    def _area(self) -> QRectF:
        return QRectF(_LEFT, _TOP, max(1, self.width() - _LEFT - _RIGHT), self.height() - _TOP - _BOTTOM)

    def _x(self, t: float) -> float:
        area, (first, last) = self._area(), self.span
        return area.left() + (t - first) / (last - first) * area.width()

    def _t(self, x: float) -> float:
        area, (first, last) = self._area(), self.span
        part = min(max((x - area.left()) / area.width(), 0.0), 1.0)
        return first + part * (last - first)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if event.size().width() != event.oldSize().width():
            self.width_changed.emit()

    # pointer and keys

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() is Qt.MouseButton.LeftButton:
            x = event.position().x()
            self._drag = (x, x)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        x = event.position().x()
        self._hover = x if self._area().left() <= x <= self._area().right() else None
        if self._drag is not None:
            self._drag = (self._drag[0], x)
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        drag, self._drag = self._drag, None
        if drag is None or event.button() is not Qt.MouseButton.LeftButton:
            return
        low, high = sorted(drag)
        if high - low >= _CLICK:
            self._choose(self._t(low), self._t(high))
        elif self.selected is not None:
            self.clear()
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self._hover = None
        self.update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = event.key()
        if key == Qt.Key.Key_Escape and (self.selected is not None or self._drag is not None):
            self._drag = None
            self.clear()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            way = 1 if key == Qt.Key.Key_Right else -1
            self._push(way, bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        else:
            super().keyPressEvent(event)

    def clear(self) -> None:
        """Nothing is chosen any more."""
        if self.selected is not None:
            self.selected = None
            self._tell()
            self.update()
            self.chosen.emit(None, None)

    def _push(self, way: int, only_end: bool) -> None:
        first, last = self.span
        step = (last - first) / 40
        since, until = self.selected or (last - 5 * step, last - step)
        until = min(max(until + way * step, first), last)
        since = since if only_end else min(max(since + way * step, first), last - step)
        self._choose(min(since, until - step), max(until, since + step))

    def _choose(self, since: float, until: float) -> None:
        self.selected = (since, until)
        self._tell()
        self.update()
        self.chosen.emit(since, until)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme, area = QPainter(self), Theme.current, self._area()
        failing = max((high for _t, _low, high in self._failed), default=0.0)
        most = max((high for _t, _low, high in self._ended), default=0.0)
        down = area.height() * (0.28 if failing else 0.0)
        base = round(area.bottom() - down)
        self._paint_columns(painter, self._ended, base, -(base - area.top()), most, "good")
        self._paint_columns(painter, self._failed, base + 1, down - 1, failing, "bad")
        painter.setPen(QPen(theme.color("line"), 1))
        painter.drawLine(QPointF(area.left(), base + 0.5), QPointF(area.right(), base + 0.5))
        self._paint_words(painter, area, base, most, failing)
        self._paint_marks(painter, area)
        self._paint_selection(painter, area)
        if self._hover is not None and self._drag is None:
            self._paint_reading(painter, area, self._hover)
        if self.hasFocus():
            painter.setPen(QPen(theme.color("focus"), 1))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1.5, 1.5, -1.5, -1.5), 6, 6)

    def _paint_columns(
        self,
        painter: QPainter,
        columns: Sequence[tuple[float, float, float]],
        base: float,
        room: float,
        most: float,
        token: str,
    ) -> None:
        """Up to the least in full colour, from there to the most in a light one."""
        if not most:
            return
        full = Theme.current.color(token)
        light = QColor(full)
        full.setAlpha(190)
        light.setAlpha(85)
        wide = self._area().width() / self._count
        thick = max(1.0, wide - 1)
        for t, low, high in columns:
            if high > 0:
                left = self._x(t) - wide / 2
                tall, least = high / most * room, low / most * room
                painter.fillRect(QRectF(left, base + min(tall, 0), thick, max(abs(tall), 1.0)), light)
                painter.fillRect(QRectF(left, base + min(least, 0), thick, abs(least)), full)

    def _paint_words(self, painter: QPainter, area: QRectF, base: float, most: float, failing: float) -> None:
        theme = Theme.current
        painter.setFont(fonts.font("small"))
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        painter.setPen(theme.color("muted"))
        if not most:
            painter.drawText(area, int(Qt.AlignmentFlag.AlignCenter), "No task has ended yet")
        else:
            painter.drawText(QRectF(0, area.top() - 4, _LEFT - 8, 16), right, f"{_rate(most)} ended")
        if failing:
            painter.setPen(theme.color("bad"))
            painter.drawText(QRectF(0, area.bottom() - 12, _LEFT - 8, 16), right, f"{_rate(failing)} failed")
        painter.setPen(theme.color("muted"))
        first, last = self.span
        count = max(2, int(area.width() / 150))
        for k in range(count + 1):
            t = first + (last - first) * k / count
            box = QRectF(self._x(t) - 50, area.bottom() + 2, 100, _BOTTOM - 2)
            how = Qt.AlignmentFlag.AlignHCenter
            if k in (0, count):
                how = Qt.AlignmentFlag.AlignRight if k else Qt.AlignmentFlag.AlignLeft
                box.moveLeft(area.right() - 100 if k else area.left())
            painter.drawText(box, int(how | Qt.AlignmentFlag.AlignVCenter), _clock(t))

    def _paint_marks(self, painter: QPainter, area: QRectF) -> None:
        for place in cluster(self.marks, self._x, 12):
            if area.left() <= place.x <= area.right():
                colour = Theme.current.color(TONES[place.kind])
                paint_mark(painter, place.kind, QPointF(place.x, area.top() + 1), 7, colour)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_selection(self, painter: QPainter, area: QRectF) -> None:
        if self._drag is not None:
            left, right = sorted(min(max(x, area.left()), area.right()) for x in self._drag)
        elif self.selected is not None:
            left = min(max(self._x(self.selected[0]), area.left()), area.right())
            right = min(max(self._x(self.selected[1]), area.left()), area.right())
        else:
            return
        shade = Theme.current.color("surface")
        shade.setAlpha(170)
        painter.fillRect(QRectF(area.left(), 0, left - area.left(), area.bottom()), shade)
        painter.fillRect(QRectF(right, 0, area.right() - right + 1, area.bottom()), shade)
        painter.setPen(QPen(Theme.current.color("accent"), 1))
        for x in (left, right):
            painter.drawLine(QPointF(round(x) + 0.5, 0), QPointF(round(x) + 0.5, area.bottom()))

    def _paint_reading(self, painter: QPainter, area: QRectF, x: float) -> None:
        """What stood under the pointer, in a box beside it."""
        t, theme = self._t(x), Theme.current
        words = [_clock(t), *(f"{_reading(c, t)} {word}" for c, word in self._series() if c)]
        words += [mark.text for mark in self.marks if abs(self._x(mark.t) - x) <= 6][-1:]
        text = "   ".join(words)
        painter.setPen(QPen(theme.color("muted"), 1))
        painter.drawLine(QPointF(round(x) + 0.5, area.top()), QPointF(round(x) + 0.5, area.bottom()))
        painter.setFont(fonts.font("small"))
        wide = painter.fontMetrics().horizontalAdvance(text) + 16
        left = x + 10 if x + 10 + wide < area.right() else max(area.left(), x - 10 - wide)
        box = QRectF(left, area.top() + 2, wide, 20)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(theme.color("line"))
        painter.setBrush(theme.color("raised"))
        painter.drawRoundedRect(box, 5, 5)
        painter.setPen(theme.color("text"))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), text)

    def _series(self) -> tuple[tuple[Sequence[tuple[float, float, float]], str], ...]:
        return (self._ended, "ended"), (self._failed, "failed")


def _columns(band: Band | None) -> list[tuple[float, float, float]]:
    if band is None:
        return []
    return [
        (t, low, high)
        for t, low, high in zip(band.t, band.low, band.high, strict=True)
        if not math.isnan(high)
    ]


def _reading(columns: Sequence[tuple[float, float, float]], t: float) -> str:
    _middle, low, high = min(columns, key=lambda column: abs(column[0] - t))
    return _rate(high) if high - low < 0.5 else f"{low:.0f}–{_rate(high)}"


def _rate(value: float) -> str:
    return f"{value:,.0f}/s" if value >= 9.95 else f"{value:.1f}/s"


def _clock(t: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(t))
