"""What is done with rows that are selected: their menu, and their ids on the clipboard."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QObject, QPoint
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu

from desktop.engine.api import DeskError, TaskPage, TaskRow
from desktop.ui.page import Shell
from desktop.ui.pages.tasks_filter import FilterBar
from desktop.ui.pages.tasks_table import TaskTable
from desktop.ui.words import count

_MOST = 100_000  # ids that are copied at once
_FEW = 1_000  # rows that are looked for among those that were read
_VERBS = (("open",), ("retry", "revoke", "terminate"), ("copy", "logs"))


class TaskHand(QObject):
    """Answers to the table's menu and copy keys."""

    def __init__(self, table: TaskTable, filters: FilterBar, shell: Shell) -> None:
        super().__init__(table)
        self._table, self._filters, self._shell = table, filters, shell
        table.copy_wanted.connect(self.copy_ids)
        table.menu_wanted.connect(self.open_menu)

    def open_menu(self, place: QPoint) -> QMenu:
        """The verbs about the chosen task, and filters made of it; the list holds still meanwhile."""
        task, menu = self._table.current, QMenu(self._table)
        for keys in _VERBS:
            for key in keys:
                menu.addAction(self._shell.commands[f"task.{key}"])
            menu.addSeparator()
        if task is not None:
            self._add_filters(menu, task)
        menu.setToolTipsVisible(True)
        self._table.menu_open = True
        menu.aboutToHide.connect(self._menu_closed)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)
        return menu

    def _add_filters(self, menu: QMenu, task: TaskRow) -> None:
        def only(word: str, **field: Any) -> None:
            menu.addAction(word, lambda: self._filters.choose(replace(self._filters.filter, **field)))

        only(f"Only {task.name}", names=frozenset({task.name}))
        if task.worker:
            only(f"Only on {task.worker}", workers=frozenset({task.worker}))
        if task.queue:
            only(f"Only in queue {task.queue}", queues=frozenset({task.queue}))

    def _menu_closed(self) -> None:
        self._table.menu_open = False

    def copy_ids(self) -> None:
        """Put the ids of what is selected on the clipboard, one a line, in the list's order."""
        model, parts = self._table.tasks, self._table.stretches()
        wanted = sum(last - first + 1 for first, last in parts)
        if not wanted or model.record is None:
            return
        found = [task.id for part in parts for task in model.known(*part)] if wanted <= _FEW else []
        if len(found) == wanted:
            self._copied(found)
            return
        first = parts[0][0]
        last = min(parts[-1][1], first + _MOST - 1)
        query = replace(model.query, upto=model.upto)

        def copy(page: TaskPage) -> None:
            inside = (page.rows[low - first : high - first + 1] for low, high in parts)
            self._copied([task.id for rows in inside for task in rows])

        read = model.record.tasks(query, first, last - first + 1)
        self._shell.bridge.run(read, copy, self._tell, self)

    def _copied(self, ids: list[str]) -> None:
        QGuiApplication.clipboard().setText("\n".join(ids))
        self._shell.toasts.say(f"{count(len(ids), 'id')} on the clipboard.", "info")

    def _tell(self, error: DeskError) -> None:
        self._shell.toasts.error(error)
