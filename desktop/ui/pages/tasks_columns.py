"""Which columns a person sees, how wide and in which order; remembered from one start to the next."""

from __future__ import annotations

import json
from functools import partial

from PySide6.QtCore import QObject, QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu

from desktop.ui.memory import Memory
from desktop.ui.models.task_columns import BY_KEY, COLUMNS
from desktop.ui.pages.tasks_table import TaskTable

_KEY = "tasks/columns"
_ROOM = (
    (1000, "cpu"),
    (900, "queue"),
    (1400, "id"),
    (1560, "ended"),
)  # px of the table from which on they are shown
_LEAST = {"name": 136, "error": 84}


class TaskColumns(QObject):
    """Until a person changes anything, the columns fit themselves into the table."""

    def __init__(self, table: TaskTable, memory: Memory) -> None:
        super().__init__(table)
        self._table, self._memory = table, memory
        self._head = table.horizontalHeader()
        self._own = 0  # changes that are ours
        self.arranged = self._restore()
        self._head.sectionResized.connect(self._changed)
        self._head.sectionMoved.connect(self._changed)
        self._head.customContextMenuRequested.connect(self._open_menu)
        table.resized.connect(self.fit)
        if not self.arranged:
            self.reset()

    def reset(self) -> None:
        """As they were at first."""
        self._own += 1
        for at, column in enumerate(COLUMNS):
            self._head.moveSection(self._head.visualIndex(at), at)
            self._table.setColumnHidden(at, not column.shown)
            self._table.setColumnWidth(at, column.width)
        self._own -= 1
        self.arranged = False
        self._memory.put(_KEY, "")
        self.fit()

    def fit(self) -> None:
        """Give the names and errors the room that the others leave."""
        room = self._table.viewport().width() - 1
        if self.arranged or room < 200:
            return
        self._own += 1
        for least, key in _ROOM:
            self._table.setColumnHidden(BY_KEY[key], room < least)
        taken = sum(
            column.width
            for at, column in enumerate(COLUMNS)
            if not self._table.isColumnHidden(at) and column.key not in _LEAST
        )
        rest = max(room - taken, sum(_LEAST.values()))
        name = min(440, max(_LEAST["name"], int(rest * 0.62)))
        self._table.setColumnWidth(BY_KEY["name"], name)
        self._table.setColumnWidth(BY_KEY["error"], max(_LEAST["error"], rest - name))
        self._own -= 1

    def show_column(self, key: str, on: bool) -> None:
        """Show or hide one."""
        self._own += 1
        self._table.setColumnHidden(BY_KEY[key], not on)
        self._own -= 1
        self._remember()

    def fill(self, menu: QMenu) -> None:
        """The menu that shows and hides them."""
        for at, column in enumerate(COLUMNS):
            if column.key == "name":
                continue  # a list without names is none
            action = menu.addAction(column.head)
            action.setCheckable(True)
            action.setChecked(not self._table.isColumnHidden(at))
            action.toggled.connect(partial(self.show_column, column.key))
        menu.addSeparator()
        menu.addAction("Reset columns", self.reset)

    def _open_menu(self, place: QPoint) -> None:
        menu = QMenu(self._table)
        self.fill(menu)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self._head.mapToGlobal(place))

    def _changed(self, *_what: int) -> None:
        # The last column also changes its width when the window does.
        by_hand = QGuiApplication.mouseButtons() is not Qt.MouseButton.NoButton
        if by_hand and not self._own:
            self._remember()

    def _remember(self) -> None:
        self.arranged = True
        kept = []
        for place in range(self._head.count()):
            at = self._head.logicalIndex(place)
            hidden = self._table.isColumnHidden(at)
            kept.append([COLUMNS[at].key, not hidden, 0 if hidden else self._table.columnWidth(at)])
        self._memory.put(_KEY, json.dumps(kept))

    def _restore(self) -> bool:
        """What was kept, where it can still be read; columns that are new since stand at the end, hidden."""
        try:
            kept = [(str(k), bool(on), int(wide)) for k, on, wide in json.loads(self._memory.get(_KEY) or "")]
        except (ValueError, TypeError):
            return False
        known = {key: (on, wide) for key, on, wide in kept if key in BY_KEY}
        order = [*known, *(column.key for column in COLUMNS if column.key not in known)]
        for place, key in enumerate(order):
            at = BY_KEY[key]
            on, wide = known.get(key, (False, 0))
            self._head.moveSection(self._head.visualIndex(at), place)
            self._table.setColumnHidden(at, not on and key != "name")
            self._table.setColumnWidth(at, wide or COLUMNS[at].width)
        return bool(known)
