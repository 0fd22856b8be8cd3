"""The nodes of the stack's picture: load, broker, workers. Real buttons: keys and readers reach them."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QEnterEvent, QFontMetricsF, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QWidget

from desktop.engine.api import BrokerSnapshot, LoadSnapshot, LoadState, QueueSnapshot, State, WorkerSnapshot
from desktop.ui import fonts
from desktop.ui.states import AnyState, Tone, paint_shape, tone_of, word_of
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart_line import queue_tone
from desktop.ui.words import headline

_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_SLOTS = 16  # up to so many slots are drawn one by one; a bar beyond
_SLOT, _BAR = 16, 120  # px of a slot with its gap, of the bar
_WORDED, _POOL = 170, 40  # px from which a state has its word, a worker its pool
QUEUE_ROW, HEAD = 30, 52
_ENDED = (LoadState.DONE, LoadState.CANCELLED, LoadState.FAILED)


class Node(QAbstractButton):
    """A card of the picture. A click on it goes to its page."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    def sizeHint(self) -> QSize:
        return QSize(200, HEAD)

    def enterEvent(self, event: QEnterEvent) -> None:
        self.update()
        super().enterEvent(event)

    def leaveEvent(self, event: object) -> None:
        self.update()

    def _card(self, painter: QPainter, ground: str = "surface", dashed: bool = False) -> QRectF:
        theme = Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = "focus" if self.hasFocus() else "line_strong" if self.underMouse() else "line"
        pen = QPen(theme.color(edge), 2 if self.hasFocus() else 1)
        if dashed and not self.hasFocus():
            pen.setStyle(Qt.PenStyle.DashLine)
        painter.setPen(pen)
        painter.setBrush(theme.color(ground))
        box = QRectF(self.rect()).adjusted(1, 1, -1, -1)
        painter.drawRoundedRect(box, 8, 8)
        return box


def write(
    painter: QPainter,
    box: QRectF,
    text: str,
    role: str = "text",
    token: str = "text",
    align: Qt.AlignmentFlag = _LEFT,
) -> float:
    """Write one line, cut with … where there is no room; its width."""
    font = fonts.font(role)
    painter.setFont(font)
    painter.setPen(Theme.current.color(token))
    metrics = QFontMetricsF(font)
    shown = metrics.elidedText(text, Qt.TextElideMode.ElideRight, box.width())
    painter.drawText(box, int(align), shown)
    return metrics.horizontalAdvance(shown)


def write_state(painter: QPainter, box: QRectF, state: AnyState, worded: bool = True) -> float:
    """A state as shape and word (or as its shape alone) at the right end of a box; the width of that."""
    width = write(painter, box, word_of(state), "label", "text", _RIGHT) + 6 if worded else 0.0
    tone = tone_of(state)
    shape = QRectF(box.right() - width - 8, box.center().y() - 4, 8, 8)
    paint_shape(painter, tone, shape, Theme.current.color(tone))
    return width + 8


