"""Tasks: every task of the live or an opened run, and each of them in full."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtGui import QHideEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout

from desktop.engine.api import DeskError, StackSnapshot, StackState, TaskDetail, TaskPage, TaskRow
from desktop.ui.models.task_words import filter_of
from desktop.ui.page import Page, Shell
from desktop.ui.pages.tasks_detail import TaskDetailView
from desktop.ui.pages.tasks_list import TaskListView
from desktop.ui.widgets.empty_state import EmptyState

_FRESH, _SLOW = 3, 10  # turns between two looks at a task that goes on, and at one that is over


class TasksPage(Page):
    """The list; or, opened from it or asked for by its id, one task."""

    searches = True

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.list = TaskListView(shell, shell.memory)
        self.detail = TaskDetailView(shell)
        self._empty = EmptyState(
            "task",
            "No run is recorded yet",
            "Start the stack, and every task of it is recorded here.",
            shell.commands.button("stack.start", "primary"),
        )
        self._id = ""  # of the task that is shown in full, or being read
        self._at: int | None = None  # its row in the list
        self._turns, self._version = 0, -1
        self._looked_for: int | None = None  # a task newer than the held list; the list is read again for it
        self.stage = QStackedWidget()
        for part in (self._empty, self.list, self.detail):
            self.stage.addWidget(part)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.stage)
        self.list.opened.connect(self._open_row)
        self.list.chosen.connect(self._show_verbs)
        self.list.answered.connect(self._find_again)
        self.list.model.refreshed.connect(self._show_verbs)  # the chosen one may have gone on
        self.detail.back_wanted.connect(self.back)
        self.detail.step_wanted.connect(self._step)
        self.detail.task_wanted.connect(self.open_task)
        shell.task_commands.opened.connect(self._open_chosen)
        shell.task_commands.reset_wanted.connect(self.list.filters.clear)

    # -- showing

    @property
    def _now(self) -> float:
        """What "so far" is measured against: the end of a run that is over."""
        record = self.list.record
        if record is None or record.live:
            return self.shell.bridge.snapshot.t
        return self.list.whole.span[1]

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        record = self.shell.desk.record()
        if record is not self.list.record:
            self._id = ""
            self.list.show_record(record)
        if record is None:
            stopped = snapshot.state is StackState.STOPPED
            said = "Start the stack, and every task of it is recorded here." if stopped else "In a moment."
            self._empty.sentence.setText(f"{said} An old run is opened on the page Runs.")
        self._show_stage()

    def _show_stage(self) -> None:
        shown = self._empty if self.list.record is None else self.detail if self._shows_task else self.list
        if self.stage.currentWidget() is not shown:
            self.stage.setCurrentWidget(shown)
            self._show_verbs()

    @property
    def _shows_task(self) -> bool:
        return bool(self._id) and self.detail.detail is not None and self.detail.detail.row.id == self._id

    def tick(self) -> None:
        self._turns += 1
        if self.stage.currentWidget() is self.detail:
            self._follow()
        elif self.list.record is not None:
            self.list.tick(self._now)

    def _follow(self) -> None:
        """Read a task again where something was written; rarely where it is over."""
        record, detail = self.list.record, self.detail.detail
        if record is None or detail is None:
            return
        goes_on = not detail.row.state.over
        if self._turns % (_FRESH if goes_on else _SLOW):
            return
        if record.version() != self._version:
            self._read(self._id)
        elif goes_on and record.live:
            self.detail.show_detail(detail, self._now)

    def refresh(self) -> None:
        if self.stage.currentWidget() is self.detail:
            self._read(self._id)
        else:
            self.list.refresh()

    def start_search(self) -> None:
        if self.list.record is not None:
            self.back()
            self.list.filters.start_search()

    def show_about(self, about: str) -> None:
        """A task's id; or a filter in words such as "state:stranded queue:mail" (see `filter_of`)."""
        chosen = filter_of(about)
        if chosen is not None:
            self.back()
            self.list.choose_filter(chosen)
        elif self.list.record is not None:
            self.open_task(about)

    # -- one task

    def open_task(self, task_id: str) -> None:
        """Show a task in full, wherever it stands in the list."""
        self._at = None
        self._read(task_id)

    def _open_chosen(self, task_id: str) -> None:
        at = self.list.table.currentIndex().row()
        task = self.list.model.row(at)
        self._at = at if task is not None and task.id == task_id else None
        self._read(task_id)

    def _open_row(self, task: TaskRow, at: int) -> None:
        self._at = at
        self._read(task.id)

    def _read(self, task_id: str) -> None:
        record = self.list.record
        if record is None or not task_id:
            return
        self._id, self._version = task_id, record.version()
        self.shell.bridge.run(record.task(task_id), self._show_detail, self._not_read, self)

    def _show_detail(self, detail: TaskDetail) -> None:
        if detail.row.id != self._id:
            return  # another one was asked for meanwhile
        begins = self.stage.currentWidget() is not self.detail
        other = self.detail.detail is None or self.detail.detail.row.id != detail.row.id
        self.detail.show_detail(detail, self._now)
        if begins:
            self.list.model.hold(True)  # above and below stay what they are
            self._show_stage()
            self.detail.setFocus()
        if begins or other:
            self._find_place(detail.row.number)
        self.shell.task_commands.show_task(detail.row if self.isVisible() else None)

    def _not_read(self, error: DeskError) -> None:
        if self.stage.currentWidget() is not self.detail:
            self._id = ""
        elif self.detail.detail is not None:
            self._id = self.detail.detail.row.id
        self.shell.toasts.error(error)

    def _find_place(self, number: int) -> None:
        model, record = self.list.model, self.list.record
        if self._at is not None or record is None:
            self.detail.show_place(self._at, model.matching)
            return
        self.detail.show_place(None, model.matching)
        query = replace(model.query, upto=model.upto)
        self.shell.bridge.run(record.position(query, number), self._show_position, self._not_read, self)

    def _show_position(self, at: int) -> None:
        model, detail = self.list.model, self.detail.detail
        if 0 <= at < model.matching:
            self._at = at
            self.detail.show_place(at, model.matching)
        elif detail is not None and model.upto is not None and detail.row.number > model.upto:
            self._looked_for = detail.row.number
            model.ask(model.query)

    def _find_again(self) -> None:
        """The list was read again."""
        number, self._looked_for = self._looked_for, None
        if number is not None and self._shows_task:
            self._find_place(number)

    def _step(self, way: int) -> None:
        model, record = self.list.model, self.list.record
        if self._at is None or record is None or not 0 <= self._at + way < model.matching:
            return
        self._at += way
        task = model.row(self._at)
        if task is not None:
            self._read(task.id)
            return
        query = replace(model.query, upto=model.upto)
        self.shell.bridge.run(record.tasks(query, self._at, 1), self._show_stepped, self._not_read, self)

    def _show_stepped(self, page: TaskPage) -> None:
        for task in page.rows:
            self._read(task.id)

    def back(self) -> None:
        """Show the list again, with the task that was shown chosen in it."""
        self._id, at = "", self._at
        was = self.stage.currentWidget() is self.detail
        self._show_stage()
        if was and self.list.record is not None:
            if at is not None:
                self.list.choose_place(at)
            self.list.table.setFocus()
            self.list.table.look()

    # -- verbs

    def _show_verbs(self) -> None:
        """The verbs are about the task that is shown, or about the one that is chosen."""
        detail = self.detail.detail if self.stage.currentWidget() is self.detail else None
        task = detail.row if detail is not None else self.list.table.current
        self.shell.task_commands.show_task(
            task if self.isVisible() and self.list.record is not None else None
        )

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.stage.currentWidget() is self.detail:
            self.back()
        else:
            super().keyPressEvent(event)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show_verbs()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.shell.task_commands.show_task(None)
