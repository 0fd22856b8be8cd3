"""Queues: where every message is, what stands in line, and whether the sum is right."""

from __future__ import annotations

from PySide6.QtCore import QPoint
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QStackedWidget, QVBoxLayout, QWidget

from desktop.engine.api import QueueSnapshot, StackSnapshot, StackState, TaskState
from desktop.ui.page import Page, Shell
from desktop.ui.pages.queues_detail import QueueDetail
from desktop.ui.pages.queues_list import QueueList, summary
from desktop.ui.pages.queues_places import is_up
from desktop.ui.pages.queues_sum import COPIES, ENDED, SUBMITTED, SumStrip
from desktop.ui.present import Present
from desktop.ui.widgets.containers import row
from desktop.ui.widgets.empty_state import EmptyState
from desktop.ui.widgets.labels import label
from desktop.ui.words import listed

_LIST_WIDTH, _NARROW_LIST = 356, 280
_NARROW = 1060  # px of the page below which the list gives room to the queue
_SPARK_EVERY = 10
_SPARK_SECONDS = 300.0


class QueuesPage(Page):
    """The sum above; the list at the left, the chosen queue at the right."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.sum, self.list, self.detail = SumStrip(), QueueList(), QueueDetail(shell)
        self.hint = label("", "small", "muted")
        self._turns = 0
        self._present = Present(shell.bridge)
        self.off = EmptyState("queue", "", "", shell.commands.button("stack.start", "primary"))
        self.none = EmptyState("queue", "", "")
        self._stage = QStackedWidget()
        for part in (self.off, self.none, self._both()):
            self._stage.addWidget(part)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._stage)
        self.list.chosen.connect(self._choose)
        self.list.menu_wanted.connect(self._open_menu)
        self.sum.wanted.connect(self._show_tasks)

    def _both(self) -> QWidget:
        self._side = side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        column.addLayout(row(label("Queues", "title"), 1, self.hint))
        column.addWidget(self.list, 1)
        line = QHBoxLayout()
        line.setSpacing(16)
        line.addWidget(side)
        line.addWidget(self.detail, 1)
        both = QWidget()
        whole = QVBoxLayout(both)
        whole.setContentsMargins(16, 16, 8, 0)
        whole.setSpacing(14)
        above = QHBoxLayout()
        above.setContentsMargins(0, 0, 8, 0)
        above.addWidget(self.sum)
        whole.addLayout(above)
        whole.addLayout(line, 1)
        return both

    # showing

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        self.shell.queue_commands.show_snapshot(snapshot)  # the buttons of a new queue need its verbs
        self._show_stage(snapshot)
        over = "" if is_up(snapshot) else ", when it stopped"
        self.hint.setText(f"{summary(snapshot.queues)}{over}")
        self.sum.show_balance(snapshot.balance, over=not is_up(snapshot))
        self.list.show_queues(snapshot.queues, snapshot.state, snapshot.t)
        queue = self._queue(self.list.current)
        if queue is not None:
            self.detail.show_queue(queue, snapshot)

    def _show_stage(self, snapshot: StackSnapshot) -> None:
        anything = any(q.waiting + q.reserved + q.active + q.scheduled + q.stranded for q in snapshot.queues)
        stopped = snapshot.state is StackState.STOPPED and not anything
        if snapshot.recorded is not None and not anything:
            self._stage.setCurrentWidget(self.none)
            self.none.say(
                "A finished run has no queues", "Its broker is gone. Tasks shows where each task ended."
            )
        elif stopped:
            self._stage.setCurrentWidget(self.off)
            names = listed([q.name for q in snapshot.queues])
            waits = f"Start it and see where every message of {names} is." if names else "Start it."
            self.off.say("The stack is stopped", waits)
        elif not snapshot.queues:
            self._stage.setCurrentWidget(self.none)
            self.none.say(
                "No queue yet", "A queue appears when a worker consumes it or a task is sent to it."
            )
        else:
            self._stage.setCurrentIndex(2)

    def tick(self) -> None:
        desk = self.shell.desk
        queue = self._queue(self.list.current)
        if queue is None or self._stage.currentIndex() != 2:
            return
        self.sum.tick()
        self.detail.tick(desk, queue, self._present.now(), is_up(self.shell.bridge.snapshot))
        if self._turns % _SPARK_EVERY == 0:
            self.list.show_sparks(lambda name: list(desk.series(f"depth:{name}", _SPARK_SECONDS).v))
        self._turns += 1

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._side.setFixedWidth(_NARROW_LIST if self.width() < _NARROW else _LIST_WIDTH)

    def show_about(self, about: str) -> None:
        self.list.choose(about)

    def refresh(self) -> None:
        self.show_snapshot(self.shell.bridge.snapshot)
        self.detail.refresh()

    def _queue(self, name: str) -> QueueSnapshot | None:
        return next((q for q in self.shell.bridge.snapshot.queues if q.name == name), None)

    def _choose(self, name: str) -> None:
        queue = self._queue(name)
        if queue is not None and name in self.list.rows:
            self.detail.show_queue(queue, self.shell.bridge.snapshot)

    # leading on

    def _show_tasks(self, word: str) -> None:
        """The tasks behind a number of the sum."""
        if "page.tasks" in self.shell.commands:
            self.shell.go("tasks", tasks_of(word))

    def _open_menu(self, name: str, place: QPoint) -> None:
        menu = QMenu(self)
        menu.addAction(self.shell.commands[f"queue.restore:{name}"])
        menu.addAction(self.shell.commands[f"queue.purge:{name}"])
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)


def tasks_of(word: str) -> str:
    """What the tasks page shows for a number of the sum; everything where no filter can say it."""
    if word == ENDED:
        return " ".join(f"state:{state}" for state in TaskState if state.over)
    return "" if word in (SUBMITTED, COPIES) else f"state:{word}"