class LoadNode(Node):
    """The load generator: what is being sent."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._load: LoadSnapshot | None = None
        self._more = 0
        self._past = False
        self.show_loads(())

    @property
    def sending(self) -> bool:
        """True while tasks flow out of it."""
        return self._load is not None and self._load.state is LoadState.SENDING

    def show_loads(self, loads: tuple[LoadSnapshot, ...], past: bool = False) -> None:
        """Show the workload that is under way; `past`: in a recorded run, to which none can be submitted."""
        self._past = past
        live = [load for load in loads if load.state not in _ENDED]
        self._load, self._more = (live[0] if live else None), max(0, len(live) - 1)
        self.setAccessibleName(f"Load: {self._line()}. {self._rate()}")
        self.update()

    def _line(self) -> str:
        if self._load is None:
            return "it is over" if self._past else "no workload"
        name = self._load.workload.name or self._load.workload.mix[0].task.rpartition(".")[2]
        return f"{name} and {self._more} more" if self._more else name

    def _rate(self) -> str:
        if self._load is None:
            return "" if self._past else "Submit one"
        count = self._load.workload.count
        of = f" of {count:,}" if count else ""
        return f"{self._load.sent:,}{of} sent"

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), Theme.current
        box = self._card(painter, dashed=self._load is None).adjusted(14, 8, -14, -8)
        write(painter, QRectF(box.left(), box.top(), box.width(), 18), "Load", "strong")
        row = QRectF(box.left(), box.top() + 22, box.width(), 18)
        write(painter, row, self._line(), "small", "muted")
        write(painter, row.translated(0, 20), self._rate(), "small", "text" if self._load else "accent")
        if self._load is None:
            return
        write(painter, row.translated(0, 40), f"{self._load.rate:,.0f} a second", "small", "muted")
        state = QRectF(box.left(), box.top(), box.width(), 18)
        write_state(painter, state, self._load.state)
        if self._load.workload.count:
            track = QRectF(box.left(), box.bottom() - 5, box.width(), 4)
            share = min(1.0, self._load.sent / self._load.workload.count)
            paint_bar(painter, track, share, theme.color("accent_fill"))


class BrokerNode(Node):
    """The broker and its queues with their depths."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._broker: BrokerSnapshot | None = None
        self._queues: tuple[QueueSnapshot, ...] = ()
        self._top = 100  # depth at which a bar is full: grows with what was seen, so that bars compare

    def show_broker(self, broker: BrokerSnapshot | None, queues: tuple[QueueSnapshot, ...]) -> None:
        """Show the broker and what waits in it."""
        self._broker, self._queues = broker, queues
        self._top = max(self._top, *(q.waiting for q in queues)) if queues else 100
        state = word_of(broker.service.state if broker else State.STOPPED).lower()
        depths = ", ".join(f"{q.name} {q.waiting} waiting{self._orphan(q)}" for q in queues)
        self.setAccessibleName(f"Broker, {state}. Queues: {depths or 'none'}")
        self.setToolTip(headline(broker.service.detail) if broker else "")
        self.update()

    def queue_y(self, name: str) -> float:
        """Where a queue's row is, in this widget."""
        names = [q.name for q in self._queues]
        place = names.index(name) if name in names else 0
        return HEAD + QUEUE_ROW * (place + 0.5)

    def _orphan(self, queue: QueueSnapshot) -> str:
        up = self._broker is not None and self._broker.service.state is State.READY
        return ", no worker takes from it" if up and not queue.consumers else ""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        broker = self._broker
        state = broker.service.state if broker else State.STOPPED
        bad = tone_of(state) is Tone.BAD
        box = self._card(painter, "bad_tint" if bad else "surface", not state.alive).adjusted(14, 8, -14, -8)
        line = QRectF(box.left(), box.top(), box.width(), 18)
        write(painter, line, "Broker", "strong")
        write_state(painter, line, state)
        where = f"{broker.server}  {broker.address}" if broker and broker.server else "Redis"
        write(painter, line.translated(0, 20), where, "small", "muted")
        for queue in self._queues:
            self._paint_queue(painter, queue, box)
        if broker and state.alive:
            foot = QRectF(box.left(), HEAD + QUEUE_ROW * len(self._queues), box.width(), 22)
            write(painter, foot, "delivered, not acknowledged", "small", "muted")
            write(painter, foot, f"{broker.unacked:,}", "small", "text", _RIGHT)

    def _paint_queue(self, painter: QPainter, queue: QueueSnapshot, box: QRectF) -> None:
        y = self.queue_y(queue.name) - QUEUE_ROW / 2
        row = QRectF(box.left(), y + 2, box.width(), 18)
        names = [q.name for q in self._queues]
        colour = tone_colour(queue_tone(names.index(queue.name)))
        number = write(painter, row, f"{queue.waiting:,}", "strong", "text", _RIGHT)
        room = row.adjusted(0, 0, -number - 10, 0)
        if self._orphan(queue):
            shape = QRectF(row.left(), row.center().y() - 4, 8, 8)
            paint_shape(painter, Tone.WARN, shape, Theme.current.color("warn"))
            long, short = f"{queue.name}: no worker takes from it", f"{queue.name}: no worker"
            room = room.adjusted(14, 0, 0, 0)
            fits = QFontMetricsF(fonts.font("small")).horizontalAdvance(long) <= room.width()
            write(painter, room, long if fits else short, "small", "warn")
        else:
            write(painter, room, queue.name, "small")
        share = min(1.0, queue.waiting / self._top)
        paint_bar(painter, QRectF(row.left(), row.bottom() + 1, row.width(), 4), share, colour)


