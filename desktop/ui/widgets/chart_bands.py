"""A chart over any stretch of a run: each line before the band of its extremes, so that no spike is lost."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import (
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
    QTransform,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.engine.api import MarkKind
from desktop.ui.theme import Theme
from desktop.ui.widgets import chart_labels
from desktop.ui.widgets.chart_faults import paint_bands, paint_names
from desktop.ui.widgets.chart_hand import Hand
from desktop.ui.widgets.chart_labels import LINE_MARKS, Ink, Reading
from desktop.ui.widgets.chart_line import Line, LineStyle
from desktop.ui.widgets.chart_scale import LEFT, RIGHT, Unit, YScale
from desktop.ui.widgets.chart_series import Samples, Stroke
from desktop.ui.widgets.chart_span import RunAxis
from desktop.ui.widgets.chart_strokes import faded, paint_lines

TALL = 106
_INSET, _RADIUS = 3, 8
_TOP, _BOTTOM = 34, 8
_LINE_EVERY, _TICK_EVERY = 22, 110  # px between grid lines, at least
_AIR = 1.02
_TOLD = 0.04  # of the y axis: a band lower than that is not told in the read-out
_EMPTY = Samples()


class BandChart(QWidget):
    """A card with the lines of one panel. It draws what it was given, however the axis moves meanwhile."""

    def __init__(self, axis: RunAxis, title: str, unit: Unit, subtitle: str | None = None) -> None:
        super().__init__()
        self.axis, self.title, self.unit = axis, title, unit
        self.subtitle = unit.words if subtitle is None else subtitle
        self.empty = "Nothing of this was recorded."
        self.time_words = False
        self.ink = Ink.of_theme()
        self.scale_y = YScale(unit)
        self.readings: list[Reading] = []
        self.lines: tuple[Line, ...] = ()
        self.samples: dict[str, Samples] = {}
        self._strokes: dict[str, list[Stroke]] = {}
        self._origin, self._span = 0.0, 0.0
        self._picture: QPixmap | None = None
        self._hand = Hand(axis, self, self.outer_area)
        self.setMinimumSize(360, TALL)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMouseTracking(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.PreventContextMenu)  # the right button draws a stretch
        axis.changed.connect(self._follow_axis)
        axis.cross_moved.connect(self._follow_cross)
        axis.selection_changed.connect(self.update)
        Theme.current.changed.connect(self._follow_theme)
        self._tell()

    # what is shown

    def set_lines(self, lines: Sequence[Line]) -> None:
        """The series it draws; cheap when they are the same as before."""
        lines = tuple(lines)
        if lines != self.lines:
            self.lines = lines
            self._redraw(fit=True)

    def show_samples(self, samples: Mapping[str, Samples], fit: bool = True) -> None:
        """Take the data of its lines, by key. Without `fit` the y axis shrinks only after a while."""
        self.samples = {line.key: samples.get(line.key, _EMPTY) for line in self.lines}
        self._origin = self.axis.since
        self._strokes = {
            line.key: self.samples[line.key].strokes(self._origin, line.style is LineStyle.STEP)
            for line in self.lines
        }
        self._redraw(fit)

    def say(self, empty: str) -> None:
        """What it says while there is nothing to draw."""
        if empty != self.empty:
            self.empty = empty
            self._redraw(fit=False)

    @property
    def has_data(self) -> bool:
        """Whether anything is drawn at any place."""
        return any(len(one.t) for one in self.samples.values())

    def values(self) -> dict[str, str]:
        """What the read-out says: name and value of each line, at the cross-hair or at the right end."""
        return {reading.label: reading.text for reading in self.readings}

    def _redraw(self, fit: bool) -> None:
        self._fit_scale(fit)
        self._picture = None
        self._read()
        self.update()

    def _fit_scale(self, fresh: bool) -> None:
        since, until = self.axis.since, self.axis.until
        tops = [self.samples.get(line.key, _EMPTY).highest(since, until) for line in self.lines]
        known = [top for top in tops if not math.isnan(top)]
        if fresh:
            self.scale_y = YScale(self.unit, self._grid_lines())
        self.scale_y.follow(max(known, default=math.nan), until)

    def _grid_lines(self) -> int:
        return max(1, min(5, int(self.area().height() // _LINE_EVERY)))

    def _follow_axis(self) -> None:
        still = self.axis.following and self.axis.span == self._span
        self._span = self.axis.span
        self._redraw(fit=not still)

    def _follow_cross(self) -> None:
        self._read()
        self.update()

    def _follow_theme(self) -> None:
        self.ink = Ink.of_theme()
        self._redraw(fit=False)

    # reading

    def _read(self) -> None:
        moment = self.axis.moment
        self.readings = [self._reading(line, moment) for line in self.lines] if self.has_data else []
        self._tell()

    def _reading(self, line: Line, moment: float | None) -> Reading:
        data = self.samples.get(line.key, _EMPTY)
        end = min(self.axis.until, max(data.end, self.axis.since))
        last, low, high = data.at(end if moment is None else moment)
        text = self.unit.format(last)
        if moment is not None and high - low > _TOLD * max(self.scale_y.top, 1e-9):
            text = span_text(self.unit, low, high)
        tail = data.at(end)[0]
        height = self.y_pixel(0.0 if math.isnan(tail) else tail)
        return Reading(line.label, line.colour, last, text, height)

    def _tell(self) -> None:
        values = ", ".join(f"{name} {value}" for name, value in self.values().items())
        told = (
            f"{self.title}, {len(self.lines)} series: {values}" if values else f"{self.title}: {self.empty}"
        )
        if told != self.accessibleName():
            self.setAccessibleName(told)

    # geometry, inside the card

    def viewport(self) -> QRect:
        """The card without its edge."""
        return self.rect().adjusted(_INSET, _INSET, -_INSET, -_INSET)

    def area(self) -> QRectF:
        """Where the lines are, in pixels of the viewport."""
        view = self.viewport()
        return QRectF(LEFT, _TOP, max(1, view.width() - LEFT - RIGHT), max(1, view.height() - _TOP - _BOTTOM))

    def outer_area(self) -> QRectF:
        """The same in pixels of the widget."""
        return self.area().translated(_INSET, _INSET)

    def x_pixel(self, ago: float) -> float:
        """Pixel of a moment, in seconds before the right end (negative)."""
        area = self.area()
        return area.right() + ago / self.axis.span * area.width()

    def _x_of(self, t: float) -> float:
        return self.x_pixel(t - self.axis.until)

    def y_pixel(self, value: float) -> float:
        """Pixel of a value."""
        area = self.area()
        return area.bottom() - value / ((self.scale_y.top or 1) * _AIR) * area.height()

    def grid_times(self) -> list[tuple[float, str]]:
        """No words at this time axis: the ruler below has them."""
        return []

    def sizeHint(self) -> QSize:
        return QSize(640, 150)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._redraw(fit=True)

    # the hand

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self._hand.wheel(event):
            event.accept()
        else:
            event.ignore()  # the page scrolls

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._hand.press(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hand.move(event)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        self._hand.release(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        self.axis.zoom(0.4, self._hand.time_at(event.position().x()))

    def leaveEvent(self, event: QEvent) -> None:
        self._hand.leave()

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._picture is None or self._picture.devicePixelRatio() != self.devicePixelRatioF():
            self._picture = self._paint_picture()
        painter = QPainter(self)
        painter.drawPixmap(QPointF(0, 0), self._picture)
        painter.translate(_INSET, _INSET)
        self._paint_selection(painter)
        if self.axis.cross is not None:
            self._paint_cross(painter)
        if self.has_data:
            chart_labels.paint_readout(painter, self)

    def _paint_picture(self) -> QPixmap:
        """All that stays while only the cross-hair moves."""
        ratio = self.devicePixelRatioF()
        made = QPixmap(self.size() * ratio)
        made.setDevicePixelRatio(ratio)
        made.fill(Qt.GlobalColor.transparent)
        painter = QPainter(made)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(Theme.current.color("line"), 1))
        painter.setBrush(self.ink.surface)
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), _RADIUS, _RADIUS)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.translate(_INSET, _INSET)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        bands = self.area(), self.axis.faults, self._x_of, self.axis.last
        paint_bands(painter, *bands)
        if not self.has_data:
            chart_labels.paint_title(painter, self.ink, self.title, self.subtitle)
            painter.setFont(self.ink.small)
            painter.setPen(self.ink.muted)
            centre = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.area(), int(centre), self.empty)
        else:
            self._paint_grid(painter)
            chart_labels.paint_frame(painter, self)
            self._paint_lines(painter)
        self._paint_marks(painter)
        paint_names(painter, *bands, self.ink.small, chart_labels.title_end(self))
        painter.end()
        return made

    def _paint_grid(self, painter: QPainter) -> None:
        area = self.area()
        painter.setPen(QPen(self.ink.grid, 1))
        for t, _ in self.axis.ticks(int(area.width() // _TICK_EVERY)):
            x = round(self.x_pixel(t - self.axis.until)) + 0.5
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))

    def _paint_lines(self, painter: QPainter) -> None:
        painter.save()
        area = self.area()
        painter.setClipRect(area.adjusted(-1, -2, 1, 1))
        # Seconds since the origin and values become pixels: old data stands where it belongs meanwhile.
        wide, tall = area.width() / self.axis.span, area.height() / ((self.scale_y.top or 1) * _AIR)
        left = area.left() + (self._origin - self.axis.since) * wide
        plane = QTransform(wide, 0, 0, -tall, left, area.bottom()) * painter.transform()
        paint_lines(painter, self.lines, self._strokes, plane)
        painter.restore()

    def _paint_marks(self, painter: QPainter) -> None:
        area = self.area()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        for mark in self.axis.marks:
            if mark.kind in LINE_MARKS and self.axis.since <= mark.t <= self.axis.until:
                dashed = mark.kind is MarkKind.RECOVERED
                style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
                painter.setPen(QPen(faded(self.ink.marks[mark.kind], 150), 1, style))
                x = round(self.x_pixel(mark.t - self.axis.until))
                painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))

    def _paint_selection(self, painter: QPainter) -> None:
        if self.axis.selection is not None:
            chart_labels.paint_selection(painter, self.area(), self.axis)

    def _paint_cross(self, painter: QPainter) -> None:
        area = self.area()
        x = round(self.x_pixel(self.axis.cross or 0.0))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setPen(QPen(self.ink.muted, 1))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
        painter.setPen(QPen(self.ink.surface, 1.5))
        for reading in self.readings:
            if not math.isnan(reading.value):
                painter.setBrush(reading.colour)
                painter.drawEllipse(QPointF(x, self.y_pixel(reading.value)), 4, 4)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def span_text(unit: Unit, low: float, high: float) -> str:
    """Smallest and largest value of a bucket: "2–388 %", "180–240 MiB"."""
    one, other = unit.format(low), unit.format(high)
    if unit is Unit.RATE and high >= 10:
        one, other = f"{low:.0f}/s", f"{high:,.0f}/s"
    ends = [re.sub(r"^[\d.,]+", "", text) for text in (one, other)]
    return f"{one.removesuffix(ends[0]) if ends[0] == ends[1] else one}–{other}"
