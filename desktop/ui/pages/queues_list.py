"""The queues below each other: where their messages are, how fast they flow, who takes from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QContextMenuEvent, QFontMetricsF, QKeyEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QAbstractButton, QFrame, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from desktop.engine.api import QueueSnapshot, StackState
from desktop.ui import fonts
from desktop.ui.pages.queues_places import Place, numbers_of, paint_bar, paint_place, unserved
from desktop.ui.states import Tone, paint_shape
from desktop.ui.theme import Theme
from desktop.ui.widgets.flow_nodes import write
from desktop.ui.words import count, duration, short

_TALL = 148
_SPARK = 84  # px
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
NOBODY = "No worker consumes this queue"


def rate(value: float) -> str:
    """Messages a second: "42/s", "0.4/s"."""
    return f"{value:,.0f}/s" if value >= 10 or value == 0 else f"{value:.1f}/s"


def age(queue: QueueSnapshot, now: float) -> str:
    """How long the oldest message has waited; empty where nobody knows."""
    return duration(now - queue.oldest_since) if queue.oldest_since is not None else ""


class QueueRow(QAbstractButton):
    """One queue. Choosing it shows its details; the context menu holds its verbs."""

    menu_wanted = Signal(str, object)  # name, global QPoint

    def __init__(self, name: str) -> None:
        super().__init__()
        self.queue = name
        self._shown: QueueSnapshot | None = None
        self._age = ""
        self._unserved = self._stopped = False
        self._spark: Sequence[float] = ()
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFixedHeight(_TALL)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(340, _TALL)

    def show_queue(self, queue: QueueSnapshot, state: StackState, now: float) -> None:
        """Show a queue."""
        old = age(queue, now)
        loud = unserved(queue, state)
        stopped = state is StackState.STOPPED
        if (queue, old, loud, stopped) == (self._shown, self._age, self._unserved, self._stopped):
            return
        self._shown, self._age, self._unserved = queue, old, loud
        self._stopped = stopped
        numbers = numbers_of(queue)
        words = [queue.name, *(f"{numbers[place]:,} {place}" for place in Place if numbers[place])]
        if old:
            words.append(f"the oldest waits {old}")
        words.append(f"in {rate(queue.rate_in)}, out {rate(queue.rate_out)}")
        words.append(NOBODY if loud else f"consumed by {', '.join(queue.consumers) or 'nobody'}")
        self.setAccessibleName(", ".join(words))
        self.update()

    def show_spark(self, values: Sequence[float]) -> None:
        """The depth of the last minutes."""
        self._spark = values[:: max(1, len(values) // _SPARK)]
        self.update()

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        self.menu_wanted.emit(self.queue, event.globalPos())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        queue, painter, theme = self._shown, QPainter(self), Theme.current
        if queue is None:
            return
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = "surface" if self.isChecked() else "hover" if self.underMouse() else "window"
        edge = "focus" if self.hasFocus() else "line_strong" if self.isChecked() else "line"
        painter.setPen(QPen(theme.color(edge), 2 if self.hasFocus() else 1))
        painter.setBrush(theme.color(ground))
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(box, 8, 8)
        line = QRectF(box.left() + 14, box.top() + 9, box.width() - 28, 20)
        self._paint_head(painter, queue, line)
        bar = QRectF(round(line.left()), round(line.top() + 26), round(line.width()), 8)
        paint_bar(painter, bar, numbers_of(queue))
        self._paint_held(painter, queue, QRectF(line.left(), bar.bottom() + 5, line.width(), 18))
        self._paint_flow(painter, queue, line.translated(0, 80))
        self._paint_consumers(painter, queue, line.translated(0, 106))

    def _paint_head(self, painter: QPainter, queue: QueueSnapshot, line: QRectF) -> None:
        wide = write(painter, line, "waiting", "small", "muted", _RIGHT) + 5
        number = line.adjusted(0, 0, -wide, 0)
        wide += write(painter, number, f"{queue.waiting:,}", "section", "text", _RIGHT) + 12
        write(painter, line.adjusted(0, 0, -wide, 0), queue.name, "section")

    def _paint_held(self, painter: QPainter, queue: QueueSnapshot, line: QRectF) -> None:
        """What has left the broker, each with its pattern; two lines."""
        metrics = QFontMetricsF(fonts.font("small"))
        parts = [(place, n) for place, n in numbers_of(queue).items() if n and place is not Place.WAITING]
        if not parts:
            write(painter, line, "no worker holds any of it", "small", "muted")
            return
        at = QPointF(line.left(), line.top())
        for place, n in parts:
            text = f"{n:,} {place}"
            if at.x() + 15 + metrics.horizontalAdvance(text) > line.right():
                at = QPointF(line.left(), at.y() + 18)
            swatch = QRectF(round(at.x()), round(at.y() + 4), 10, 10)
            paint_place(painter, place, swatch)
            room = QRectF(at.x() + 15, at.y(), line.right() - at.x() - 15, 18)
            token = "bad" if place is Place.STRANDED else "text"
            at.setX(room.left() + write(painter, room, text, "small", token) + 14)

    def _paint_flow(self, painter: QPainter, queue: QueueSnapshot, line: QRectF) -> None:
        flow = f"in {rate(queue.rate_in)}   out {rate(queue.rate_out)}"
        x = write(painter, line, flow, "small", "muted") + 12
        old = f"oldest {self._age}" if self._age else ""
        wide = QFontMetricsF(fonts.font("small")).horizontalAdvance(old) + 12 if old else 0.0
        if old and x + wide < line.width():
            write(painter, line.adjusted(x, 0, 0, 0), old, "small", "muted")
            x += wide
        if line.width() - x >= _SPARK:
            self._paint_spark(painter, QRectF(line.right() - _SPARK, line.top() + 1, _SPARK, 18))

    def _paint_spark(self, painter: QPainter, box: QRectF) -> None:
        known = [v for v in self._spark if not math.isnan(v)]
        if len(known) < 2:
            return
        top, wide = max(4.0, *known), box.width() / (len(self._spark) - 1)
        painter.setPen(QPen(Theme.current.color("idle"), 1.0))
        points: list[QPointF] = []
        for i, value in enumerate(self._spark):
            if math.isnan(value):
                painter.drawPolyline(QPolygonF(points))
                points = []
            else:
                points.append(QPointF(box.left() + i * wide, box.bottom() - value / top * box.height()))
        painter.drawPolyline(QPolygonF(points))

    def _paint_consumers(self, painter: QPainter, queue: QueueSnapshot, line: QRectF) -> None:
        theme = Theme.current
        if self._unserved:
            box = line.adjusted(-6, 0, 6, 4)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("bad_tint"))
            painter.drawRoundedRect(box, 5, 5)
            paint_shape(
                painter, Tone.BAD, QRectF(box.left() + 9, box.center().y() - 4, 8, 8), theme.color("bad")
            )
            write(painter, box.adjusted(24, 0, -8, 0), NOBODY, "label", "bad")
            return
        if not queue.consumers:
            words = "the stack is stopped" if self._stopped else "nobody consumes it now"
            write(painter, line, words, "small", "muted")
            return
        x, metrics = line.left(), QFontMetricsF(fonts.font("small"))
        for at, name in enumerate(queue.consumers):
            rest = len(queue.consumers) - at
            spare = metrics.horizontalAdvance("+ 00") + 16 if rest > 1 else 0.0
            room = line.right() - x - spare
            if at and room < 15 + min(60.0, metrics.horizontalAdvance(name)):
                write(painter, QRectF(x, line.top(), line.right() - x, 20), f"+ {rest}", "small", "muted")
                return
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color_of(name))
            painter.drawRoundedRect(QRectF(x, line.center().y() - 6, 3, 12), 1.5, 1.5)
            x += 9 + write(painter, QRectF(x + 9, line.top(), room - 9, 20), name, "small") + 14


class QueueList(QScrollArea):
    """The rows; one of them is chosen while there is any."""

    chosen = Signal(str)
    menu_wanted = Signal(str, object)

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, QueueRow] = {}
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Queues")
        inner = QWidget()
        inner.setProperty("kind", "page")
        self._column = QVBoxLayout(inner)
        self._column.setContentsMargins(0, 0, 4, 12)
        self._column.setSpacing(8)
        self._column.addStretch()
        self.setWidget(inner)
        Theme.current.changed.connect(self._repaint)

    @property
    def current(self) -> str:
        """The name of the queue that is chosen; empty when there is none."""
        return next((name for name, row in self.rows.items() if row.isChecked()), "")

    def show_queues(self, queues: Sequence[QueueSnapshot], state: StackState, now: float) -> None:
        """Show these queues, in this order."""
        names = [q.name for q in queues]
        if names != list(self.rows):
            self._rebuild(names)
        for queue in queues:
            self.rows[queue.name].show_queue(queue, state, now)

    def show_sparks(self, read: Callable[[str], Sequence[float]]) -> None:
        """Draw each row's fine line anew."""
        for name, row in self.rows.items():
            row.show_spark(read(name))

    def choose(self, name: str) -> None:
        """Choose a queue and bring it to the eye."""
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

    def _make(self, name: str) -> QueueRow:
        row = QueueRow(name)
        row.clicked.connect(lambda: self.chosen.emit(name))
        row.menu_wanted.connect(self.menu_wanted)
        return row

    def _repaint(self) -> None:
        for row in self.rows.values():
            row.update()


def summary(queues: Sequence[QueueSnapshot]) -> str:
    """The whole list in a few words."""
    waiting = sum(q.waiting for q in queues)
    return f"{count(len(queues), 'queue')}, {short(waiting)} waiting"