class WorkerNode(Node):
    """A worker: pool, state, and a slot for each process, thread or greenlet, filled while it runs a task."""

    def __init__(self, parent: QWidget, name: str) -> None:
        super().__init__(parent)
        self.worker = name
        self._shown: WorkerSnapshot | None = None

    @property
    def working(self) -> bool:
        """True while it runs tasks."""
        return self._shown is not None and self._shown.busy > 0 and self._shown.service.state.alive

    @property
    def snapshot(self) -> WorkerSnapshot | None:
        """What it shows."""
        return self._shown

    def show_worker(self, worker: WorkerSnapshot) -> None:
        """Show a worker."""
        if worker == self._shown:
            return
        self._shown = worker
        state = word_of(worker.service.state).lower()
        self.setAccessibleName(f"{worker.name}, {worker.spec.pool.value}, {state}, {slots_text(worker)}")
        self.setToolTip(headline(worker.service.detail) or self.accessibleName())
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        worker, painter = self._shown, QPainter(self)
        if worker is None:
            return
        state, theme = worker.service.state, Theme.current
        tone = tone_of(state)
        ground = f"{tone}_tint" if tone in (Tone.BAD, Tone.WARN) else "surface"
        box = self._card(painter, ground, not state.alive)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color_of(worker.name))
        painter.drawRoundedRect(QRectF(box.left() + 6, box.top() + 8, 4, box.height() - 16), 2, 2)
        line = QRectF(box.left() + 20, box.top() + 5, box.width() - 34, 20)
        room = line.adjusted(0, 0, -write_state(painter, line, state, line.width() > _WORDED) - 10, 0)
        wide = write(painter, room, worker.name, "strong") + 8
        if room.width() - wide > _POOL:
            write(painter, room.adjusted(wide, 0, 0, 0), worker.spec.pool.value, "small", "muted")
        below = line.translated(0, 21)
        if state.alive:
            self._paint_slots(painter, worker, below)
        else:
            write(painter, below, headline(worker.service.detail) or "Not started", "small", "muted")

    def _paint_slots(self, painter: QPainter, worker: WorkerSnapshot, row: QRectF) -> None:
        """Slots, how many are busy, how many tasks are reserved: as much of that as there is room for."""
        most = max(worker.pool_size, worker.bounds[1] if worker.bounds else 0)
        slots = most * _SLOT + 6 if most <= _SLOTS else _BAR + 10
        reserved = f"{worker.reserved:,} reserved"
        metrics = QFontMetricsF(fonts.font("small"))
        wide, narrow = slots_text(worker), slots_text(worker, bounds=False)
        side = metrics.horizontalAdvance(reserved) + 12
        for left, text, right in (
            (slots, wide, side),
            (slots, narrow, side),
            (slots, wide, 0.0),
            (slots, narrow, 0.0),
            (0.0, narrow, 0.0),
        ):
            if left + metrics.horizontalAdvance(text) + right <= row.width():
                break
        if left:
            self._paint_pool(painter, worker, row, most)
        if right:
            write(painter, row, reserved, "small", "muted", _RIGHT)
        write(painter, row.adjusted(left, 0, 0, 0), text, "small")

    def _paint_pool(self, painter: QPainter, worker: WorkerSnapshot, row: QRectF, most: int) -> None:
        colour, middle = Theme.current.color_of(worker.name), row.center().y()
        if most > _SLOTS:
            share = worker.busy / worker.pool_size if worker.pool_size else 0.0
            paint_bar(painter, QRectF(row.left(), middle - 4, _BAR, 8), share, colour)
            return
        for i in range(most):
            place = QRectF(row.left() + i * _SLOT, middle - 6, 12, 12)
            paint_slot(painter, place, colour, i < worker.busy, i < worker.pool_size)


def slots_text(worker: WorkerSnapshot, bounds: bool = True) -> str:
    """How much of its pool a worker uses: "2 of 3 busy (1–4)"."""
    within = f" ({worker.bounds[0]}–{worker.bounds[1]})" if worker.bounds and bounds else ""
    return f"{worker.busy} of {worker.pool_size} busy{within}"


def paint_slot(painter: QPainter, box: QRectF, colour: QColor, busy: bool, there: bool) -> None:
    """One slot of a pool: full while it runs a task, a ring while idle, dashed where it may grow."""
    pen = QPen(colour if there else Theme.current.color("line_strong"), 1.5)
    if not there:
        pen.setDashPattern([2, 2])
        pen.setWidthF(1)
    painter.setPen(pen)
    painter.setBrush(colour if busy and there else Qt.BrushStyle.NoBrush)
    painter.drawRoundedRect(box.adjusted(0.75, 0.75, -0.75, -0.75), 3, 3)


def paint_bar(painter: QPainter, track: QRectF, share: float, colour: QColor) -> None:
    """A bar that is filled to a share of its width; anything above nothing is seen."""
    radius = track.height() / 2
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(Theme.current.color("hover"))
    painter.drawRoundedRect(track, radius, radius)
    if share > 0:
        painter.setBrush(colour)
        filled = QRectF(
            track.topLeft(), QPointF(track.left() + max(track.height(), share * track.width()), 0)
        )
        filled.setHeight(track.height())
        painter.drawRoundedRect(filled, radius, radius)


def tone_colour(tone: str) -> QColor:
    """The colour of a tone as charts name it."""
    kind, _, name = tone.partition(":")
    return Theme.current.worker_color(int(name)) if kind == "slot" else Theme.current.color(tone)
