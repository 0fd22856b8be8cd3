"""The workers of the stack below each other: state, lights, pool, load."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QAbstractButton, QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from desktop.engine.api import Light, WorkerSnapshot
from desktop.ui.states import paint_shape, tone_of, word_of
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart_scale import Unit
from desktop.ui.widgets.flow_nodes import slots_text, write, write_state
from desktop.ui.words import headline

_TALL = 102
_SPARK = 100  # px
_WIDE, _POOL = 280, 40  # px from which a row has its fine line, and its pool beside the name

_ELSEWHERE = "not measured from here"
PROCESS_WORDS = {
    Light.ON: "process runs",
    Light.FROZEN: "process frozen",
    Light.WAIT: "no process yet",
    Light.OFF: "no process",
    Light.NO: "process not seen",
}
ANSWER_WORDS = {
    Light.ON: "answers",
    Light.BUSY: "silent while it computes",
    Light.NO: "does not answer",
    Light.WAIT: "no answer yet",
    Light.OFF: "no answer",
}


def measured(worker: WorkerSnapshot) -> bool:
    """Whether its CPU and memory are known: not those of somebody else's worker on another machine."""
    service = worker.service
    return service.log_file is not None or service.memory > 0 or not service.state.alive


def lights(worker: WorkerSnapshot) -> tuple[tuple[Light, str], tuple[Light, str]]:
    """The two lights of a worker with their words: its process, and whether it answers."""
    process, answers = worker.service.process, worker.service.answers
    return (process, PROCESS_WORDS[process]), (answers, ANSWER_WORDS[answers])


