"""What a worker runs now, and the processes of its pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRectF, Qt
from PySide6.QtGui import QFontMetrics, QGuiApplication, QPainter
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from desktop.engine.api import PoolProcess, RunningTask, SignalOffer, WorkerSnapshot
from desktop.ui import fonts
from desktop.ui.pages.kill_menu import KillButton
from desktop.ui.states import Tone, paint_shape
from desktop.ui.theme import Theme
from desktop.ui.widgets.chart_scale import Unit
from desktop.ui.widgets.containers import Card, row
from desktop.ui.widgets.labels import ElidedLabel, label, set_tone
from desktop.ui.words import duration
from desktop.ui.worker_commands import WorkerCommands

_Index = QModelIndex | QPersistentModelIndex
_ROW = 30
_SHOWN = 8  # rows before the table scrolls within itself
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_ROOT = QModelIndex()
_WIDTHS = (72, 70, 80)  # of PID, CPU and memory of a process


class RunningModel(QAbstractTableModel):
    """Attempts under way, the oldest first."""

    HEADS = ("Task", "Id", "Process", "For", "Attempt")

    def __init__(self) -> None:
        super().__init__()
        self._tasks: tuple[RunningTask, ...] = ()
        self._now = 0.0

    def show_tasks(self, tasks: Sequence[RunningTask], now: float) -> None:
        """Show these."""
        new = tuple(sorted(tasks, key=lambda task: task.since))
        self._now = now
        if len(new) == len(self._tasks):
            self._tasks = new
            if new:
                self.dataChanged.emit(self.index(0, 0), self.index(len(new) - 1, len(self.HEADS) - 1))
            return
        self.beginResetModel()
        self._tasks = new
        self.endResetModel()

    def task(self, at: int) -> RunningTask:
        """The task of a row."""
        return self._tasks[at]

    def rowCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._tasks)

    def columnCount(self, parent: _Index = _ROOT) -> int:
        return len(self.HEADS)

    def headerData(self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role == Qt.ItemDataRole.DisplayRole and way == Qt.Orientation.Horizontal:
            return self.HEADS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if section >= 2 else Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        task, column = self._tasks[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(task, column)
        if role == Qt.ItemDataRole.TextAlignmentRole and column >= 2:
            return _RIGHT
        if role == Qt.ItemDataRole.ForegroundRole:
            return Theme.current.color("muted") if column in (1, 2) else None
        if role == Qt.ItemDataRole.FontRole:
            return fonts.font("mono" if column == 1 else "text")
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{task.name}\n{task.id}\nDouble-click copies the id"
        return None

    def _text(self, task: RunningTask, column: int) -> str:
        if column == 4:
            return "1" if task.attempt == 1 else f"{task.attempt}, again"
        return (task.name, task.id, str(task.pid), duration(self._now - task.since))[column]


class _Attempt(QStyledItemDelegate):
    """An attempt's number; from the second on a loud pill, for that task runs again."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        model = index.model()
        assert isinstance(model, RunningModel)
        if model.task(index.row()).attempt == 1:
            super().paint(painter, option, index)
            return
        text, font = str(index.data()), fonts.font("label")
        wide = QFontMetrics(font).horizontalAdvance(text) + 30
        row = QRectF(option.rect)
        box = QRectF(row.right() - 8 - wide, row.center().y() - 11, wide, 22)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(Theme.current.color("bad_tint"))
        painter.drawRoundedRect(box, 11, 11)
        colour = Theme.current.color("bad")
        paint_shape(painter, Tone.BAD, QRectF(box.left() + 9, box.center().y() - 4, 8, 8), colour)
        painter.setFont(font)
        painter.setPen(colour)
        painter.drawText(box.adjusted(22, 0, 0, 0), int(Qt.AlignmentFlag.AlignVCenter), text)
        painter.restore()


