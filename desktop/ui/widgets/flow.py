"""The stack as a picture: load → queues of the broker → workers, and what flows between them."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtCore import QPointF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.engine.api import StackSnapshot, WorkerSnapshot
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart_line import queue_tone
from desktop.ui.widgets.flow_nodes import HEAD, QUEUE_ROW, BrokerNode, LoadNode, WorkerNode, tone_colour

_ROW, _SPACE = 52, 6  # height of a worker, space between two
_ONE_COLUMN = 4  # so many workers stand in one column; beyond that, two
_DOTS = 3  # on each line that flows
_STEPS = 14  # turns of the clock that a dot needs from end to end


class FlowView(QWidget):
    """Nodes are buttons; the lines between them carry dots while tasks flow."""

    worker_clicked = Signal(str)
    load_clicked = Signal()
    broker_clicked = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.load = LoadNode(self)
        self.broker = BrokerNode(self)
        self.workers: dict[str, WorkerNode] = {}
        self.load.clicked.connect(self.load_clicked)
        self.broker.clicked.connect(self.broker_clicked)
        self._queues: tuple[str, ...] = ()
        self._lines: list[tuple[QPainterPath, QColor, bool]] = []
        self._phase = 0
        self._still: QPixmap | None = None
        self.setAccessibleName("The stack: load, broker with its queues, workers")
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        Theme.current.changed.connect(self._follow_theme)

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        """Show a moment of the stack."""
        names = [w.name for w in snapshot.workers]
        queues = tuple(q.name for q in snapshot.queues)
        if names != list(self.workers) or queues != self._queues:
            self._queues = queues
            self._rebuild(names)
        self.load.show_loads(snapshot.loads, snapshot.recorded is not None)
        self.broker.show_broker(snapshot.broker, snapshot.queues)
        for worker in snapshot.workers:
            self.workers[worker.name].show_worker(worker)
        self._draw_lines()

    def advance(self) -> None:
        """One turn of the clock: dots move where tasks flow; where nothing flows, nothing is painted."""
        if any(flows for _, _, flows in self._lines):
            self._phase = (self._phase + 1) % _STEPS
            self.update()

    @property
    def flowing(self) -> int:
        """How many lines carry tasks now."""
        return sum(flows for _, _, flows in self._lines)

    def sizeHint(self) -> QSize:
        columns = 1 if len(self.workers) <= _ONE_COLUMN else 2
        rows = -(-len(self.workers) // columns)
        workers = rows * (_ROW + _SPACE) - _SPACE
        return QSize(860, max(workers, self._broker_height(), 132))

    def minimumSizeHint(self) -> QSize:
        return QSize(660, self.sizeHint().height())

    # inside

    def _broker_height(self) -> int:
        return HEAD + QUEUE_ROW * max(1, len(self._queues)) + 30

    def _rebuild(self, names: list[str]) -> None:
        for name in set(self.workers) - set(names):
            self.workers.pop(name).deleteLater()
        self.workers = {n: self.workers.get(n) or self._make(n) for n in names}
        before: QWidget = self.broker
        for node in self.workers.values():
            self.setTabOrder(before, node)
            before = node
        self.updateGeometry()
        self._place()

    def _make(self, name: str) -> WorkerNode:
        node = WorkerNode(self, name)
        node.clicked.connect(lambda: self.worker_clicked.emit(name))
        node.show()
        return node

    def _place(self) -> None:
        width, height = self.width(), self.height()
        load, broker = min(190, max(150, width // 6)), min(360, max(220, width * 3 // 10))
        columns = 1 if len(self.workers) <= _ONE_COLUMN else 2
        gap = max(40, min(120, width // 16))
        self.load.setGeometry(0, (height - 104) // 2, load, 104)
        tall = self._broker_height()
        self.broker.setGeometry(load + gap, (height - tall) // 2, broker, tall)
        left = load + broker + 2 * gap
        wide = (width - left - (columns - 1) * 12) // columns
        rows = max(1, -(-len(self.workers) // columns))
        top = (height - rows * (_ROW + _SPACE) + _SPACE) // 2
        for i, node in enumerate(self.workers.values()):
            x = left + (i // rows) * (wide + 12)
            node.setGeometry(x, top + (i % rows) * (_ROW + _SPACE), wide, _ROW)
        self._draw_lines()

    def _draw_lines(self) -> None:
        theme = Theme.current
        broker = self.broker.geometry()
        start = QPointF(self.load.geometry().right(), self.load.geometry().center().y())
        lines = [
            (
                _curve(start, QPointF(broker.left(), broker.center().y())),
                theme.color("accent"),
                self.load.sending,
            )
        ]
        for node, snapshot in self._shown():
            for queue in snapshot.queues or snapshot.spec.queues:
                if queue in self._queues:
                    begin = QPointF(broker.right(), broker.top() + self.broker.queue_y(queue))
                    end = QPointF(node.geometry().left(), node.geometry().center().y())
                    colour = tone_colour(queue_tone(self._queues.index(queue)))
                    takes = queue in snapshot.queues and node.working
                    lines.append((_curve(begin, end), colour, takes))
        if lines != self._lines:
            self._lines = lines
            self._still = None
            self.update()

    def _shown(self) -> Iterator[tuple[WorkerNode, WorkerSnapshot]]:
        for node in self.workers.values():
            if node.snapshot is not None:
                yield node, node.snapshot

    def _follow_theme(self) -> None:
        self._still = None
        self._draw_lines()
        for node in (self.load, self.broker, *self.workers.values()):
            node.update()
        self.update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._still = None
        self._place()

    def paintEvent(self, event: QPaintEvent) -> None:
        if self._still is None:
            self._still = self._paint_lines()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._still)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        for path, colour, flows in self._lines:
            if flows:
                painter.setBrush(colour)
                for i in range(_DOTS):
                    share = (i + self._phase / _STEPS) / _DOTS
                    painter.drawEllipse(path.pointAtPercent(share % 1.0), 3.5, 3.5)

    def _paint_lines(self) -> QPixmap:
        """The lines without their dots: they change seldom, and curves are dear to paint."""
        ratio = self.devicePixelRatioF()
        picture = QPixmap(self.size() * ratio)
        picture.setDevicePixelRatio(ratio)
        picture.fill(Qt.GlobalColor.transparent)
        quiet = Theme.current.color("line_strong")
        quiet.setAlpha(110)
        painter = QPainter(picture)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for path, colour, flows in self._lines:
            soft = QColor(colour)
            soft.setAlpha(130)
            painter.setPen(QPen(soft if flows else quiet, 1.5))
            painter.drawPath(path)
        painter.end()
        return picture


def _curve(start: QPointF, end: QPointF) -> QPainterPath:
    path = QPainterPath(start)
    bend = (end.x() - start.x()) / 2
    path.cubicTo(start + QPointF(bend, 0), end - QPointF(bend, 0), end)
    return path
