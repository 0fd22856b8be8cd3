"""All tasks of a run: the graph and the filter above, below them the list, or the same by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QPushButton, QStackedWidget, QVBoxLayout, QWidget

from desktop.engine.api import (
    DeskError,
    Record,
    TaskColumn,
    TaskFilter,
    TaskGroup,
)
from desktop.ui.memory import Memory
from desktop.ui.models.task_words import filter_words, order_words
from desktop.ui.models.tasks import TaskModel
from desktop.ui.page import Shell
from desktop.ui.pages.tasks_columns import TaskColumns
from desktop.ui.pages.tasks_filter import FilterBar
from desktop.ui.pages.tasks_graph import RunGraph
from desktop.ui.pages.tasks_groups import GroupTable
from desktop.ui.pages.tasks_hand import TaskHand
from desktop.ui.pages.tasks_table import TaskTable
from desktop.ui.pages.tasks_whole import WholeRun
from desktop.ui.widgets.containers import Card, row
from desktop.ui.widgets.empty_state import EmptyState
from desktop.ui.widgets.labels import ElidedLabel, label
from desktop.ui.widgets.menu_button import MenuButton
from desktop.ui.widgets.segmented import Segmented
from desktop.ui.words import count

_PATIENCE = 180  # ms before a question that is still open is said to take long
_FRESH, _SLOW = 3, 10  # turns (ten a second) between two looks at the rows, and at counts and graph


class TaskListView(QWidget):
    """Shows the tasks of one record after the other."""

    opened = Signal(object, int)  # TaskRow, its row in the list
    chosen = Signal()  # another task is selected, or none
    answered = Signal()  # the list is another one

    def __init__(self, shell: Shell, memory: Memory) -> None:
        super().__init__()
        self.shell = shell
        self.record: Record | None = None
        self.model = TaskModel(shell.bridge, self)
        self.table = TaskTable(self.model)
        self.columns = TaskColumns(self.table, memory)
        self.filters = FilterBar(shell.commands)
        self.graph, self.groups = RunGraph(), GroupTable()
        self.whole = WholeRun(shell, self.graph, self.filters)
        self.hand = TaskHand(self.table, self.filters, shell)
        self._wanted: int | None = None  # the number of the task that stays chosen in the next answer
        self._turns = 0
        self._shown_version = self._groups_version = -1
        self._grouping = 0  # generation of what is asked for by name
        self._late = QTimer(self, singleShot=True, interval=_PATIENCE)
        self._make_head()
        self._make_stage()
        self._lay_out()
        self._connect()

    def _make_head(self) -> None:
        self.summary = ElidedLabel("", "text", "muted")
        self.mode = Segmented("Tasks as", (("list", "List"), ("groups", "By name")))
        self.columns_button = MenuButton("Columns", self.columns.fill, "sliders")
        self.searching = label("Searching…", "small", "accent")
        self.cancel = QPushButton("Cancel")
        self.cancel.setProperty("kind", "quiet")
        self.cancel.setAccessibleName("Cancel the search")
        self.newer = QPushButton()
        self.newer.setProperty("kind", "primary")
        self.newer.setToolTip("Go to the newest (Home)")
        self.newer.setAccessibleName("Show new tasks (Home)")
        for part in (self.searching, self.cancel, self.newer):
            part.hide()

    def _make_stage(self) -> None:
        commands = self.shell.commands
        self._no_task = EmptyState(
            "task",
            "No task yet",
            "Submit a workload, and every task of it appears here as it is sent.",
            commands.button("page.workloads", "primary") if "page.workloads" in commands else None,
        )
        self._none_fits = EmptyState(
            "filter", "No task passes the filter", "", commands.button("task.reset", "primary")
        )
        self.stage = QStackedWidget()
        for part in (self.table, self.groups, self._no_task, self._none_fits):
            self.stage.addWidget(part)

    def _lay_out(self) -> None:
        parts = (self.summary, self.newer, self.searching, self.cancel, self.mode, self.columns_button)
        head = row(label("Tasks", "title"), *parts, spacing=12)
        head.setStretch(1, 1)
        graph, table = Card(padding=1), Card(padding=1)
        graph.add(self.graph)
        table.body.setContentsMargins(1, 1, 1, 4)
        table.add(self.stage)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 12, 16, 12)
        outer.setSpacing(8)
        outer.addLayout(head)
        outer.addWidget(graph)
        outer.addWidget(self.filters)
        outer.addWidget(table, 1)

    def _connect(self) -> None:
        model, table = self.model, self.table
        model.answered.connect(self._show_answer)
        model.refreshed.connect(self._say)
        model.troubled.connect(self._tell)
        model.busy_changed.connect(self._show_busy)
        table.opened.connect(self._open)
        table.top_wanted.connect(self.go_to_newest)
        table.sort_wanted.connect(self._sort)
        table.current_moved.connect(self._chosen)
        table.verticalScrollBar().valueChanged.connect(self._hold)
        self.filters.changed.connect(self._filter)
        self.filters.text.left.connect(self._go_to_list)
        self.graph.chosen.connect(self.filters.choose_span)
        self.groups.wanted.connect(self._only_name)
        self.mode.chosen.connect(self._show_mode)
        self.newer.clicked.connect(self.go_to_newest)
        self.cancel.clicked.connect(self._cancel)
        self._late.timeout.connect(self._show_late)

    # -- the record

    def show_record(self, record: Record | None) -> None:
        """Show another record; the filter stays."""
        if record is self.record:
            return
        self.record = record
        self.whole.show_record(record)
        self._shown_version = self._groups_version = -1
        self.model.show_record(record)
        self._read_slow()

    def tick(self, now: float) -> None:
        """One of ten turns a second."""
        self.model.now = now
        self._turns += 1
        self._hold()
        if self._turns % _FRESH == 0 and self.stage.currentWidget() is not self.groups:
            self.model.refresh()
            if any(not task.state.over for task in self.model.known(*self.table.sight())):
                self.table.viewport().update()  # what runs has run a little longer
        if self._turns % _SLOW == 0:
            self._read_slow()

    def refresh(self) -> None:
        """Read everything again."""
        self._shown_version = self._groups_version = -1
        self.model.refresh(anew=True)
        self._read_slow()

    def _read_slow(self) -> None:
        """Counts, graph and groups, where something was written since."""
        if self.record is None or self.record.version() == self._shown_version:
            return
        self._shown_version = self.record.version()
        self.whole.read()
        if self.mode.current == "groups":
            self._read_groups()

    def _ignore(self, _error: DeskError) -> None:
        """The list itself tells of a record that cannot be read."""

    # -- questions

    def _filter(self) -> None:
        chosen = self.filters.filter
        self.graph.select(chosen.since, chosen.until)
        if chosen != self.model.question.filter:
            self._ask(filter=chosen)
            if self.mode.current == "groups":
                self._read_groups()

    def _sort(self, order: TaskColumn, descending: bool) -> None:
        self._ask(order=order, descending=descending)

    def _ask(self, **changes: Any) -> None:
        current = self.table.current
        self._wanted = current.number if current is not None else None
        self.model.ask(replace(self.model.question, **changes))
        self._say()

    def _cancel(self) -> None:
        self.model.cancel()
        self.filters.choose(self.model.query.filter)

    def _show_busy(self, busy: bool) -> None:
        if busy:
            self._late.start()
            return
        self._late.stop()
        self.searching.hide()
        self.cancel.hide()

    def _show_late(self) -> None:
        self.searching.show()
        self.cancel.show()

    def _show_answer(self) -> None:
        self._show_mode(self.mode.current)
        wanted, self._wanted = self._wanted, None
        if wanted is not None and self.record is not None:
            query = replace(self.model.query, upto=self.model.upto)
            self.shell.bridge.run(self.record.position(query, wanted), self.choose_place, self._ignore, self)
        else:
            self.table.verticalScrollBar().setValue(0)
        self.table.look()
        self._chosen()
        self.answered.emit()

    def choose_place(self, at: int) -> None:
        """Select a row and bring it to the eye; -1: none."""
        if 0 <= at < self.model.matching:
            self.table.choose(at)

    def _tell(self, error: DeskError) -> None:
        self.shell.toasts.error(error)

    # -- by name

    def _show_mode(self, mode: str) -> None:
        self.columns_button.setEnabled(mode == "list")
        if not self.model.total:
            self.stage.setCurrentWidget(self._no_task)
        elif not self.model.matching:
            self._none_fits.say("No task passes the filter", f"You asked for tasks {self._words()}.")
            self.stage.setCurrentWidget(self._none_fits)
        else:
            self.stage.setCurrentWidget(self.groups if mode == "groups" else self.table)
            if mode == "groups" and self._groups_version < 0:
                self._read_groups()
        self._say()

    def _read_groups(self) -> None:
        if self.record is None:
            return
        self._groups_version = self.record.version()
        self._grouping += 1
        mine = self._grouping

        def show(groups: tuple[TaskGroup, ...]) -> None:
            if mine == self._grouping:
                self.groups.show_groups(groups)

        self.shell.bridge.run(self.record.groups(self.filters.filter), show, self._tell, self)

    def _only_name(self, name: str) -> None:
        self.mode.choose("list")
        self.filters.choose(replace(self.filters.filter, names=frozenset({name})))
        self._show_mode("list")
        self.table.setFocus()

    # -- what is said

    def _words(self) -> str:
        return filter_words(self.model.query.filter)

    def _say(self) -> None:
        model, words = self.model, self._words()
        if (self.stage.currentWidget() is self._no_task) == bool(model.total):
            self._show_mode(self.mode.current)
        said = count(model.total, "task")
        if words:
            said = f"{model.matching:,} of {said}: {words}"
        order = order_words(model.query) if self.mode.current == "list" else "by name"
        self.summary.setText(f"{said}  ·  {order}" if model.total else "")
        self.table.setAccessibleName(f"Tasks, {said}, {order}")
        self._show_newer()

    def _show_newer(self) -> None:
        newer = self.model.newer if self.model.held else 0
        if newer:
            self.newer.setText(f"{count(newer, 'new task')}")
            self.newer.setAccessibleName(f"Show {count(newer, 'new task')} (Home)")
        if self.newer.isHidden() == bool(newer):
            self.newer.setVisible(bool(newer))

    # -- the hand of the reader

    def _hold(self) -> None:
        if not self.model.busy:
            self.model.hold(self.table.must_hold)
        self._show_newer()

    def go_to_newest(self) -> None:
        """Go where tasks come in, and let them."""
        self.table.go_to_top()
        self.model.hold(False)
        self._show_newer()

    def _go_to_list(self) -> None:
        self.table.setFocus()
        if self.model.matching and not self.table.currentIndex().isValid():
            self.table.choose(0)

    def _chosen(self) -> None:
        self._hold()
        self.chosen.emit()

    def _open(self, at: int) -> None:
        task = self.model.row(at)
        if task is not None:
            self.opened.emit(task, at)

    def choose_filter(self, chosen: TaskFilter) -> None:
        """Show what another page asked for."""
        self.mode.choose("list")
        self.filters.choose(chosen)
        self._show_mode("list")
