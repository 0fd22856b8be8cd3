"""A drill that runs: its stages, what it is doing, its faults on a small time line, and Halt."""

from __future__ import annotations

import time

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QProgressBar, QPushButton, QSizePolicy, QToolTip, QWidget

from desktop.engine.api import DrillSnapshot, FaultRecord, MarkKind, Stage
from desktop.ui import fonts
from desktop.ui.fault_words import repeats_words, sentence, title_of
from desktop.ui.states import Tone, paint_shape
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart_faults import bands_of, hatch
from desktop.ui.widgets.containers import Card, row
from desktop.ui.widgets.labels import ElidedLabel, label
from desktop.ui.widgets.timeline_marks import paint_mark
from desktop.ui.words import duration

_STAGES = (
    (Stage.PREPARING, "prepare"),
    (Stage.STARTING, "start"),
    (Stage.RUNNING, "load and break"),
    (Stage.SETTLING, "settle"),
    (Stage.JUDGING, "judge"),
    (Stage.STOPPING, "stop"),
)
_BARS = 1000
_LEAST = 10.0  # seconds that the time line shows at least


class StageStrip(QWidget):
    """The stages side by side: those that are done with a disc, the present one with a half disc."""

    def __init__(self) -> None:
        super().__init__()
        self.stage = Stage.PREPARING
        self.setFixedHeight(24)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_stage(self, stage: Stage) -> None:
        """Show where it is; a halt takes the place of all."""
        if stage is not self.stage:
            self.stage = stage
            self.setAccessibleName(f"Stage: {stage.value}")
            self.update()

    def sizeHint(self) -> QSize:
        return QSize(480, 24)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), Theme.current
        painter.setFont(fonts.font("label"))
        metrics = QFontMetricsF(painter.font())
        order = [stage for stage, _ in _STAGES]
        at = order.index(self.stage) if self.stage in order else len(order)
        steps = [(Stage.HALTING, "halting: everything is undone")] if self.stage is Stage.HALTING else _STAGES
        x = 0.0
        for number, (_, word) in enumerate(steps):
            here = number == at or self.stage is Stage.HALTING
            tone = Tone.BUSY if here else Tone.GOOD if number < at else Tone.IDLE
            paint_shape(painter, tone, QRectF(x + 1, 8, 8, 8), theme.color(tone))
            painter.setPen(theme.color("text" if here else "muted"))
            wide = metrics.horizontalAdvance(word)
            painter.drawText(QRectF(x + 15, 0, wide + 4, 24), int(Qt.AlignmentFlag.AlignVCenter), word)
            x += 15 + wide + 14
            if number < len(steps) - 1:
                painter.setPen(QPen(theme.color("line_strong"), 1))
                painter.drawLine(QPointF(x - 10, 12), QPointF(x - 2, 12))
                x += 4


