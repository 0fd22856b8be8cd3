"""The workers of the stack below each other: state, lights, pool, load."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent

from desktop.engine.api import Light, WorkerSnapshot
from desktop.ui.states import paint_shape, tone_of, word_of
from desktop.ui.theme import Theme
from desktop.ui.widgets.card_list import CardList, CardRow
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


class WorkerRow(CardRow):
    """One worker."""

    def __init__(self, name: str) -> None:
        super().__init__(name, _TALL, _SPARK)
        self._shown: WorkerSnapshot | None = None

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

    def paintEvent(self, event: QPaintEvent) -> None:
        worker, painter, theme = self._shown, QPainter(self), Theme.current
        if worker is None:
            return
        box = self.paint_card(painter)
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
            box = QRectF(row.right() - spark + 8, row.top() + 2, spark - 8, 32)
            self.paint_spark(painter, box, Theme.current.color_of(worker.name), least=100.0)


class WorkerList(CardList[WorkerRow]):
    """The workers."""

    def __init__(self) -> None:
        super().__init__("Workers", WorkerRow)

    def show_workers(self, workers: Sequence[WorkerSnapshot]) -> None:
        """Show these workers, in this order."""
        self.show_names([w.name for w in workers])
        for worker in workers:
            self.rows[worker.name].show_worker(worker)
