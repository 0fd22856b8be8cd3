"""Painting the lines of a run's chart: bands of extremes first, the lines themselves before them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QTransform

from desktop.ui.widgets.chart_line import Line, LineStyle
from desktop.ui.widgets.chart_series import Stroke

_BODY, _EDGE = 60, 150  # alpha of a band and of its edges
_DOT = 1.5  # px: radius of a value that stands alone

Strokes = Mapping[str, Sequence[Stroke]]


def paint_lines(painter: QPainter, lines: Sequence[Line], strokes: Strokes, plane: QTransform) -> None:
    """Draw the strokes of each line. `plane` turns their seconds and values into pixels of the device."""
    painter.save()
    for line in lines:
        painter.setTransform(plane)
        for stroke in strokes.get(line.key, ()):
            _paint_band(painter, line.colour, stroke)
    for line in lines:
        _paint_line(painter, line, strokes.get(line.key, ()), plane)
    painter.restore()


def faded(colour: QColor, alpha: int) -> QColor:
    """The colour, to be seen through."""
    made = QColor(colour)
    made.setAlpha(alpha)
    return made


def _paint_band(painter: QPainter, colour: QColor, stroke: Stroke) -> None:
    if stroke.body is None or stroke.high is None or stroke.low is None:
        return
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    painter.setPen(_pen(faded(colour, _BODY)))
    painter.drawPolyline(stroke.body)
    painter.setPen(_pen(faded(colour, _EDGE)))
    painter.drawPolyline(stroke.high)
    painter.drawPolyline(stroke.low)


def _paint_line(painter: QPainter, line: Line, strokes: Sequence[Stroke], plane: QTransform) -> None:
    painter.setPen(_pen(line.colour))
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, line.style is LineStyle.LINE)
    for shift in (0.0, 0.6):  # the weight of a 1.5 px pen at the cost of two thin ones
        painter.setTransform(plane * QTransform.fromTranslate(0, shift))
        for stroke in strokes:
            painter.drawPolyline(stroke.line)
    painter.setTransform(QTransform())
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    painter.setBrush(line.colour)
    for stroke in strokes:
        if stroke.single is not None:
            painter.drawEllipse(plane.map(QPointF(*stroke.single)), _DOT, _DOT)
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _pen(colour: QColor) -> QPen:
    pen = QPen(colour, 1)
    pen.setCosmetic(True)
    return pen