class FaultLine(QWidget):
    """The faults of a drill as they land, from its beginning to now."""

    def __init__(self) -> None:
        super().__init__()
        self._began, self._now = 0.0, 0.0
        self._faults: tuple[FaultRecord, ...] = ()
        self.setFixedHeight(44)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_faults(self, began: float, faults: tuple[FaultRecord, ...]) -> None:
        """Show these."""
        self._began, self._faults = began, faults
        said = "; ".join(f"{title_of(f)} after {duration(self._at(f) - began)}" for f in faults)
        self.setAccessibleName(f"Faults so far: {said or 'none'}")
        self.update()

    def show_time(self, now: float) -> None:
        """Time goes on."""
        self._now = now
        self.update()

    @staticmethod
    def _at(record: FaultRecord) -> float:
        return record.landed_at or record.asked_at

    def _x(self, t: float) -> float:
        span = max(self._now - self._began, _LEAST)
        return 2 + (t - self._began) / span * (self.width() - 12)

    def sizeHint(self) -> QSize:
        return QSize(480, 44)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            near = [f for f in self._faults if abs(self._x(self._at(f)) - event.pos().x()) < 10]
            QToolTip.showText(event.globalPos(), "\n".join(f.text or title_of(f) for f in near), self)
            return True
        return super().event(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), Theme.current
        middle = 13.5
        end = self._x(max(self._now, self._began))
        painter.setPen(QPen(theme.color("line_strong"), 1))
        painter.drawLine(QPointF(2, middle), QPointF(end, middle))
        painter.setFont(fonts.font("small"))
        metrics = QFontMetricsF(painter.font())
        if not self._faults:
            painter.setPen(theme.color("muted"))
            painter.drawText(QRectF(2, 22, self.width(), 18), 0, "No fault yet")
        for band in bands_of(self._faults):
            if band.lasts:
                left, right = self._x(band.since), self._x(min(band.until or self._now, self._now))
                painter.fillRect(QRectF(left, middle - 6, right - left, 12), hatch())
        free = 0.0
        for record in self._faults:
            x = self._x(self._at(record))
            tone = theme.color("warn" if record.landed else "idle")
            paint_mark(painter, MarkKind.FAULT, QPointF(x + 4, middle), 10, tone)
            words = f"{title_of(record)}, {duration(self._at(record) - self._began)}"
            wide = metrics.horizontalAdvance(words)
            if x >= free and x + wide <= self.width():
                painter.setPen(theme.color("muted"))
                painter.drawText(QRectF(x, 22, wide + 2, 18), 0, words)
                free = x + wide + 12


class ProgressCard(Card):
    """Shown while a drill runs, whichever is chosen."""

    def __init__(self, halt: QPushButton) -> None:
        super().__init__(padding=16)
        self.setAccessibleName("The drill that runs")
        self._began = time.time()
        self.title, self.number = label("", "section"), label("", "small", "muted")
        self.stages, self.faults = StageStrip(), FaultLine()
        self.doing, self.elapsed = ElidedLabel(""), label("", "small", "muted")
        self.bar = QProgressBar()
        self.bar.setRange(0, _BARS)
        self.bar.setTextVisible(False)
        self.found = label("", "small", "muted", wrap=True)
        self.halt = halt
        halt.setMinimumHeight(36)
        halt.setToolTip(f"{halt.toolTip()}. Esc does the same")
        self.body.addLayout(row(self.title, self.number, 1, halt, spacing=12))
        self.add(self.stages)
        line = row(spacing=12)
        line.addWidget(self.doing, 1)
        line.addWidget(self.elapsed)
        self.body.addLayout(line)
        self.add(self.bar)
        self.add(self.faults)
        self.add(self.found)

    def show_drill(self, drill: DrillSnapshot, faults: tuple[FaultRecord, ...], other: bool) -> None:
        """Show how far it is, and the faults of the run that is shown.

        `other`: it is not the one that is chosen in the list.
        """
        name = sentence(drill.spec.title or drill.spec.name)
        self.title.setText(f"Running now: {name}" if other else "Running now")
        many = f"repeat {drill.number:,} of {drill.of:,}, " if drill.of > 1 else ""
        self.number.setText(f"{many}seed {drill.seed}")
        self.stages.show_stage(drill.stage)
        self.doing.setText(drill.doing)
        self.bar.setValue(round(_BARS * drill.share))
        self.bar.setAccessibleName(f"{name}: {drill.share:.0%}")
        landed = drill.faults or tuple(one for one in faults if one.by_drill and one.asked_at >= drill.began)
        self.faults.show_faults(drill.began, landed)
        self._began = drill.began
        self.found.setText(f"So far: {repeats_words(drill.verdicts)}" if drill.verdicts else "")
        self.found.setVisible(bool(drill.verdicts))

    def tick(self, now: float) -> None:
        """Time goes on."""
        self.elapsed.setText(duration(max(0.0, now - self._began)))
        self.faults.show_time(now)
