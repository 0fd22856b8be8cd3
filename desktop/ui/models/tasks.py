"""The tasks of a record as rows of a table: read when they come into sight, a million of them or ten."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from desktop.bridge import Bridge
from desktop.engine.api import DeskError, Record, TaskColumn, TaskFilter, TaskPage, TaskQuery, TaskRow
from desktop.ui.models.task_columns import COLUMNS, sentence
from desktop.ui.models.windows import WINDOW, Windows, stretches

Index = QModelIndex | QPersistentModelIndex
ARROWS = {True: " ↓", False: " ↑"}  # behind the head of the column that the rows are sorted by
_FEW = 3  # stretches of numbers that are read at once to look at rows again
_ROOT = QModelIndex()
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class TaskModel(QAbstractTableModel):
    """Answers of a `Record` to one question after the other.

    A new question keeps the old rows until its first answer is there. While the list is held, no row comes or
    goes, whatever the record takes in: only the cells of `seen` rows change.
    """

    answered = Signal()  # the rows of another question are there
    refreshed = Signal()  # counts or cells of the same question changed
    troubled = Signal(object)  # DeskError: the record could not be read
    busy_changed = Signal(bool)  # a new question waits for its first answer

    def __init__(self, bridge: Bridge, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self.record: Record | None = None
        self.query = TaskQuery()  # what the rows answer; without `upto`
        self.matching = self.total = self.newest = self.newer = 0
        self.now = 0.0  # for what has lasted so far
        self.held = False
        self._upto: int | None = None
        self._asked: TaskQuery | None = None  # the question that waits for its first answer
        self._windows = Windows()
        self._reading: dict[object, Future[Any]] = {}
        self._generation = 0
        self._seen = (0, 0)  # rows in sight
        self._arrow: TaskColumn | None = None  # what the rows are sorted by, where that must be said
        self._version = -1

    # -- questions

    def show_record(self, record: Record | None) -> None:
        """Read another record, from its beginning; None: there is nothing to show."""
        if record is self.record:
            return
        self._forget()
        self.record = record
        self._asked, self._upto, self._version = None, None, -1
        self.beginResetModel()
        self._windows.clear()
        self.matching = self.total = self.newest = self.newer = 0
        self.endResetModel()
        if record is not None:
            self.ask(self.query)

    def ask(self, query: TaskQuery) -> None:
        """Show what matches this, in this order; the rows stay as they are until the answer is there."""
        if self.record is None:
            self.query = query
            return
        self._forget()
        self._set_asked(query)
        self._version = self.record.version()
        # The newest of now are wanted, also where the old list was held.
        self._read("first", self.record.tasks(query, 0, WINDOW), self._begin)

    def cancel(self) -> None:
        """Give up a question that takes long; the rows are still those of the one before."""
        if self._asked is not None:
            self._forget()
            self._set_asked(None)

    @property
    def busy(self) -> bool:
        """Whether a question waits for its first answer."""
        return self._asked is not None

    @property
    def question(self) -> TaskQuery:
        """What was asked last, whether it is answered or not."""
        return self._asked or self.query

    def _set_asked(self, query: TaskQuery | None) -> None:
        was, self._asked = self.busy, query
        if was != self.busy:
            self.busy_changed.emit(self.busy)

    def _begin(self, page: TaskPage) -> None:
        assert self._asked is not None
        self.beginResetModel()
        self.query = self._asked
        self._windows.clear()
        self._windows.put(0, page.rows, page.newest)
        self._count(page)
        self.matching, self.newer = page.matching, 0
        self._upto = (page.newest or None) if self.held else None
        self._seen = (0, min(self.matching, WINDOW))
        self.endResetModel()
        self._set_asked(None)
        newest_first = self.query.order is TaskColumn.NUMBER and self.query.descending
        self._arrow = None if newest_first else self.query.order
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(COLUMNS) - 1)
        self.answered.emit()

    def _count(self, page: TaskPage) -> None:
        self.total, self.newest = page.total, page.newest

    # -- reading

    def _read(self, key: object, future: Future[Any], done: Any) -> None:
        """One read a key at a time; answers of an older question are dropped."""
        generation = self._generation
        self._reading[key] = future

        def ended(result: Any) -> None:
            if generation == self._generation and self._reading.pop(key, None) is not None:
                done(result)

        def failed(error: DeskError) -> None:
            if generation == self._generation and self._reading.pop(key, None) is not None:
                self._set_asked(None)
                self.troubled.emit(error)

        self._bridge.run(future, ended, failed, self)

    def _forget(self) -> None:
        """Stop every read that is under way."""
        self._generation += 1
        reading, self._reading = self._reading, {}
        for future in reading.values():
            future.cancel()

    def look_at(self, first: int, last: int) -> None:
        """Rows `first` to `last` are in sight: read what of them is not there yet, and some around them."""
        self._seen = (first, last)
        if self.record is None or self.busy or not self.matching:
            return
        least, most = max(0, first - WINDOW // 4), min(self.matching - 1, last + WINDOW // 4)
        near = range(least // WINDOW, most // WINDOW + 1)
        self._stop_reading(near)
        for at in near:
            if not self._windows.touch(at) and at not in self._reading:
                self._read_window(at)

    def _stop_reading(self, wanted: range = range(0)) -> None:
        """Windows that are not among the wanted ones."""
        for key in [key for key in self._reading if isinstance(key, int) and key not in wanted]:
            self._reading.pop(key).cancel()

    def _read_window(self, at: int) -> None:
        assert self.record is not None
        query = replace(self.query, upto=self._upto)
        self._read(at, self.record.tasks(query, at * WINDOW, WINDOW), lambda page: self._take(at, page))

    def _take(self, at: int, page: TaskPage) -> None:
        self._windows.put(at, page.rows, self._upto or page.newest)
        if not self.held:
            self._count(page)
            self._resize(page.matching)
        self._changed(at * WINDOW, at * WINDOW + WINDOW - 1)
        self.refreshed.emit()

    def _resize(self, matching: int) -> None:
        before = self.matching
        if matching > before:
            self.beginInsertRows(_ROOT, before, matching - 1)
            self.matching = matching
            self.endInsertRows()
        elif matching < before:
            self.beginRemoveRows(_ROOT, matching, before - 1)
            self.matching = matching
            self.endRemoveRows()

    def _changed(self, first: int, last: int) -> None:
        last = min(last, self.matching - 1)
        if first <= last:
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(COLUMNS) - 1))

    # -- keeping up with a record that grows

    def hold(self, on: bool) -> None:
        """Keep the rows that are there where they are; without: the newest flow in."""
        if on == self.held:
            return
        self.held = on
        if self.busy:
            return  # the answer that comes is held or not
        self._forget()
        first = self._seen[0] // WINDOW
        if on:
            self._upto = self._windows.agree_with(first) or self.newest or None
            self.look_at(*self._seen)
            return
        self._upto, self.newer = None, 0
        self._windows.keep_only(first)  # what was read while the list was held lies elsewhere now
        self.refresh(anew=True)
        self.refreshed.emit()

    def refresh(self, anew: bool = False) -> None:
        """Take in what was written since; nothing is read where nothing was, unless `anew`."""
        record = self.record
        if record is None or self.busy or "fresh" in self._reading:
            return
        version = record.version()
        if version == self._version and not anew:
            return
        self._version = version
        if self.held and self._upto is not None:
            self._refresh_cells(record)
            self._refresh_newer(record)
        else:
            self._refresh_rows(record)

    def _refresh_rows(self, record: Record) -> None:
        at = self._seen[0] // WINDOW
        self._windows.keep_only(at)
        count = max(WINDOW, self._seen[1] - at * WINDOW + 1)
        read = record.tasks(self.query, at * WINDOW, count)
        self._read("fresh", read, lambda page: self._take_fresh(at, page))

    def _take_fresh(self, at: int, page: TaskPage) -> None:
        if self.held:
            return  # a hand was laid on the list meanwhile
        parts = range(0, len(page.rows), WINDOW)
        put = self._windows.put
        differs = [put(at + k // WINDOW, page.rows[k : k + WINDOW], page.newest) for k in parts]
        self._count(page)
        self._resize(page.matching)
        if any(differs):
            self._changed(*self._seen)
        self.refreshed.emit()

    def _refresh_cells(self, record: Record) -> None:
        """Look at rows in sight again by their numbers: whatever the order, they stay in place."""
        seen = list(self._windows.rows(*self._seen))
        wanted = stretches(sorted(row.number for row in seen))
        if len(wanted) > _FEW:
            wanted = stretches(sorted(row.number for row in seen if not row.state.over))
        for first, last in wanted:
            query = TaskQuery(TaskFilter(), TaskColumn.NUMBER, descending=False)
            self._read(("cells", first), record.tasks(query, first - 1, last - first + 1), self._take_cells)

    def _take_cells(self, page: TaskPage) -> None:
        fresh = {row.number: row for row in page.rows}
        for at in range(self._seen[0], min(self._seen[1] + 1, self.matching)):
            row = self.row(at)
            if row is not None and fresh.get(row.number, row) != row:
                self._windows.change(at, fresh[row.number])
                self._changed(at, at)
        self.refreshed.emit()

    def _refresh_newer(self, record: Record) -> None:
        """How many tasks came since the list is held that would be in it."""

        def take(page: TaskPage) -> None:
            self._count(page)
            if self.query.filter.empty:
                self.newer = max(0, page.newest - (self._upto or 0))
                self.refreshed.emit()
                return
            held = replace(self.query, upto=self._upto)
            self._read("older", record.tasks(held, 0, 0), lambda older: subtract(page, older))

        def subtract(page: TaskPage, older: TaskPage) -> None:
            self.newer = max(0, page.matching - older.matching)
            self.refreshed.emit()

        self._read("fresh", record.tasks(self.query, 0, 0), take)

    # -- rows

    def row(self, at: int) -> TaskRow | None:
        """The task of a row; None: not read yet."""
        return self._windows.row(at)

    def known(self, first: int, last: int) -> Iterator[TaskRow]:
        """Those of the rows `first` to `last` that were read."""
        return self._windows.rows(first, last)

    def place(self, number: int) -> int | None:
        """The row of a task, where it was read."""
        return self._windows.place(number)

    @property
    def upto(self) -> int | None:
        """The number up to which the list is held; None: it is not."""
        return self._upto

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else self.matching

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        row = self.row(index.row())
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if COLUMNS[index.column()].right else _LEFT
        if row is None:
            return "…" if role == Qt.ItemDataRole.DisplayRole and index.column() == 1 else None
        if role == Qt.ItemDataRole.DisplayRole:
            return COLUMNS[index.column()].text(row, self.now)
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tip(row, index.column(), self.now)
        if role == Qt.ItemDataRole.AccessibleTextRole and index.column() == 0:
            return sentence(row, self.now)
        return None

    def headerData(self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if way != Qt.Orientation.Horizontal:
            return None
        column = COLUMNS[section]
        if role == Qt.ItemDataRole.DisplayRole:
            sorted_by = self._arrow is not None and column.order is self._arrow
            return column.head + (ARROWS[self.query.descending] if sorted_by else "")
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column.right else _LEFT
        if role == Qt.ItemDataRole.ToolTipRole:
            sort = f"Click to sort by {column.head.lower()}" if column.order is not None else ""
            return "\n".join(filter(None, (column.about, sort)))
        return None


def _tip(row: TaskRow, column: int, now: float) -> str | None:
    """What a cell may have no room for."""
    key = COLUMNS[column].key
    if key in ("name", "id"):
        return f"{row.name}\n{row.id}"
    return COLUMNS[column].text(row, now) if key in ("error", "queue", "worker") else None