class RunningTable(Card):
    """The table of running tasks, as high as its rows."""

    def __init__(self) -> None:
        super().__init__("Running tasks")
        self.model = RunningModel()
        self.view = QTableView()
        self.view.setModel(self.model)
        self.view.setAccessibleName("Running tasks")
        self.view.setProperty("ring", True)
        self.view.setShowGrid(False)
        self.view.setFrameShape(QFrame.Shape.NoFrame)
        self.view.setWordWrap(False)
        self.view.setTabKeyNavigation(False)  # Tab goes on; the arrows go from row to row
        self.view.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # a task's name ends with what it does
        self.view.setItemDelegateForColumn(4, _Attempt(self.view))
        self.view.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.view.verticalHeader().hide()
        self.view.verticalHeader().setDefaultSectionSize(_ROW)
        self.view.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.view.doubleClicked.connect(self._copy)
        self._columns()
        self.empty = label("It runs nothing now.", tone="muted")
        self.add(self.empty)
        self.add(self.view)

    def _columns(self) -> None:
        head = self.view.horizontalHeader()
        head.setHighlightSections(False)
        head.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        head.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, width in ((1, 92), (2, 70), (3, 72), (4, 92)):
            self.view.setColumnWidth(column, width)

    def show_worker(self, worker: WorkerSnapshot, now: float) -> None:
        """Show what it runs."""
        self.model.show_tasks(worker.running, now)
        count = len(worker.running)
        self.empty.setVisible(count == 0)
        self.view.setVisible(count > 0)
        # Room for the whole pool, so that the page does not jump with every task.
        rows = min(_SHOWN, max(count, min(worker.pool_size, 4)))
        self.view.setFixedHeight(rows * _ROW + 36)

    def _copy(self, index: QModelIndex) -> None:
        QGuiApplication.clipboard().setText(self.model.task(index.row()).id)


class ProcessRow(QWidget):
    """A pool process, with its kill menu."""

    def __init__(
        self, offers: Callable[[int], Sequence[SignalOffer]], send: Callable[[int, SignalOffer], None]
    ) -> None:
        super().__init__()
        self.pid = 0
        self._pid, self._cpu, self._memory = label("", "mono"), label(), label(tone="muted")
        self._task = ElidedLabel("", "text", "muted")
        self.kill = KillButton("", lambda: offers(self.pid), lambda offer: send(self.pid, offer))
        for figure, width in zip((self._pid, self._cpu, self._memory), _WIDTHS, strict=True):
            figure.setFixedWidth(width)
        for figure in (self._cpu, self._memory):
            figure.setAlignment(_RIGHT)
        line = row(self._pid, self._cpu, self._memory, spacing=8)
        line.addSpacing(12)
        line.addWidget(self._task, 1)
        line.addWidget(self.kill)
        self.setLayout(line)
        self.setFixedHeight(34)

    def show_process(self, worker: str, process: PoolProcess, now: float) -> None:
        """Show a process."""
        if process.pid != self.pid:
            self.pid = process.pid
            self._pid.setText(str(process.pid))
            self.kill.rename(f"process {process.pid} of {worker}")
        self._cpu.setText(Unit.PERCENT.format(process.cpu))
        self._memory.setText(Unit.BYTES.format(process.memory))
        self._task.setText(_doing(process, now))
        set_tone(self._task, "warn" if process.frozen else "" if process.task_name else "muted")


def _process_heads() -> QHBoxLayout:
    line = row(spacing=8)
    for word, width in zip(("PID", "CPU", "Memory"), _WIDTHS, strict=True):
        head = label(word, "small", "muted")
        head.setFixedWidth(width)
        head.setAlignment(_RIGHT if word != "PID" else Qt.AlignmentFlag.AlignLeft)
        line.addWidget(head)
    line.addSpacing(12)
    line.addWidget(label("Runs", "small", "muted"), 1)
    return line


def _doing(process: PoolProcess, now: float) -> str:
    if process.frozen:
        return "frozen by SIGSTOP"
    if process.task_name is None:
        return "idle"
    since = f"  for {duration(now - process.task_since)}" if process.task_since is not None else ""
    return f"{process.task_name}{since}"


class ProcessTable(Card):
    """The pool processes of a prefork worker; hidden for the other pools."""

    def __init__(self, verbs: WorkerCommands) -> None:
        super().__init__("Pool processes")
        self.body.setSpacing(0)
        self._verbs = verbs
        self._worker = ""
        self.rows: list[ProcessRow] = []
        self.body.addSpacing(8)
        self.body.addLayout(_process_heads())

    def show_worker(self, worker: WorkerSnapshot, now: float) -> None:
        """Show its processes; rows are kept, so that an open menu stays with its process."""
        self._worker = worker.name
        self.setVisible(bool(worker.processes))
        while len(self.rows) < len(worker.processes):
            made = ProcessRow(self._offers, self._send)
            self.rows.append(made)
            self.add(made)
        for at, shown in enumerate(self.rows):
            shown.setVisible(at < len(worker.processes))
            if at < len(worker.processes):
                shown.show_process(worker.name, worker.processes[at], now)

    def _offers(self, pid: int) -> Sequence[SignalOffer]:
        return self._verbs.offers(self._worker, pid)

    def _send(self, pid: int, offer: SignalOffer) -> None:
        self._verbs.send(self._worker, pid, offer)