class WorkerRow(QAbstractButton):
    """One worker. Choosing it shows its details; the context menu holds its verbs."""

    menu_wanted = Signal(str, object)  # name, global QPoint

    def __init__(self, name: str) -> None:
        super().__init__()
        self.worker = name
        self._shown: WorkerSnapshot | None = None
        self._spark: Sequence[float] = ()
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFixedHeight(_TALL)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(340, _TALL)

    def show_worker(self, worker: WorkerSnapshot) -> None:
        """Show a worker."""
        if worker == self._shown:
            return
        self._shown = worker
        (_, process), (_, answers) = lights(worker)
        state = word_of(worker.service.state).lower()
        cpu = f"CPU {Unit.PERCENT.format(worker.service.cpu)}" if measured(worker) else _ELSEWHERE
        words = (worker.name, worker.spec.pool.value, state, process, answers, slots_text(worker), cpu)
        self.setAccessibleName(", ".join(words))
        self.setToolTip(headline(worker.service.detail))
        self.update()

    def show_spark(self, values: Sequence[float]) -> None:
        """The CPU of the last minutes."""
        self._spark = values[:: max(1, len(values) // _SPARK)]
        self.update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_wanted.emit(self.worker, event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        worker, painter, theme = self._shown, QPainter(self), Theme.current
        if worker is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = "surface" if self.isChecked() else "hover" if self.underMouse() else "window"
        edge = "focus" if self.hasFocus() else "line_strong" if self.isChecked() else "line"
        painter.setPen(QPen(theme.color(edge), 2 if self.hasFocus() else 1))
        painter.setBrush(theme.color(ground))
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(box, 8, 8)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color_of(worker.name))
        painter.drawRoundedRect(QRectF(box.left() + 7, box.top() + 10, 4, box.height() - 20), 2, 2)
        line = QRectF(box.left() + 22, box.top() + 8, box.width() - 36, 20)
        room = line.adjusted(0, 0, -write_state(painter, line, worker.service.state) - 10, 0)
        wide = write(painter, room, worker.name, "section") + 8
        if room.width() - wide > _POOL:
            write(painter, room.adjusted(wide, 0, 0, 0), worker.spec.pool.value, "small", "muted")
        self._paint_lights(painter, worker, line.translated(0, 24))
        self._paint_load(painter, worker, line.translated(0, 48))

    def _paint_lights(self, painter: QPainter, worker: WorkerSnapshot, row: QRectF) -> None:
        x = row.left()
        for light, words in lights(worker):
            tone = tone_of(light)
            shape = QRectF(x, row.center().y() - 3.5, 7, 7)
            paint_shape(painter, tone, shape, Theme.current.color(tone))
            x += 13 + write(
                painter, QRectF(x + 13, row.top(), row.right() - x - 13, 20), words, "small", "muted"
            )
            x += 14

    def _paint_load(self, painter: QPainter, worker: WorkerSnapshot, row: QRectF) -> None:
        if not worker.service.state.alive:
            write(painter, row, headline(worker.service.detail) or "Not started", "small", "muted")
            return
        spark = _SPARK if row.width() > _WIDE else 0
        write(painter, row.adjusted(0, 0, -spark, 0), slots_text(worker), "small")
        below = row.translated(0, 18)
        size = Unit.BYTES.format(worker.service.memory)
        figures = f"{Unit.PERCENT.format(worker.service.cpu)} CPU   {size}   {worker.service.threads} threads"
        figures = figures if measured(worker) else _ELSEWHERE
        write(painter, below.adjusted(0, 0, -spark, 0), figures, "small", "muted")
        if spark:
            self._paint_spark(painter, QRectF(row.right() - spark + 8, row.top() + 2, spark - 8, 32))

    def _paint_spark(self, painter: QPainter, box: QRectF) -> None:
        known = [v for v in self._spark if not math.isnan(v)]
        if len(known) < 2:
            return
        top = max(100.0, *known)
        wide = box.width() / (len(self._spark) - 1)
        painter.setPen(QPen(Theme.current.color_of(self.worker), 1.0))
        points: list[QPointF] = []
        for i, value in enumerate(self._spark):
            if math.isnan(value):
                painter.drawPolyline(QPolygonF(points))
                points = []
            else:
                points.append(QPointF(box.left() + i * wide, box.bottom() - value / top * box.height()))
        painter.drawPolyline(QPolygonF(points))


class WorkerList(QScrollArea):
    """The rows; one of them is chosen while there is any."""

    chosen = Signal(str)
    menu_wanted = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, WorkerRow] = {}
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Workers")
        inner = QWidget()
        inner.setProperty("kind", "page")
        self._column = QVBoxLayout(inner)
        self._column.setContentsMargins(0, 0, 4, 0)
        self._column.setSpacing(8)
        self._column.addStretch()
        self.setWidget(inner)
        Theme.current.changed.connect(self._repaint)

    @property
    def current(self) -> str:
        """The name of the worker that is chosen; empty when there is none."""
        return next((name for name, row in self.rows.items() if row.isChecked()), "")

    def show_workers(self, workers: Sequence[WorkerSnapshot]) -> None:
        """Show these workers, in this order."""
        names = [w.name for w in workers]
        if names != list(self.rows):
            self._rebuild(names)
        for worker in workers:
            self.rows[worker.name].show_worker(worker)

    def show_sparks(self, read: Callable[[str], Sequence[float]]) -> None:
        """Draw each row's fine line anew."""
        for name, row in self.rows.items():
            row.show_spark(read(name))

    def choose(self, name: str) -> None:
        """Choose a worker and bring it to the eye."""
        if name in self.rows:
            self.rows[name].setChecked(True)
            self.ensureWidgetVisible(self.rows[name])
            self.chosen.emit(name)

    def _rebuild(self, names: list[str]) -> None:
        before = self.current
        for name in set(self.rows) - set(names):
            row = self.rows.pop(name)
            row.hide()
            row.deleteLater()
        self.rows = {name: self.rows.get(name) or self._make(name) for name in names}
        for at, row in enumerate(self.rows.values()):
            self._column.insertWidget(at, row)
        if names and before not in names:
            self.choose(names[0])

    def _make(self, name: str) -> WorkerRow:
        row = WorkerRow(name)
        row.clicked.connect(lambda: self.chosen.emit(name))
        row.menu_wanted.connect(self.menu_wanted)
        return row

    def _repaint(self) -> None:
        for row in self.rows.values():
            row.update()
