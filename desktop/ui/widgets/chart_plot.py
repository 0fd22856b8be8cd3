"""The plot inside a chart; with `chart_items` the only module that imports pyqtgraph and numpy.

`chart.Chart` imports it after the first paint of the window, never before. Set up for cost: the x axis is
fixed in seconds ago, so nothing but the lines changes from frame to frame; grid and tick words are one cached
picture (pyqtgraph's own axes are off); pens are 1 px wide, the one width that Qt draws fast.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QFrame, QWidget

from desktop.engine.api import MarkKind, Series
from desktop.ui.widgets import chart_labels
from desktop.ui.widgets.chart_faults import FaultBand, paint_bands, paint_names
from desktop.ui.widgets.chart_items import Band, Curve, Traces, make_pen
from desktop.ui.widgets.chart_labels import Ink, Reading
from desktop.ui.widgets.chart_line import Line, LineStyle
from desktop.ui.widgets.chart_scale import LEFT, RIGHT, Unit, YScale, past_ticks, time_ticks

TOP = 34  # title
BOTTOM = 22  # words of the time axis
_BELOW = 8  # the same without words
_LINE_EVERY = 22  # px between grid lines, at least

Read = Callable[[str], Series]


class Plot(pg.GraphicsView):  # type: ignore[misc]
    """Lines over the last seconds, with grid, read-out and cross-hair painted around them."""

    hovered = Signal(object)  # x of the pointer in seconds ago (negative), None when it left

    def __init__(self, unit: Unit, span: float, ink: Ink, words: bool, parent: QWidget) -> None:
        self._ready = False
        super().__init__(parent, background=None)
        # A bare view box: a PlotItem brings axes, menus and a form for settings that nobody sees here.
        self.view = pg.ViewBox(enableMouse=False, enableMenu=False, defaultPadding=0)
        self.unit, self.span, self.ink = unit, span, ink
        self.title, self.subtitle = "", unit.words
        self.time_words = words
        self.scale_y = YScale(unit)
        self.curves: list[Curve] = []
        self.bands: list[tuple[Band, Curve, Curve]] = []
        self.marks: tuple[tuple[float, MarkKind], ...] = ()
        self.faults: tuple[FaultBand, ...] = ()
        self.cross: float | None = None
        self.now = 0.0
        self.past: float | None = None
        self.readings: list[Reading] = []  # what the read-out says: values at the cross-hair, or the latest
        self._traces = Traces()
        self._frame: QPixmap | None = None
        self._configure()
        self._ready = True
        self._reframe()

    def _configure(self) -> None:
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setViewportUpdateMode(self.ViewportUpdateMode.FullViewportUpdate)
        self.setCacheMode(
            self.CacheModeFlag.CacheNone
        )  # the frame is a picture of its own, and the only cache
        self.setMouseTracking(True)
        self.viewport().setMouseTracking(True)
        for widget in (self, self.viewport()):
            widget.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the time line below is the way by keyboard
        self.addItem(self.view)
        self.view.disableAutoRange()
        self.view.setXRange(-self.span, 0, padding=0)
        self.view.setYRange(0, self.unit.floor, padding=0)
        self.view.addItem(self._traces)

    # what is shown

    def set_lines(self, lines: Sequence[Line]) -> None:
        """Take other lines; the data of those that stay is kept."""
        kept = {(c.line.key, c.line.style): c for c in self.curves}
        for band, _, _ in self.bands:
            self.view.removeItem(band)
        self.curves, self.bands = [], []
        for line in lines:
            curve = Curve(line, np.empty(0), np.empty(0), make_pen(line), [])
            old = kept.get((line.key, line.style))
            if old is not None:
                curve.take(old.x, old.y)
            self.curves.append(curve)
        self._traces.curves = [c for c in self.curves if not c.edge]
        self._add_bands()
        self._read()

    def _add_bands(self) -> None:
        lows = {c.line.label: c for c in self.curves if c.line.style is LineStyle.LOW}
        for high in self.curves:
            low = lows.get(high.line.label)
            if high.line.style is LineStyle.HIGH and low is not None:
                band = Band(high.line.colour)
                band.setZValue(-10)
                self.view.addItem(band)
                self.bands.append((band, low, high))

    def feed(self, now: float, read: Read) -> bool:
        """Draw what `read` gives for each line; True when there was anything to draw."""
        self.now = now
        highest = math.nan
        for curve in self.curves:
            curve.take(*_window(read(curve.line.key), now, self.span))
            if len(curve.y):
                highest = float(np.fmax(highest, np.fmax.reduce(curve.y)))
        for band, low, high in self.bands:
            band.set_edges(low, high)
        self._rescale(highest, now)
        self._read()
        self.viewport().update()
        return not math.isnan(highest)

    def _rescale(self, highest: float, now: float) -> None:
        if self.scale_y.follow(highest, now):
            self._apply_scale()

    def _apply_scale(self) -> None:
        # A little air above the top line, so that a curve at the top is not cut in half.
        self.view.setYRange(0, self.scale_y.top * 1.02, padding=0)
        self._traces.set_range(self.span, self.scale_y.top * 1.02)
        self._frame = None

    def set_past(self, end: float | None) -> None:
        """Show the time up to the end of a recorded run; None: up to now."""
        if end != self.past:
            self.past = end
            self._frame = None

    def set_span(self, span: float) -> None:
        """Show another number of seconds."""
        self.span = span
        self.view.setXRange(-span, 0, padding=0)
        self._apply_scale()

    def set_ink(self, ink: Ink) -> None:
        """Take other colours (the theme changed)."""
        self.ink = ink
        self._frame = None
        self.viewport().update()

    def move_cross(self, ago: float | None) -> None:
        """Read the values of another moment."""
        self.cross = ago
        self._read()
        self.viewport().update()

    def _read(self) -> None:
        self.readings = []
        for curve in self._traces.curves:
            value = curve.at(self.cross)
            text = self.unit.format(value) + self._bounds_of(curve)
            self.readings.append(
                Reading(curve.line.label, curve.pen.color(), value, text, self.y_pixel(curve.anchor()))
            )

    def _bounds_of(self, curve: Curve) -> str:
        for _, low, high in self.bands:
            if curve.line.style is LineStyle.STEP and high.line.label == curve.line.label:
                least, most = low.at(self.cross), high.at(self.cross)
                return "" if math.isnan(least + most) else f" of {least:.0f}–{most:.0f}"
        return ""

    # geometry

    def area(self) -> QRectF:
        """Where the lines are, in pixels of this widget."""
        bottom = BOTTOM if self.time_words else _BELOW
        view = self.viewport()
        return QRectF(LEFT, TOP, max(1, view.width() - LEFT - RIGHT), max(1, view.height() - TOP - bottom))

    def x_pixel(self, ago: float) -> float:
        """Pixel of a moment (seconds ago, negative)."""
        area = self.area()
        return area.right() + ago / self.span * area.width()

    def y_pixel(self, value: float) -> float:
        """Pixel of a value."""
        area = self.area()
        return area.bottom() - value / ((self.scale_y.top or 1) * 1.02) * area.height()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if self._ready:
            self._reframe()

    def _reframe(self) -> None:
        self._frame = None
        self.view.setGeometry(self.area())
        if self.scale_y.relayout(max(1, min(5, int(self.area().height() // _LINE_EVERY)))):
            self._apply_scale()

    # the pointer

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        area = self.area()
        x = event.position().x()
        inside = area.left() <= x <= area.right()
        self.hovered.emit((x - area.right()) / area.width() * self.span if inside else None)

    def leaveEvent(self, event: object) -> None:
        self.hovered.emit(None)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        event.ignore()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.ignore()

    def wheelEvent(self, event: QWheelEvent) -> None:
        event.ignore()  # the page scrolls

    # painting

    def drawBackground(self, painter: QPainter, rect: QRectF) -> None:
        if self._frame is None:
            ratio = self.devicePixelRatioF()
            self._frame = QPixmap(self.viewport().size() * ratio)
            self._frame.setDevicePixelRatio(ratio)
            self._frame.fill(self.ink.surface)
            sketch = QPainter(self._frame)
            chart_labels.paint_frame(sketch, self)
            sketch.end()
        painter.drawPixmap(QPointF(0, 0), self._frame)
        paint_bands(painter, self.area(), self.faults, self._x_of, self.now)

    def _x_of(self, t: float) -> float:
        return self.x_pixel(t - self.now)

    def drawForeground(self, painter: QPainter, rect: QRectF) -> None:
        title = chart_labels.title_end(self)
        paint_names(painter, self.area(), self.faults, self._x_of, self.now, self.ink.small, title)
        chart_labels.paint_marks(painter, self)
        if self.cross is not None:
            chart_labels.paint_cross(painter, self)
        chart_labels.paint_readout(painter, self)

    def dots(self) -> list[tuple[QPointF, QColor]]:
        """The points where the cross-hair meets the lines."""
        if self.cross is None:
            return []
        x = self.x_pixel(self.cross)
        shown = [r for r in self.readings if not math.isnan(r.value)]
        return [(QPointF(x, self.y_pixel(r.value)), r.colour) for r in shown]

    def grid_times(self) -> list[tuple[float, str]]:
        """Where the time axis has words."""
        most = max(1, int(self.area().width() // 90))
        return time_ticks(self.span, most) if self.past is None else past_ticks(self.past, self.span, most)


def _window(series: Series, now: float, span: float) -> tuple[np.ndarray, np.ndarray]:
    """The part of a series that the time axis shows, in seconds ago, one sample beyond its left end."""
    count = min(len(series.t), len(series.v))
    if not count:
        return np.empty(0), np.empty(0)
    x = np.frombuffer(series.t, count=count) - now
    start = max(0, int(np.searchsorted(x, -span)) - 1)
    return x[start:], np.frombuffer(series.v, count=count)[start:].copy()
