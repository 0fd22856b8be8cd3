"""What each worker holds of a queue, and how what waits is spread over priorities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QFrame,
    QHeaderView,
    QSizePolicy,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from desktop.engine.api import Held, QueueSnapshot
from desktop.ui import fonts
from desktop.ui.pages.queues_places import Place, paint_place
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Card
from desktop.ui.widgets.flow_nodes import write
from desktop.ui.widgets.labels import label
from desktop.ui.words import duration

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
ROW = 30
_SHOWN = 8  # workers before the table scrolls within itself


def back_in(held: Held, now: float) -> str:
    """When the first of its stranded messages comes back by itself: "52 s", "any moment"."""
    if not held.stranded:
        return ""
    if held.back_at is None:
        return "not known"
    first = round(held.back_at - now)
    return duration(first) if first > 0 else "any moment"


def plain_table(model: QAbstractTableModel, name: str) -> QTableView:
    """A table as every page has it: no grid, rows of one height, Tab goes on."""
    view = QTableView()
    view.setModel(model)
    view.setAccessibleName(name)
    view.setProperty("ring", True)
    view.setShowGrid(False)
    view.setFrameShape(QFrame.Shape.NoFrame)
    view.setWordWrap(False)
    view.setTabKeyNavigation(False)
    view.setTextElideMode(Qt.TextElideMode.ElideMiddle)
    view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
    view.setSelectionMode(QTableView.SelectionMode.SingleSelection)
    view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    view.verticalHeader().hide()
    view.verticalHeader().setDefaultSectionSize(ROW)
    view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    head = view.horizontalHeader()
    head.setHighlightSections(False)
    head.setSectionsClickable(False)
    head.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    head.setMinimumSectionSize(24)
    return view


class HeldModel(QAbstractTableModel):
    """Workers that hold messages of a queue or consume it, in the stack's order."""

    HEADS = ("Worker", "Reserved", "Active", "Scheduled", "Stranded", "Back in")

    def __init__(self) -> None:
        super().__init__()
        self.rows: tuple[Held, ...] = ()
        self.consumers: tuple[str, ...] = ()
        self._now = 0.0

    def show_queue(self, queue: QueueSnapshot, now: float) -> None:
        """Show who holds what of it."""
        known = {held.worker for held in queue.held}
        idle = tuple(Held(name) for name in queue.consumers if name not in known)
        rows = tuple(h for h in queue.held if _something(h) or h.worker in queue.consumers) + idle
        self._now = now
        if len(rows) == len(self.rows):
            self.rows, self.consumers = rows, queue.consumers
            if rows:
                self.dataChanged.emit(self.index(0, 0), self.index(len(rows) - 1, len(self.HEADS) - 1))
            return
        self.beginResetModel()
        self.rows, self.consumers = rows, queue.consumers
        self.endResetModel()

    def rowCount(self, parent: Index = ROOT) -> int:
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: Index = ROOT) -> int:
        return len(self.HEADS)

    def headerData(self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if way == Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return self.HEADS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return RIGHT if section else LEFT
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        held, column = self.rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(held, column)
        if role == Qt.ItemDataRole.TextAlignmentRole and column:
            return RIGHT
        if role == Qt.ItemDataRole.ForegroundRole:
            loud = held.stranded and column >= 4
            return Theme.current.color("warn" if loud else "text" if self._told(held, column) else "muted")
        if role == Qt.ItemDataRole.AccessibleTextRole and column == 0:
            return f"{self._text(held, 0)}{'' if held.worker in self.consumers else ', does not consume it'}"
        return None

    def _told(self, held: Held, column: int) -> bool:
        return column == 0 or column == 5 or bool(_numbers(held)[column - 1])

    def _text(self, held: Held, column: int) -> str:
        if column == 0:
            return held.worker or "unknown worker"
        return back_in(held, self._now) if column == 5 else f"{_numbers(held)[column - 1]:,}"


def _numbers(held: Held) -> tuple[int, int, int, int]:
    return held.reserved, held.active, held.scheduled, held.stranded


def _something(held: Held) -> bool:
    return any(_numbers(held))


class _Worker(QStyledItemDelegate):
    """A worker's name behind its colour; one that consumes no more says so."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        model = index.model()
        assert isinstance(model, HeldModel)
        held, theme, box = model.rows[index.row()], Theme.current, QRectF(option.rect)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color_of(held.worker))
        painter.drawRoundedRect(QRectF(box.left() + 8, box.center().y() - 7, 4, 15), 2, 2)
        name = box.adjusted(20, 0, -4, 0)
        wide = write(painter, name, str(index.data()), "text") + 10
        if held.worker not in model.consumers and name.width() - wide > 50:
            write(painter, name.adjusted(wide, 0, 0, 0), "does not consume it", "small", "muted")
        painter.restore()


class HeldTable(Card):
    """The table by worker, as high as its rows."""

    def __init__(self) -> None:
        super().__init__("At the workers")
        self.model = HeldModel()
        self.view = plain_table(self.model, "What each worker holds of the queue")
        self.view.setSelectionMode(QTableView.SelectionMode.NoSelection)
        self.view.setItemDelegateForColumn(0, _Worker(self.view))
        self.view.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, width in ((1, 82), (2, 70), (3, 92), (4, 84), (5, 108)):
            self.view.setColumnWidth(column, width)
        self.empty = label("No worker holds any message of it.", tone="muted")
        self.add(self.empty)
        self.add(self.view)

    def show_queue(self, queue: QueueSnapshot, now: float) -> None:
        """Show who holds what of it."""
        self.model.show_queue(queue, now)
        rows = len(self.model.rows)
        self.empty.setVisible(not rows)
        self.view.setVisible(bool(rows))
        self.view.setColumnHidden(5, not queue.stranded)
        self.view.setFixedHeight(min(_SHOWN, rows) * ROW + 36)


class PriorityBars(QWidget):
    """Waiting messages by priority: a bar and a number each. 0 is served first."""

    _TALL = 24

    def __init__(self) -> None:
        super().__init__()
        self._steps: tuple[tuple[int, int], ...] = ()
        self._seen: set[int] = set()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setFixedHeight(0)
        Theme.current.changed.connect(self.update)

    def begin(self) -> None:
        """Another queue is shown: forget which priorities the last one had."""
        self._seen = set()

    def show_steps(self, by_priority: Mapping[int, int]) -> None:
        """Show those that were ever seen, the first to be served above; 0 alone needs no bars."""
        self._seen |= {step for step, n in by_priority.items() if n}
        seen = sorted(self._seen) if self._seen - {0} else []
        steps = tuple((step, by_priority.get(step, 0)) for step in seen)
        self.setVisible(bool(steps))
        if steps == self._steps:
            return
        if len(steps) != len(self._steps):
            self.setFixedHeight(self._TALL * len(steps) + (24 if steps else 0))
        self._steps = steps
        said = ", ".join(f"priority {step}: {n:,}" for step, n in steps)
        self.setAccessibleName(f"Waiting by priority, 0 is served first. {said}" if said else "")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        if not self._steps:
            return
        painter, most = QPainter(self), max(1, *(n for _, n in self._steps))
        head = QRectF(0, 0, self.width(), 20)
        write(painter, head, "Waiting by priority; 0 is served first", "small", "muted")
        metrics = self.fontMetrics()
        number = max(metrics.horizontalAdvance(f"{n:,}") for _, n in self._steps) + 8
        for at, (step, n) in enumerate(self._steps):
            line = QRectF(0, 24 + at * self._TALL, self.width(), self._TALL)
            write(painter, QRectF(0, line.top(), 20, line.height()), str(step), "label")
            track = QRectF(24, line.center().y() - 4, max(8.0, self.width() - 24 - number), 9)
            painter.fillRect(track, Theme.current.color("track"))
            wide = max(4.0, round(track.width() * n / most)) if n else 0.0
            if wide:
                paint_place(painter, Place.WAITING, QRectF(track.left(), track.top(), wide, track.height()))
            painter.setFont(fonts.font("text"))
            right = QRectF(track.right(), line.top(), number, line.height())
            write(painter, right, f"{n:,}", "text", "text", RIGHT)
