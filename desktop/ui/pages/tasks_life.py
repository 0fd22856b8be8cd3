"""A task's life, drawn: a lane for the broker and one for each attempt, with what happened meanwhile."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QBrush, QColor, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.ui import fonts
from desktop.ui.models.task_columns import clock, fine
from desktop.ui.models.task_life import BROKER, Lane, Life, Phase, Stretch
from desktop.ui.states import Tone, paint_shape
from desktop.ui.theme import Theme
from desktop.ui.widgets.timeline_marks import TONES, cluster, paint_mark
from desktop.ui.words import duration

_LANE, _BAR, _LEFT, _RIGHT, _TOP, _BOTTOM = 32, 16, 184, 24, 20, 44
_THIN = 2.0  # px of the shortest stretch
_MIDDLE = int(Qt.AlignmentFlag.AlignVCenter)
_TICKS = 5  # at most, beside the one where it begins
_STEPS = (*(one * 10.0**power for power in range(-4, 1) for one in (1, 2, 5)), 10, 15, 30)
_LONG_STEPS = (60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
_ENDS = {
    "SUCCESS": Tone.GOOD,
    "FAILURE": Tone.BAD,
    "CUT": Tone.BAD,
    "RETRY": Tone.WARN,
    "REJECTED": Tone.WARN,
}


class LifeLine(QWidget):
    """Shows a `Life`; the pointer reads it out."""

    def __init__(self) -> None:
        super().__init__()
        self.life: Life | None = None
        self._hover: QPointF | None = None
        self.setMouseTracking(True)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(420)
        Theme.current.changed.connect(self.update)

    def show_life(self, life: Life | None) -> None:
        """Show it; None: no moment of it is known."""
        tall = self.sizeHint().height()
        self.life = life
        if self.sizeHint().height() != tall:
            self.updateGeometry()
        self.setVisible(life is not None)
        self.setAccessibleName(f"Time line. {told(life)}" if life is not None else "Time line: nothing known")
        self.update()

    def sizeHint(self) -> QSize:
        lanes = len(self.life.lanes) if self.life is not None else 0
        return QSize(640, _TOP + lanes * _LANE + _BOTTOM)

    def minimumSizeHint(self) -> QSize:
        return QSize(420, self.sizeHint().height())

    # geometry

    def _x(self, t: float) -> float:
        assert self.life is not None
        room = max(1, self.width() - _LEFT - _RIGHT)
        return _LEFT + (t - self.life.since) / (self.life.until - self.life.since) * room

    def _box(self, at: int, stretch: Stretch) -> QRectF:
        left, right = self._x(stretch.since), self._x(stretch.until)
        return QRectF(left, _TOP + at * _LANE + (_LANE - _BAR) / 2, max(_THIN, right - left), _BAR)

    def reading(self, place: QPointF) -> str:
        """What lies at a place, in words."""
        if self.life is None or place.x() < _LEFT - 6:
            return ""
        near = [mark for mark in self.life.marks if abs(self._x(mark.t) - place.x()) <= 5]
        if near and place.y() < _TOP:
            return "\n".join(f"{clock(mark.t)}  {mark.text}" for mark in near)
        at = int((place.y() - _TOP) // _LANE)
        if 0 <= at < len(self.life.lanes) and place.y() >= _TOP:
            lane = self.life.lanes[at]
            for stretch in reversed(lane.stretches):
                if self._box(at, stretch).adjusted(-3, -8, 3, 8).contains(place):
                    return sentence(lane, stretch)
        return ""

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._hover = event.position()
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        self._hover = None
        self.update()

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        if self.life is None:
            return
        painter = QPainter(self)
        bottom = _TOP + len(self.life.lanes) * _LANE
        self._paint_axis(painter, bottom)
        self._paint_marks(painter, bottom)
        for at, lane in enumerate(self.life.lanes):
            self._paint_lane(painter, at, lane)
        reading = self.reading(self._hover) if self._hover is not None else ""
        foot = QRectF(_LEFT, self.height() - 20, self.width() - _LEFT - 4, 18)
        painter.setFont(fonts.font("small"))
        if reading:
            painter.setPen(Theme.current.color("text"))
            painter.drawText(foot, _MIDDLE, reading.replace("\n", "   "))
        else:
            self._paint_legend(painter, foot)

    def _paint_axis(self, painter: QPainter, bottom: float) -> None:
        assert self.life is not None
        theme, life = Theme.current, self.life
        painter.setFont(fonts.font("small"))
        whole = life.until - life.since
        step = round_step(whole)
        for k in range(int(whole / step + 1e-9) + 1):
            x = round(self._x(life.since + step * k)) + 0.5
            painter.setPen(QPen(theme.color("grid"), 1))
            painter.drawLine(QPointF(x, _TOP), QPointF(x, bottom))
            painter.setPen(theme.color("muted"))
            words = clock(life.since) if k == 0 else f"+{round_words(step * k)}"
            box = QRectF(x - 60, bottom + 2, 120, 18)
            how = Qt.AlignmentFlag.AlignHCenter
            if box.right() > self.width() - 2:
                how = Qt.AlignmentFlag.AlignRight
                box.moveRight(self.width() - 2)
            painter.drawText(box, int(how) | _MIDDLE, words)

    def _paint_marks(self, painter: QPainter, bottom: float) -> None:
        assert self.life is not None
        for place in cluster(self.life.marks, self._x, 10):
            colour = Theme.current.color(TONES[place.kind])
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
            painter.setPen(QPen(colour, 1, Qt.PenStyle.DotLine))
            x = round(place.x) + 0.5
            painter.drawLine(QPointF(x, _TOP - 2), QPointF(x, bottom))
            paint_mark(painter, place.kind, QPointF(place.x, _TOP - 10), 9, colour)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)

    def _paint_lane(self, painter: QPainter, at: int, lane: Lane) -> None:
        theme, top = Theme.current, _TOP + at * _LANE
        painter.setFont(fonts.font("label"))
        if lane.worker != BROKER:
            painter.fillRect(QRectF(0, top + _LANE / 2 - 4, 8, 8), theme.color_of(lane.worker))
        painter.setPen(theme.color("muted" if lane.worker == BROKER else "text"))
        left = 0 if lane.worker == BROKER else 15
        box = QRectF(left, top, _LEFT - left - 10, _LANE)
        words = painter.fontMetrics().elidedText(lane.label, Qt.TextElideMode.ElideRight, int(box.width()))
        painter.drawText(box, _MIDDLE, words)
        for stretch in lane.stretches:
            self._paint_stretch(painter, lane, stretch, self._box(at, stretch))
        tone = _ENDS.get(lane.end)
        if tone is not None and lane.stretches:
            end = self._box(at, lane.stretches[-1])
            shape = QRectF(end.right() - 5, end.center().y() - 5, 10, 10)
            paint_shape(painter, Tone.GOOD, shape.adjusted(-2.5, -2.5, 2.5, 2.5), theme.color("surface"))
            paint_shape(painter, tone, shape, theme.color(tone))

    def _paint_stretch(self, painter: QPainter, lane: Lane, stretch: Stretch, box: QRectF) -> None:
        colour, ground = _paints(stretch.phase, lane.worker)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, box.width() > 4)
        painter.setPen(QPen(colour, 1) if box.width() > 3 else Qt.PenStyle.NoPen)
        painter.setBrush(ground if box.width() > 3 else colour)
        painter.drawRoundedRect(box.adjusted(0.5, 0.5, -0.5, -0.5) if box.width() > 3 else box, 3, 3)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setFont(fonts.font("small"))
        words = f"{stretch.phase} {fine(stretch.lasted)}"
        room = painter.fontMetrics().horizontalAdvance(words) + 18
        if box.width() >= room:
            # On a worker's colour, or on stripes, words need a ground of their own.
            plate = QRectF(box.left() + 5, box.top() + 1.5, room - 10, box.height() - 3)
            painter.fillRect(plate, Theme.current.color("surface"))
            painter.setPen(Theme.current.color("text"))
            painter.drawText(plate.adjusted(4, 0, 0, 0), _MIDDLE, words)

    def _paint_legend(self, painter: QPainter, box: QRectF) -> None:
        assert self.life is not None
        x = box.left()
        worker = next((lane.worker for lane in self.life.lanes if lane.worker != BROKER), BROKER)
        for phase in self.life.phases():
            colour, ground = _paints(phase, worker)
            painter.setPen(QPen(colour, 1))
            painter.setBrush(ground)
            painter.drawRect(QRectF(x + 0.5, box.center().y() - 4.5, 12, 9))
            painter.setPen(Theme.current.color("muted"))
            painter.drawText(QRectF(x + 18, box.top(), 90, box.height()), _MIDDLE, phase.value)
            x += 34 + painter.fontMetrics().horizontalAdvance(phase.value)


def _paints(phase: Phase, worker: str) -> tuple[QColor, QBrush]:
    """Outline and ground of a phase: told apart by their pattern too."""
    theme = Theme.current
    if phase is Phase.RUNNING:
        colour = theme.color_of(worker)
        return colour, QBrush(colour)
    if phase is Phase.STRANDED:
        return theme.color("warn"), QBrush(theme.color("warn"), Qt.BrushStyle.BDiagPattern)
    if phase is Phase.SCHEDULED:
        return theme.color("muted"), QBrush(theme.color("muted"), Qt.BrushStyle.Dense6Pattern)
    if phase is Phase.RESERVED:
        return theme.color("muted"), QBrush(theme.color("idle_tint"))
    return theme.color("line_strong"), QBrush(theme.color("surface"))


def round_step(whole: float) -> float:
    """The shortest round stretch of time, in seconds, of which at most `_TICKS` fit into `whole`."""
    steps = (*_STEPS, *_LONG_STEPS)
    return next((step for step in steps if whole / step <= _TICKS), whole / _TICKS)


def round_words(seconds: float) -> str:
    """A round stretch, without digits that say nothing: "200 ms", "1.5 s", "2 min"."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms"
    return f"{seconds:.3g} s" if seconds < 59.95 else duration(max(seconds, 60.0))


def sentence(lane: Lane, stretch: Stretch) -> str:
    """A stretch in words."""
    where = (
        ""
        if stretch.phase is Phase.WAITING
        else f" {'with' if stretch.phase is not Phase.RUNNING else 'on'} "
    )
    who = lane.worker if lane.worker != BROKER else "a worker that is gone"
    until = "now" if stretch.open else clock(stretch.until)
    lasted = f"{stretch.phase.capitalize()}{where}{who if where else ''}"
    return f"{lasted} for {fine(stretch.lasted)}: {clock(stretch.since)} to {until}"


def told(life: Life) -> str:
    """A life in sentences, for who cannot see it."""
    said = sorted(
        ((stretch.since, sentence(lane, stretch)) for lane in life.lanes for stretch in lane.stretches),
        key=lambda pair: pair[0],
    )
    marks = [(mark.t, f"{clock(mark.t)} {mark.text}") for mark in life.marks]
    return ". ".join(words for _t, words in sorted([*said, *marks], key=lambda pair: pair[0]))
