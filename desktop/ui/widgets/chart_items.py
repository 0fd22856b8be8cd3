"""What is drawn inside a plot: curves as polylines, bands; and the data behind them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen, QPolygonF, QTransform

from desktop.ui.widgets.chart_arrays import polygon, runs, steps
from desktop.ui.widgets.chart_line import Line, LineStyle

_NEAR = 3.0  # seconds: how far from the cross-hair a sample may lie and still be read


@dataclass(slots=True)
class Curve:
    """One line of a plot and the data it shows."""

    line: Line
    x: np.ndarray
    y: np.ndarray
    pen: QPen
    polygons: list[QPolygonF]  # what is painted: one for each stretch without a gap

    @property
    def edge(self) -> bool:
        """True for an edge of a band: not a line of its own."""
        return self.line.style in (LineStyle.LOW, LineStyle.HIGH)

    def take(self, x: np.ndarray, y: np.ndarray) -> None:
        """Show other data."""
        self.x, self.y = x, y
        if self.edge:
            return
        if self.line.style is LineStyle.STEP:
            x, y = steps(x, y)
        if not len(y):
            self.polygons = []
            return
        finite = np.isfinite(y)
        parts = [slice(0, len(y))] if finite.all() else runs(finite)
        self.polygons = [polygon(x[part], y[part]) for part in parts]

    def at(self, ago: float | None) -> float:
        """The value at a moment (seconds ago, as a negative x), or the latest one; NaN in a gap."""
        if not len(self.x):
            return math.nan
        if ago is None:
            return float(self.y[-1])
        i = int(self.x.searchsorted(ago, "right")) - 1
        nearer = self.line.style is LineStyle.LINE and i + 1 < len(self.x)
        if nearer and (i < 0 or self.x[i + 1] - ago < ago - self.x[i]):
            i += 1
        if i < 0 or abs(self.x[i] - ago) > _NEAR:
            return math.nan
        return float(self.y[i])

    def anchor(self) -> float:
        """Where its label belongs: the mean of the last seconds, so that labels do not tremble."""
        tail = [v for v in self.y[-10:].tolist() if v == v]
        return sum(tail) / len(tail) if tail else 0.0


class Band(pg.GraphicsObject):  # type: ignore[misc]
    """The autoscaler's bounds: a quiet area between two dashed step lines."""

    def __init__(self, colour: QColor) -> None:
        super().__init__()
        self._fill = QColor(colour)
        self._fill.setAlpha(26)
        edge = QColor(colour)
        edge.setAlpha(190)
        self._pen = QPen(edge, 1, Qt.PenStyle.CustomDashLine)
        self._pen.setDashPattern([4, 4])
        self._pen.setCosmetic(True)
        self._areas: list[QPainterPath] = []
        self._edges: list[QPainterPath] = []
        self._rect = QRectF()

    def set_edges(self, low: Curve, high: Curve) -> None:
        """Show the band between two step curves that were sampled at the same times."""
        self.prepareGeometryChange()
        self._areas, self._edges = [], []
        n = min(len(low.x), len(high.x))
        for part in runs(np.isfinite(low.y[:n]) & np.isfinite(high.y[:n])):
            bottom = steps(low.x[part], low.y[part])
            top = steps(high.x[part], high.y[part])
            for x, y in (bottom, top):
                self._edges.append(pg.arrayToQPath(x, y))
            area = pg.arrayToQPath(
                np.concatenate((bottom[0], top[0][::-1])), np.concatenate((bottom[1], top[1][::-1]))
            )
            self._areas.append(area)
        self._rect = QRectF()
        for area in self._areas:
            self._rect = self._rect.united(area.boundingRect())
        self.update()

    def boundingRect(self) -> QRectF:
        return self._rect.adjusted(0, -0.2, 0, 0.2)

    def paint(self, painter: QPainter, *_: object) -> None:
        for area in self._areas:
            painter.fillPath(area, self._fill)
        painter.setPen(self._pen)
        for edge in self._edges:
            painter.drawPath(edge)


class Traces(pg.GraphicsObject):  # type: ignore[misc]
    """All lines of a plot as one item: pyqtgraph's own curves cost more in bookkeeping than in painting."""

    def __init__(self) -> None:
        super().__init__()
        self.curves: list[Curve] = []
        self._rect = QRectF()

    def set_range(self, span: float, top: float) -> None:
        """The part of the plane that is shown."""
        self.prepareGeometryChange()
        self._rect = QRectF(-span, 0, span, top)

    def boundingRect(self) -> QRectF:
        return self._rect

    def paint(self, painter: QPainter, *_: object) -> None:
        base = painter.transform()
        lower = base * QTransform.fromTranslate(0, 0.6)
        for curve in self.curves:
            painter.setPen(curve.pen)
            line = curve.line.style is LineStyle.LINE
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, line)
            for part in curve.polygons:
                painter.drawPolyline(part)
            if line:  # the weight of a 1.5 px pen at the cost of two thin ones
                painter.setTransform(lower)
                for part in curve.polygons:
                    painter.drawPolyline(part)
                painter.setTransform(base)


def make_pen(line: Line) -> QPen:
    """The pen of a line."""
    # A step line keeps only its changes, so it may be wide; a dense line may not (10 to 100 times the cost).
    pen = QPen(line.colour, 2 if line.style is LineStyle.STEP else 1)
    pen.setCosmetic(True)
    return pen
