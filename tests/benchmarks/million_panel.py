"""The real program on a recorded run, with somebody who looks through its tasks: `million_panel open RUN …`.

Each line on standard input is a JSON object with `do`; each answer is one on standard output, with `ms`:
from the moment at which a person asked for it until the frame that shows it has been painted. Used by
`bench_million`; the end of its input closes the window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import psutil
from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from desktop.engine.api import TaskColumn, TaskFilter, TaskState
from desktop.ui.pages.graphs import GraphsPage
from desktop.ui.pages.tasks import TasksPage
from desktop.ui.window import Window
from tests.benchmarks.window_panel import Hand


class Painted(QObject):
    """Calls back once when a widget has been painted while something was so."""

    def __init__(self, on: QWidget, so: Callable[[], bool], then: Callable[[], None]) -> None:
        super().__init__(on)
        self._on, self._so, self._then = on, so, then
        on.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint and self._so():
            self._on.removeEventFilter(self)
            QTimer.singleShot(0, self, self._done)  # after the whole frame
        return False

    def _done(self) -> None:
        self._then()
        self.deleteLater()


class Reader(Hand):
    """Does on the page Tasks what it reads; every answer tells milliseconds until it was painted."""

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._began = 0.0
        self._born = psutil.Process().create_time()

    def _page(self, window: Window) -> TasksPage:
        page = window.page
        assert isinstance(page, TasksPage)
        return page

    def _answer(self, on: QWidget, so: Callable[[], bool], **more: Any) -> None:
        Painted(on, so, lambda: self._say({"ms": (time.perf_counter() - self._began) * 1000, **more}))

    def _do(self, said: dict[str, Any]) -> None:
        self._began = time.perf_counter()
        super()._do(said)

    def _opened(self, window: Window) -> None:
        """Since the start of the process, until the first rows are there."""
        if not isinstance(window.page, TasksPage) or not window.page.list.model.total:
            QTimer.singleShot(2, self, lambda: self._opened(window))
            return
        view = window.page.list
        self._began = time.perf_counter() - (time.time() - self._born)
        self._answer(view.table.viewport(), lambda: True, tasks=view.model.total)
        view.table.viewport().update()

    def _filter(self, window: Window, **parts: Any) -> None:
        states = frozenset(TaskState(state) for state in parts.pop("states", ()))
        names = frozenset(parts.pop("names", ()))
        chosen = TaskFilter(states=states, names=names, **parts)
        view = self._page(window).list

        def so() -> bool:
            return not view.model.busy and view.model.query.filter == chosen

        self._answer(view.table.viewport(), so)
        view.choose_filter(chosen)

    def _sort(self, window: Window, column: str, descending: bool = True) -> None:
        view, order = self._page(window).list, TaskColumn(column)

        def so() -> bool:
            return not view.model.busy and view.model.query.order is order

        self._answer(view.table.viewport(), so)
        view.table.sort_wanted.emit(order, descending)

    def _scroll(self, window: Window, share: float) -> None:
        view = self._page(window).list
        bar = view.table.verticalScrollBar()

        def so() -> bool:
            first = view.table.rowAt(0)
            return first > 0 and view.model.row(first) is not None

        self._answer(view.table.viewport(), so)
        bar.setValue(round(bar.maximum() * share))

    def _groups(self, window: Window) -> None:
        view = self._page(window).list
        view.groups.show_groups(())
        self._answer(view.groups.viewport(), lambda: view.groups.groups.rowCount() > 0)
        view.mode.choose("groups")
        view.mode.chosen.emit("groups")
        view.refresh()  # the second time, they would be there already

    def _list(self, window: Window) -> None:
        view = self._page(window).list
        view.mode.choose("list")
        view.mode.chosen.emit("list")
        self._say({})

    def _task(self, window: Window, at: int) -> None:
        """Open the task of a row."""
        page = self._page(window)
        record = page.list.record
        assert record is not None
        query = replace(page.list.model.query)
        rows = record.tasks(query, at, 1).result(60).rows
        self._began = time.perf_counter()

        def so() -> bool:
            shown = page.detail.detail if page.stage.currentWidget() is page.detail else None
            return shown is not None and shown.row.id == rows[0].id

        self._answer(page.detail, so)
        page.open_task(rows[0].id)

    def _back(self, window: Window) -> None:
        self._page(window).back()
        self._say({})

    def _graphs(self, window: Window) -> None:
        """The page with every series over the whole run."""
        window.go("graphs")
        page = window.page
        if not isinstance(page, GraphsPage):
            raise RuntimeError(f"the window shows {page}")
        self._answer(page.canvas, lambda: bool(page.reader.samples) and not page.reader.reading)

    def _tasks_page(self, window: Window) -> None:
        window.go("tasks")
        self._say({})

    def _memory(self, _window: Window) -> None:
        me = psutil.Process()
        full = me.memory_full_info()
        helpers = {
            child.name(): child.memory_full_info().uss / 2**20 for child in me.children(recursive=True)
        }
        self._say({"rss_mib": full.rss / 2**20, "uss_mib": full.uss / 2**20, "helpers_uss_mib": helpers})


def main() -> None:
    """Run the program as `python main.py` does."""
    from desktop.__main__ import main as program
    from desktop.ui.app import make_application

    Reader(make_application())
    program()


if __name__ == "__main__":
    main()
