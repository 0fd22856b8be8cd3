"""Workers: what each is doing, and everything that can be done to it."""

from __future__ import annotations

from PySide6.QtCore import QPoint
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QStackedWidget, QVBoxLayout, QWidget

from desktop.engine.api import StackSnapshot
from desktop.ui.page import Page, Shell
from desktop.ui.pages.kill_menu import KillMenu
from desktop.ui.pages.workers_detail import WorkerDetail
from desktop.ui.pages.workers_list import WorkerList
from desktop.ui.widgets.containers import row
from desktop.ui.widgets.empty_state import EmptyState
from desktop.ui.widgets.labels import label
from desktop.ui.words import count

_LIST_WIDTH, _NARROW_LIST = 356, 268
_NARROW = 1060  # px of the page below which the list gives room to the worker
_SPARK_EVERY = 10
_SPARK_SECONDS = 120.0


class WorkersPage(Page):
    """The list at the left; the chosen worker at the right."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.verbs = shell.worker_commands
        self.list = WorkerList()
        self.detail = WorkerDetail(shell)
        self.hint = label("", "small", "muted")
        self._turns = 0
        empty = EmptyState(
            "workers",
            "No worker yet",
            "A worker takes tasks from queues and runs them.",
            shell.commands.button("worker.add", "primary"),
        )
        self._stage = QStackedWidget()
        self._stage.addWidget(empty)
        self._stage.addWidget(self._both())
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._stage)
        self.list.chosen.connect(self._choose)
        self.list.menu_wanted.connect(self._open_menu)

    def _both(self) -> QWidget:
        self._side = side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(12)
        self.add = self.shell.commands.button("worker.add")
        column.addLayout(row(label("Workers", "title"), self.hint, 1, self.add))
        column.addWidget(self.list, 1)
        both = QWidget()
        line = QHBoxLayout(both)
        line.setContentsMargins(16, 16, 8, 0)
        line.setSpacing(16)
        line.addWidget(side)
        line.addWidget(self.detail, 1)
        return both

    # showing

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        self._stage.setCurrentIndex(1 if snapshot.workers else 0)
        self.add.setVisible(not snapshot.attached)
        self.hint.setText(count(len(snapshot.workers), "worker"))
        self.list.show_workers(snapshot.workers)
        worker = snapshot.worker(self.list.current)
        if worker is not None:
            self.detail.show_worker(worker, snapshot.t)
        for controls in (self.detail.pool, self.detail.queues):
            controls.setEnabled(snapshot.recorded is None)

    def tick(self) -> None:
        snapshot, desk = self.shell.bridge.snapshot, self.shell.desk
        if not snapshot.workers:
            return
        self.detail.tick(desk, snapshot)
        if self._turns % _SPARK_EVERY == 0:
            self.list.show_sparks(lambda name: list(desk.series(f"cpu:{name}", _SPARK_SECONDS).v))
        self._turns += 1

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        narrow = self.width() < _NARROW
        self._side.setFixedWidth(_NARROW_LIST if narrow else _LIST_WIDTH)
        self.hint.setVisible(not narrow)

    def show_about(self, about: str) -> None:
        self.list.choose(about)

    def refresh(self) -> None:
        self.show_snapshot(self.shell.bridge.snapshot)

    def _choose(self, name: str) -> None:
        snapshot = self.shell.bridge.snapshot
        worker = snapshot.worker(name)
        if worker is not None and name in self.list.rows:
            self.detail.show_worker(worker, snapshot.t)

    # menus

    def _open_menu(self, name: str, place: QPoint) -> None:
        menu = QMenu(self)
        if self.shell.bridge.snapshot.attached:
            for verb in ("stop", "remove"):
                menu.addAction(self.shell.commands[f"worker.{verb}:{name}"])
            menu.aboutToHide.connect(menu.deleteLater)
            menu.popup(place)
            return
        for verb in ("start", "stop", "cold", "restart", "kill"):
            menu.addAction(self.shell.commands[f"worker.{verb}:{name}"])
        signal = menu.addAction("Send a signal…", lambda: self._open_signals(name, place))
        worker = self.shell.bridge.snapshot.worker(name)
        signal.setEnabled(worker is not None and worker.service.state.alive)
        menu.addAction(self.shell.commands[f"worker.faults:{name}"])
        menu.addSeparator()
        for verb in ("edit", "remove"):
            menu.addAction(self.shell.commands[f"worker.{verb}:{name}"])
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    def _open_signals(self, name: str, place: QPoint) -> None:
        offers = self.verbs.offers(name)
        more = self.shell.commands[f"worker.faults:{name}"]
        KillMenu(self, f"Send to {name}", offers, lambda o: self.verbs.send(name, None, o), more).open_at(
            place
        )
