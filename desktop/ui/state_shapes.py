"""The shapes of a task's states: thirteen that are told apart without their colours, eight pixels wide."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from desktop.engine.api import TaskState
from desktop.ui.states import AnyState, Tone, paint_shape, tone_of

_LINE = 1.5
Draw = Callable[[QPainter, QRectF], None]


def paint_state(painter: QPainter, state: AnyState, box: QRectF, color: QColor) -> None:
    """Draw a state's shape into a square box: a task's own one, and of all else that of its tone."""
    draw = _SHAPES.get(state) if isinstance(state, TaskState) else None
    if draw is None:
        paint_shape(painter, tone_of(state), box, color)
        return
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(color, _LINE))
    draw(painter, box)
    painter.restore()


def _ring(painter: QPainter, box: QRectF) -> None:
    """Nobody has it yet."""
    painter.drawEllipse(box.adjusted(0.75, 0.75, -0.75, -0.75))


def _held(painter: QPainter, box: QRectF) -> None:
    """Somebody has it: a ring with its task in it."""
    pen = QPen(painter.pen())
    pen.setWidthF(1.2)
    painter.setPen(pen)
    painter.drawEllipse(box.adjusted(-0.4, -0.4, 0.4, 0.4))
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(pen.color())
    painter.drawEllipse(box.center(), 2.2, 2.2)


def _clock(painter: QPainter, box: QRectF) -> None:
    """It waits for its time."""
    pen = QPen(painter.pen())
    pen.setWidthF(1.2)
    painter.setPen(pen)
    painter.drawEllipse(box.adjusted(-0.4, -0.4, 0.4, 0.4))
    middle = box.center()
    painter.drawPolyline([middle + QPointF(0, -2.9), middle, middle + QPointF(2.4, 0)])


def _barred(painter: QPainter, box: QRectF) -> None:
    """It must not run."""
    painter.drawEllipse(box.adjusted(0.25, 0.25, -0.25, -0.25))
    painter.drawLine(box.topLeft() + QPointF(1.6, 1.6), box.bottomRight() - QPointF(1.6, 1.6))


def _hollow_triangle(painter: QPainter, box: QRectF) -> None:
    """Given back unrun."""
    inner = box.adjusted(0.5, 1.0, -0.5, -0.5)
    top = QPointF(inner.center().x(), inner.top())
    painter.drawPolygon(QPolygonF([top, inner.bottomRight(), inner.bottomLeft()]))


def _hollow_diamond(painter: QPainter, box: QRectF) -> None:
    """Nothing is left of it."""
    middle, reach = box.center(), box.width() * 0.52
    corners = ((0, -reach), (reach, 0), (0, reach), (-reach, 0))
    painter.drawPolygon(QPolygonF([middle + QPointF(x, y) for x, y in corners]))


def _dash(painter: QPainter, box: QRectF) -> None:
    """It has ended, and nothing came of it."""
    painter.setPen(QPen(painter.pen().color(), 2))
    y = box.center().y()
    painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))


def _cross(painter: QPainter, box: QRectF) -> None:
    """Thrown away by a person."""
    inner = box.adjusted(1, 1, -1, -1)
    painter.drawLine(inner.topLeft(), inner.bottomRight())
    painter.drawLine(inner.topRight(), inner.bottomLeft())


def _dotted(painter: QPainter, box: QRectF) -> None:
    """Nobody can tell."""
    pen = QPen(painter.pen())
    pen.setDashPattern([1.2, 1.3])
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    painter.setPen(pen)
    painter.drawEllipse(box.adjusted(0.5, 0.5, -0.5, -0.5))


# The others have their tone's: half disc (active), triangle (stranded), disc (success), diamond (failure).
_SHAPES: dict[TaskState, Draw] = {
    TaskState.WAITING: _ring,
    TaskState.RESERVED: _held,
    TaskState.SCHEDULED: _clock,
    TaskState.REVOKED: _barred,
    TaskState.REJECTED: _hollow_triangle,
    TaskState.IGNORED: _dash,
    TaskState.LOST: _hollow_diamond,
    TaskState.PURGED: _cross,
    TaskState.UNKNOWN: _dotted,
}


def paint_sign(painter: QPainter, sign: Tone | TaskState, box: QRectF, color: QColor) -> None:
    """Draw what a chip or pill carries: the shape of a task's state, or of a tone."""
    if isinstance(sign, TaskState):
        paint_state(painter, sign, box, color)
    else:
        paint_shape(painter, sign, box, color)
