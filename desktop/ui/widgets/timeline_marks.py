"""The shapes of marks, and how marks that lie too close become one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen

from desktop.engine.api import Mark, MarkKind

# The token of each kind's colour, the gravest first: of marks in one place the gravest gives the shape.
TONES: dict[MarkKind, str] = {
    MarkKind.KILLED: "bad",
    MarkKind.EXITED: "bad",
    MarkKind.FAULT: "warn",
    MarkKind.SIGNAL: "warn",
    MarkKind.RECOVERED: "good",
    MarkKind.READY: "good",
    MarkKind.STARTED: "busy",
    MarkKind.SETTINGS: "idle",
    MarkKind.LOAD: "accent",
    MarkKind.GAP: "warn",
}
_GRAVITY = {kind: rank for rank, kind in enumerate(TONES)}


@dataclass(frozen=True, slots=True)
class Cluster:
    """Marks that share one place on the strip, in order of time."""

    x: float
    marks: tuple[Mark, ...]

    @property
    def kind(self) -> MarkKind:
        """The gravest of them."""
        return min((m.kind for m in self.marks), key=_GRAVITY.__getitem__)


def cluster(marks: Sequence[Mark], place: Callable[[float], float], gap: float) -> list[Cluster]:
    """Marks by place; those closer than `gap` pixels to the first of their cluster are taken together."""
    found: list[Cluster] = []
    for mark in sorted(marks, key=lambda m: m.t):
        x = place(mark.t)
        if found and x - found[-1].x < gap:
            found[-1] = Cluster(found[-1].x, (*found[-1].marks, mark))
        else:
            found.append(Cluster(x, (mark,)))
    return found


def paint_mark(painter: QPainter, kind: MarkKind, centre: QPointF, size: float, colour: QColor) -> None:
    """The shape of a kind, `size` pixels across: told apart without its colour."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, True)
    half = size / 2
    box = QRectF(centre.x() - half, centre.y() - half, size, size)
    painter.setPen(QPen(colour, 2, Qt.PenStyle.SolidLine, Qt.PenCapStyle.RoundCap, Qt.PenJoinStyle.RoundJoin))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if kind is MarkKind.KILLED:
        painter.drawLine(box.topLeft(), box.bottomRight())
        painter.drawLine(box.topRight(), box.bottomLeft())
        return
    if kind in (MarkKind.READY, MarkKind.EXITED, MarkKind.RECOVERED, MarkKind.LOAD, MarkKind.FAULT):
        painter.setBrush(colour)
    painter.drawPath(_shape(kind, box))
    painter.setBrush(Qt.BrushStyle.NoBrush)


def _shape(kind: MarkKind, box: QRectF) -> QPainterPath:
    path = QPainterPath()
    if kind in (MarkKind.READY, MarkKind.SETTINGS):
        path.addEllipse(box.adjusted(1, 1, -1, -1))
    elif kind is MarkKind.EXITED:
        path.addRect(box.adjusted(1, 1, -1, -1))
    elif kind is MarkKind.FAULT:
        path.addPolygon([box.topLeft() + QPointF(x, y) * box.width() for x, y in _BOLT])
        path.closeSubpath()
    else:
        sides, turn = _POLYGONS[kind]
        path.addPolygon(_corners(box, sides, turn))
        path.closeSubpath()
    return path


# A bolt, in a square of one.
_BOLT = ((0.62, 0.0), (0.1, 0.6), (0.45, 0.6), (0.38, 1.0), (0.9, 0.4), (0.55, 0.4))

# corners, and where the first one points (degrees clockwise from the right)
_POLYGONS = {
    MarkKind.STARTED: (3, 0.0),
    MarkKind.RECOVERED: (3, -90.0),
    MarkKind.SIGNAL: (3, 90.0),
    MarkKind.LOAD: (4, 0.0),
    MarkKind.GAP: (4, 45.0),
}


def _corners(box: QRectF, sides: int, turn: float) -> list[QPointF]:
    radius = box.width() / 2 * (1.1 if sides == 3 else 1.0)
    angles = [math.radians(turn + 360 / sides * i) for i in range(sides)]
    return [box.center() + QPointF(math.cos(a) * radius, math.sin(a) * radius) for a in angles]
