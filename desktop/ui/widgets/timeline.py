"""The strip under the graphs: what happened to the stack, on the same time axis."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
)
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from desktop.engine.api import Mark
from desktop.ui import fonts
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart import MARGINS, TimeAxis
from desktop.ui.widgets.chart_faults import paint_bands
from desktop.ui.widgets.chart_scale import ago_text
from desktop.ui.widgets.timeline_marks import TONES, Cluster, cluster, paint_mark

_GAP = 18.0  # px: marks closer than this share one place
_MARK = 9.0
_STRIP = 16.0  # px: height of a fault's band
_REACH = 10.0  # px around a mark where the pointer means it


class Timeline(QWidget):
    """Marks by shape and colour; marks that lie together become one with their number.

    Hovering tells what happened; left and right go from mark to mark and take the cross-hair along.
    """

    NOTHING = "Nothing happened yet"

    chosen = Signal(object)  # tuple[Mark, ...] that were clicked or reached by key

    def __init__(self, axis: TimeAxis, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.axis = axis
        self._clusters: list[Cluster] = []
        self._current: tuple[Mark, ...] = ()
        self.setFixedHeight(40)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setMouseTracking(True)
        axis.cross_moved.connect(self.update)
        axis.span_changed.connect(self.refresh)
        Theme.current.changed.connect(self.update)
        self.refresh()

    def refresh(self) -> None:
        """Draw the axis' moment and marks."""
        shown = [m for m in self.axis.marks if self.axis.now - self.axis.span <= m.t <= self.axis.now + 1]
        self._clusters = cluster(shown, self._x, _GAP)
        last = shown[-1].text if shown else "nothing yet"
        told = f"Time line, {len(shown)} marks in the last {ago_text(self.axis.span)[1:]}; the latest: {last}"
        if told != self.accessibleName():
            self.setAccessibleName(told)
        self.update()

    @property
    def clusters(self) -> tuple[Cluster, ...]:
        """The marks as they are shown."""
        return tuple(self._clusters)

    def describe(self, place: Cluster) -> str:
        """What a place tells: the time and sentence of each mark."""
        lines = []
        for mark in place.marks[-8:]:
            clock = time.strftime("%H:%M:%S", time.localtime(mark.t))
            lines.append(f"{clock}  {mark.text}")
        if len(place.marks) > 8:
            lines.insert(0, f"… {len(place.marks) - 8} more before")
        return "\n".join(lines)

    def sizeHint(self) -> QSize:
        return QSize(480, 40)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.refresh()  # of a run that is over nothing else would put the marks under their moments

    # geometry

    def _track(self) -> QRectF:
        left, right = MARGINS
        return QRectF(left, 0, max(1, self.width() - left - right), self.height())

    def _x(self, t: float) -> float:
        track = self._track()
        return track.right() + (t - self.axis.now) / self.axis.span * track.width()

    def _at(self, x: float) -> Cluster | None:
        near = min(self._clusters, key=lambda c: abs(c.x - x), default=None)
        return near if near is not None and abs(near.x - x) <= _REACH else None

    # the pointer and the keys

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        track, x = self._track(), event.position().x()
        inside = track.left() <= x <= track.right()
        self.axis.move_cross((x - track.right()) / track.width() * self.axis.span if inside else None)

    def leaveEvent(self, event: QEvent) -> None:
        self.axis.move_cross(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        place = self._at(event.position().x())
        if place is not None:
            self._choose(place)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if step is None or not self._clusters:
            super().keyPressEvent(event)
            return
        held = [i for i, c in enumerate(self._clusters) if set(c.marks) & set(self._current)]
        at = held[0] + step if held else len(self._clusters) - 1
        self._choose(self._clusters[min(max(at, 0), len(self._clusters) - 1)])

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        self._current = ()
        self.axis.move_cross(None)
        super().focusOutEvent(event)

    def _choose(self, place: Cluster) -> None:
        self._current = place.marks
        self.axis.move_cross(place.marks[0].t - self.axis.now)
        self.setAccessibleDescription(self.describe(place))
        where = self.mapToGlobal(QPointF(place.x, self.height()).toPoint())
        QToolTip.showText(where, self.describe(place), self)
        self.chosen.emit(place.marks)
        self.update()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            place = self._at(event.pos().x())
            if place is None:
                QToolTip.hideText()
            else:
                QToolTip.showText(event.globalPos(), self.describe(place), self)
            return True
        return super().event(event)

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme, track = QPainter(self), Theme.current, self._track()
        middle = round(track.center().y()) + 0.5
        painter.setPen(QPen(theme.color("line"), 1))
        painter.drawLine(QPointF(track.left(), middle), QPointF(track.right(), middle))
        strip = QRectF(track.left(), middle - _STRIP / 2, track.width(), _STRIP)
        paint_bands(painter, strip, self.axis.faults, self._x, self.axis.now)
        painter.setFont(fonts.font("label"))
        painter.setPen(theme.color("muted"))
        side = Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(19, 0, track.left() - 19, self.height()), int(side), "Marks")
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
            painter.setPen(QPen(theme.color("focus"), 2))
            painter.drawRoundedRect(QRectF(11, middle - 12, track.left() - 23, 24), 6, 6)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setPen(theme.color("muted"))
        if not self._clusters:
            self._paint_nothing(painter, track)
        if self.axis.cross is not None:
            x = round(track.right() + self.axis.cross / self.axis.span * track.width()) + 0.5
            painter.setPen(QPen(theme.color("muted"), 1))
            painter.drawLine(QPointF(x, 0), QPointF(x, self.height()))
        for place in self._clusters:
            self._paint_place(painter, place, middle)

    def _paint_nothing(self, painter: QPainter, track: QRectF) -> None:
        wide = painter.fontMetrics().horizontalAdvance(self.NOTHING) + 24
        box = QRectF(track.center().x() - wide / 2, track.top(), wide, track.height())
        painter.fillRect(box, Theme.current.color("window"))  # the line does not run through the words
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), self.NOTHING)

    def _paint_place(self, painter: QPainter, place: Cluster, middle: float) -> None:
        theme = Theme.current
        colour, centre = theme.color(TONES[place.kind]), QPointF(round(place.x), middle)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        held = self.hasFocus() and bool(set(place.marks) & set(self._current))
        painter.setPen(QPen(theme.color("focus"), 2) if held else Qt.PenStyle.NoPen)
        painter.setBrush(theme.color("window"))
        painter.drawEllipse(centre, _MARK, _MARK)  # the line does not run through the shape
        paint_mark(painter, place.kind, centre, _MARK, colour)
        if len(place.marks) > 1:
            painter.setFont(fonts.font("small"))
            painter.setPen(theme.color("muted"))
            box = QRectF(centre.x() - 12, middle + 5, 24, 14)
            painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), f"{len(place.marks)}")
