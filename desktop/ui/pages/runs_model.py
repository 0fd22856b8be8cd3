"""The runs as a table: sorted by any column, with the choice kept while the list is read again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, Qt

from desktop.engine.api import RunInfo
from desktop.ui import icons
from desktop.ui.models.tasks import ARROWS
from desktop.ui.states import Tone
from desktop.ui.theme import Theme
from desktop.ui.words import duration, memory

_Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
WHEN, STACK, STATE, LASTED, TASKS, FAILED, LOST, TWICE, SIZE, NOTE = range(10)
HEADS = ("When", "Stack", "State", "Lasted", "Tasks", "Failed", "Lost", "Ran twice", "Size", "Note")
_FIGURES = frozenset({LASTED, TASKS, FAILED, LOST, TWICE, SIZE})
_UNSURE = "–"


def state_of(run: RunInfo, shown: Path | None) -> tuple[Tone, str]:
    """How the run's state looks: tone and word."""
    if run.problem:
        return Tone.BAD, "Unreadable"
    if run.live:
        return Tone.BUSY, "Live"
    if run.folder == shown:
        return Tone.BUSY, "Open"
    if not run.clean:
        return Tone.WARN, "Panel died"
    if run.copied is not None:
        return Tone.GOOD, "Live copy"
    return (Tone.GOOD, "Ended well") if run.complete else (Tone.IDLE, "Not read yet")


def lasted(run: RunInfo) -> float:
    """Seconds from its first to its last moment; of a living one up to now."""
    return max(0.0, (run.ended if run.ended is not None else time.time()) - run.began)


def when(t: float) -> str:
    """A day and a time, with the year where it is another: "22 Nov 10:15"."""
    then = time.localtime(t)
    year = "" if then.tm_year == time.localtime().tm_year else f" {then.tm_year}"
    return f"{then.tm_mday} {time.strftime('%b', then)}{year} {time.strftime('%H:%M', then)}"


_KEYS: dict[int, Callable[[RunInfo], Any]] = {
    WHEN: lambda run: run.began,
    STACK: lambda run: (run.stack.lower(), run.began),
    STATE: lambda run: (state_of(run, None)[1], run.began),
    LASTED: lasted,
    TASKS: lambda run: run.tasks,
    FAILED: lambda run: run.failed,
    LOST: lambda run: run.lost,
    TWICE: lambda run: run.ran_twice,
    SIZE: lambda run: run.size,
    NOTE: lambda run: (not run.kept, run.note.lower(), -run.began),
}


class RunModel(QAbstractTableModel):
    """All runs, the newest first until a head is clicked."""

    def __init__(self) -> None:
        super().__init__()
        self._runs: list[RunInfo] = []
        self._shown: Path | None = None
        self._order = (WHEN, Qt.SortOrder.DescendingOrder)

    def show_runs(self, runs: Sequence[RunInfo], shown: Path | None) -> None:
        """Show these; `shown` is the folder of the one that the window shows."""
        fresh = self._sorted(runs)
        self._shown = shown
        if [run.folder for run in fresh] == [run.folder for run in self._runs]:
            self._runs = fresh
            if fresh:
                self.dataChanged.emit(self.index(0, 0), self.index(len(fresh) - 1, NOTE))
            return
        self.beginResetModel()
        self._runs = fresh
        self.endResetModel()

    def _sorted(self, runs: Sequence[RunInfo]) -> list[RunInfo]:
        column, way = self._order
        return sorted(runs, key=_KEYS[column], reverse=way is Qt.SortOrder.DescendingOrder)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._order = (column, order)
        self.beginResetModel()
        self._runs = self._sorted(self._runs)
        self.endResetModel()

    def run_at(self, row: int) -> RunInfo | None:
        """The run of a row."""
        return self._runs[row] if 0 <= row < len(self._runs) else None

    def row_of(self, folder: Path) -> int:
        """The row of a run; -1 when it is gone."""
        return next((row for row, run in enumerate(self._runs) if run.folder == folder), -1)

    def rowCount(self, parent: _Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._runs)

    def columnCount(self, parent: _Index = _ROOT) -> int:
        return len(HEADS)

    def headerData(self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if way != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            column, order = self._order
            arrow = ARROWS[order is Qt.SortOrder.DescendingOrder] if section == column else ""
            return HEADS[section] + arrow
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if section in _FIGURES else _LEFT
        return None

    def state(self, row: int) -> tuple[Tone, str]:
        """For the delegate that paints it."""
        return state_of(self._runs[row], self._shown)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        run, column = self._runs[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(run, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return (
                f"{HEADS[column]}: {self._text(run, column)}{', kept' if column == NOTE and run.kept else ''}"
            )
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _FIGURES:
            return _RIGHT
        if role == Qt.ItemDataRole.ForegroundRole:
            tone = _tone(run, column)
            return Theme.current.color(tone) if tone else None
        if role == Qt.ItemDataRole.DecorationRole and column == NOTE and run.kept:
            return icons.pixmap("pin", Theme.current.color("accent"), 16)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _hint(run, column)
        return None

    def _text(self, run: RunInfo, column: int) -> str:
        match column:
            case 0:  # WHEN
                return when(run.began)
            case 1:  # STACK
                return run.stack
            case 2:  # STATE
                return state_of(run, self._shown)[1]
            case 3:  # LASTED
                return duration(lasted(run))
            case 8:  # SIZE
                return memory(run.size)
            case 9:  # NOTE
                return run.note
        if run.problem or (not run.complete and not run.tasks):
            return _UNSURE
        figure = {TASKS: run.tasks, FAILED: run.failed, LOST: run.lost, TWICE: run.ran_twice}[column]
        return f"{figure:,}"


def _tone(run: RunInfo, column: int) -> str:
    if column == FAILED:
        return "bad" if run.failed else "muted"
    if column == LOST:
        return "bad" if run.lost else "muted"
    if column == TWICE:
        return "warn" if run.ran_twice else "muted"
    return "muted" if column in (LASTED, SIZE) else ""


def _hint(run: RunInfo, column: int) -> str:
    if column == NOTE:
        kept = "Kept: the cap never deletes it.\n" if run.kept else ""
        return f"{kept}{run.note}".strip()
    if run.problem:
        return run.problem
    if not run.clean and column in (STATE, TASKS, FAILED, LOST, TWICE):
        sure = "" if run.complete else " The figures are sure once it was opened."
        return f"Its panel died while it recorded; opening completes it from its ledger.{sure}"
    if not run.complete and column in (STATE, TASKS, FAILED, LOST, TWICE):
        return "It has no database yet; opening it reads its ledger into one."
    return "It was stopped, and written to its end." if column == STATE and not run.live else str(run.folder)
