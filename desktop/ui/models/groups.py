"""Tasks grouped by name, as rows of a table that is sorted by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

from desktop.engine.api import TaskGroup
from desktop.ui.models.task_columns import fine
from desktop.ui.models.tasks import ARROWS

Index = QModelIndex | QPersistentModelIndex
_ROOT = QModelIndex()
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, slots=True)
class GroupColumn:
    """`value` is what it is sorted by; None stands last."""

    key: str
    head: str
    value: Callable[[TaskGroup], Any]
    text: Callable[[TaskGroup], str]
    about: str


def share(group: TaskGroup) -> float:
    """Failures among those that are over."""
    return group.failures / group.over if group.over else 0.0


def _percent(group: TaskGroup) -> str:
    if not group.failures:
        return "0"
    part = share(group) * 100
    return f"{group.failures:,}  ·  {part:.1f} %" if part >= 0.05 else f"{group.failures:,}  ·  < 0.1 %"


def _spread(part: str, key: str, word: str) -> GroupColumn:
    def value(group: TaskGroup) -> float | None:
        found: float | None = getattr(getattr(group, part), key)
        return found

    what = {"wait": "Wait", "run": "Run"}[part]
    how = {"max": "the longest", "p50": "half of them took no longer"}.get(key, f"{key[1:]} % took no longer")
    # The first of four names what all of them measure.
    head = f"{what} {word}" if key == "p50" else word
    return GroupColumn(f"{part}-{key}", head, value, lambda g: fine(value(g)), f"{what} time: {how}")


_CLICK = "Enter or a click lists its tasks"
_ENDS = "FAILURE and LOST, and their share of those that are over"
COLUMNS = (
    GroupColumn("name", "Name", lambda g: g.name, lambda g: g.name, ""),
    GroupColumn("count", "Tasks", lambda g: g.count, lambda g: f"{g.count:,}", "All that match"),
    GroupColumn(
        "over", "Over", lambda g: g.over, lambda g: f"{g.over:,}", "Nothing more is expected of them"
    ),
    GroupColumn("failures", "Failures", share, _percent, _ENDS),
    GroupColumn(
        "twice",
        "Ran twice",
        lambda g: g.ran_twice,
        lambda g: f"{g.ran_twice:,}",
        "Without having asked for it",
    ),
    *(_spread(part, key, key) for part in ("wait", "run") for key in ("p50", "p95", "p99", "max")),
    GroupColumn("cpu", "CPU", lambda g: g.cpu, lambda g: fine(g.cpu), "Processor time, all together"),
)


class GroupModel(QAbstractTableModel):
    """At most some hundred rows: each show takes them all."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._groups: list[TaskGroup] = []
        self.by, self.descending = 1, True

    def show_groups(self, groups: Sequence[TaskGroup]) -> None:
        """Show these; the same names keep their rows, and what is chosen stays chosen."""
        new = self._sorted(groups)
        if [group.name for group in new] == [group.name for group in self._groups]:
            self._groups = new
            if new:
                self.dataChanged.emit(self.index(0, 0), self.index(len(new) - 1, len(COLUMNS) - 1))
            return
        self.beginResetModel()
        self._groups = new
        self.endResetModel()

    def order(self, column: int, descending: bool) -> None:
        """Sort by a column."""
        self.by, self.descending = column, descending
        self.layoutAboutToBeChanged.emit()
        self._groups = self._sorted(self._groups)
        self.layoutChanged.emit()
        self.headerDataChanged.emit(Qt.Orientation.Horizontal, 0, len(COLUMNS) - 1)

    def _sorted(self, groups: Sequence[TaskGroup]) -> list[TaskGroup]:
        value = COLUMNS[self.by].value
        known = sorted((g for g in groups if value(g) is not None), key=lambda g: g.name)
        known.sort(key=value, reverse=self.descending)
        return [*known, *(g for g in groups if value(g) is None)]

    def group(self, at: int) -> TaskGroup:
        """The group of a row."""
        return self._groups[at]

    def place(self, name: str) -> int:
        """The row of a name; -1: not there."""
        return next((at for at, group in enumerate(self._groups) if group.name == name), -1)

    def rowCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(self._groups)

    def columnCount(self, parent: Index = _ROOT) -> int:
        return 0 if parent.isValid() else len(COLUMNS)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        column, group = COLUMNS[index.column()], self._groups[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(group)
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _LEFT if column.key == "name" else _RIGHT
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{group.name}: {column.text(group)}" if index.column() else f"{group.name}\n{_CLICK}"
        return None

    def headerData(self, section: int, way: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if way != Qt.Orientation.Horizontal:
            return None
        column = COLUMNS[section]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.head + (ARROWS[self.descending] if section == self.by else "")
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _LEFT if column.key == "name" else _RIGHT
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(filter(None, (column.about, f"Click to sort by {column.head.lower()}")))
        return None
