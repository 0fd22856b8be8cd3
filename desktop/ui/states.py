"""How a state looks: its word, its tone (a colour role) and its shape. Never by colour alone."""

from __future__ import annotations

from enum import StrEnum

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from desktop.engine.api import FaultState, Finding, Light, LoadState, StackState, Stage, State, TaskState


class Tone(StrEnum):
    """Colour roles of the tokens; `<tone>_tint` is the ground behind."""

    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    IDLE = "idle"


_TONES: tuple[tuple[StrEnum, Tone], ...] = (
    (State.STARTING, Tone.BUSY),
    (State.READY, Tone.GOOD),
    (State.SILENT, Tone.WARN),
    (State.STOPPING, Tone.BUSY),
    (State.EXITED, Tone.BAD),
    (State.BACKING_OFF, Tone.WARN),
    (State.CRASH_LOOP, Tone.BAD),
    (State.STOPPED, Tone.IDLE),
    (StackState.STOPPED, Tone.IDLE),
    (StackState.STARTING, Tone.BUSY),
    (StackState.RUNNING, Tone.GOOD),
    (StackState.TROUBLED, Tone.WARN),
    (StackState.STOPPING, Tone.BUSY),
    (Light.OFF, Tone.IDLE),
    (Light.WAIT, Tone.BUSY),
    (Light.ON, Tone.GOOD),
    (Light.BUSY, Tone.BUSY),
    (Light.FROZEN, Tone.WARN),
    (Light.NO, Tone.BAD),
    (LoadState.STARTING, Tone.BUSY),
    (LoadState.SENDING, Tone.BUSY),
    (LoadState.PAUSED, Tone.IDLE),
    (LoadState.WAITING, Tone.WARN),
    (LoadState.DONE, Tone.GOOD),
    (LoadState.CANCELLED, Tone.IDLE),
    (LoadState.FAILED, Tone.BAD),
    (TaskState.WAITING, Tone.IDLE),
    (TaskState.SCHEDULED, Tone.IDLE),
    (TaskState.RESERVED, Tone.IDLE),
    (TaskState.ACTIVE, Tone.BUSY),
    (TaskState.STRANDED, Tone.WARN),
    (TaskState.SUCCESS, Tone.GOOD),
    (TaskState.FAILURE, Tone.BAD),
    (TaskState.REVOKED, Tone.IDLE),
    (TaskState.REJECTED, Tone.WARN),
    (TaskState.IGNORED, Tone.IDLE),
    (TaskState.LOST, Tone.BAD),
    (TaskState.PURGED, Tone.IDLE),
    (TaskState.UNKNOWN, Tone.IDLE),
    (FaultState.UNDER_WAY, Tone.BUSY),
    (FaultState.OVER, Tone.IDLE),
    (FaultState.MISSED, Tone.WARN),
    (Finding.PASS, Tone.GOOD),
    (Finding.FAIL, Tone.BAD),
    (Finding.UNKNOWN, Tone.WARN),
    *(
        (stage, Tone.WARN if stage is Stage.HALTING else Tone.BUSY)
        for stage in Stage
        if stage is not Stage.OVER
    ),
    (Stage.OVER, Tone.IDLE),
)

# By type and word: members of different StrEnums are equal when their words are.
_BY_TYPE = {(type(state), state.value): tone for state, tone in _TONES}

AnyState = State | StackState | Light | LoadState | TaskState | FaultState | Finding | Stage


def tone_of(state: AnyState) -> Tone:
    """The tone of any state of the engine."""
    return _BY_TYPE[type(state), state.value]


def word_of(state: AnyState) -> str:
    """The state's word for people: "Backing off"; of a verdict as it is, "PASS"."""
    if isinstance(state, Finding):
        return state.value
    return state.value.replace("-", " ").capitalize()


def paint_shape(painter: QPainter, tone: Tone, box: QRectF, color: QColor) -> None:
    """Draw the tone's shape into a square box: disc, half disc, triangle, diamond or ring."""
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(color)
    if tone is Tone.GOOD:
        painter.drawEllipse(box)
    elif tone is Tone.WARN:
        painter.drawPolygon(
            QPolygonF([QPointF(box.center().x(), box.top()), box.bottomRight(), box.bottomLeft()])
        )
    elif tone is Tone.BAD:
        middle, reach = box.center(), box.width() * 0.58
        corners = ((0, -reach), (reach, 0), (0, reach), (-reach, 0))
        painter.drawPolygon(QPolygonF([middle + QPointF(x, y) for x, y in corners]))
    else:
        ring = box.adjusted(0.75, 0.75, -0.75, -0.75)
        if tone is Tone.BUSY:
            painter.drawPie(ring, 90 * 16, -180 * 16)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(color, 1.5))
        painter.drawEllipse(ring)
    painter.restore()
