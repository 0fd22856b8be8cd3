"""The queues below each other: where their messages are, how fast they flow, who takes from them."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent

from desktop.engine.api import QueueSnapshot, StackState
from desktop.ui import fonts
from desktop.ui.pages.queues_places import Place, numbers_of, paint_bar, paint_place, unserved
from desktop.ui.states import Tone, paint_shape
from desktop.ui.theme import Theme
from desktop.ui.widgets.card_list import CardList, CardRow
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


class QueueRow(CardRow):
    """One queue."""

    def __init__(self, name: str) -> None:
        super().__init__(name, _TALL, _SPARK)
        self._shown: QueueSnapshot | None = None
        self._age = ""
        self._unserved = self._stopped = False

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

    # painting

    def paintEvent(self, event: QPaintEvent) -> None:
        queue, painter = self._shown, QPainter(self)
        if queue is None:
            return
        box = self.paint_card(painter)
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
            token = "warn" if place is Place.STRANDED else "text"
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
            spark = QRectF(line.right() - _SPARK, line.top() + 1, _SPARK, 18)
            self.paint_spark(painter, spark, Theme.current.color("idle"), least=4.0)

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


class QueueList(CardList[QueueRow]):
    """The queues."""

    def __init__(self) -> None:
        super().__init__("Queues", QueueRow, below=12)

    def show_queues(self, queues: Sequence[QueueSnapshot], state: StackState, now: float) -> None:
        """Show these queues, in this order."""
        self.show_names([q.name for q in queues])
        for queue in queues:
            self.rows[queue.name].show_queue(queue, state, now)


def summary(queues: Sequence[QueueSnapshot]) -> str:
    """The whole list in a few words."""
    waiting = sum(q.waiting for q in queues)
    return f"{count(len(queues), 'queue')}, {short(waiting)} waiting"
