"""Workloads: what can be submitted, putting it together, and how far what was submitted is."""

from __future__ import annotations

from functools import partial

from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QPushButton, QVBoxLayout, QWidget

from desktop.engine.api import DeskError, StackSnapshot, StackState, TaskInfo, Workload
from desktop.engine.stack.model import AppSpec
from desktop.ui.page import Page, Shell
from desktop.ui.pages.workloads_cards import LoadList
from desktop.ui.pages.workloads_catalog import Catalog
from desktop.ui.pages.workloads_form import WorkloadForm
from desktop.ui.pages.workloads_presets import offered
from desktop.ui.widgets.flow_layout import FlowLayout
from desktop.ui.widgets.labels import label

_CATALOG_WIDTH, _LOADS_WIDTH = 272, 312
_NARROW = 1000  # px of the page below which the submitted ones stand below the catalog


class WorkloadsPage(Page):
    """Catalog at the left, form in the middle, submitted workloads at the right; presets above."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.catalog = Catalog()
        self.form = WorkloadForm()
        self.loads = LoadList(shell.desk)
        self._tasks: dict[str, TaskInfo] = {}
        self._read_for: AppSpec | None = None
        self._presets = QWidget()
        self._chips = FlowLayout(self._presets, gap=8)
        self._lay_out()
        self.catalog.only.connect(self.form.only)
        self.catalog.more.connect(self.form.more)
        self.catalog.again.connect(self.refresh)
        self.form.mix_changed.connect(self._mark)
        self.form.submitted.connect(self._submit)

    def _lay_out(self) -> None:
        self._parts = QGridLayout()
        self._parts.setSpacing(16)
        self._parts.setColumnStretch(1, 1)
        self._left, self._right = _titled(self.catalog, "Tasks"), _titled(self.loads, "Submitted")
        self._left.setFixedWidth(_CATALOG_WIDTH)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 16, 16, 16)
        outer.setSpacing(12)
        outer.addWidget(label("Workloads", "title"))
        outer.addWidget(self._presets)
        outer.addLayout(self._parts, 1)
        self._place(narrow=False)

    def _place(self, narrow: bool) -> None:
        """Three columns; in a narrow window the first holds the third too."""
        self._narrow = narrow
        self._parts.addWidget(self._left, 0, 0, 1 if narrow else 2, 1)
        self._parts.addWidget(self.form, 0, 1, 2, 1)
        self._parts.addWidget(self._right, 1 if narrow else 0, 0 if narrow else 2, 1 if narrow else 2, 1)
        self._right.setFixedWidth(_CATALOG_WIDTH if narrow else _LOADS_WIDTH)
        self._parts.setRowStretch(0, 4)
        self._parts.setRowStretch(1, 3)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        if (self.width() < _NARROW) != self._narrow:
            self._place(not self._narrow)

    # the catalog

    def _read_catalog(self) -> None:
        app = self.shell.bridge.snapshot.spec.app
        if app != self._read_for:
            self._forget()
        self._read_for = app
        self.catalog.say("Reading the app's tasks…")
        read = self.shell.desk.catalog()
        self.shell.bridge.run(read, partial(self._show_catalog, app), partial(self._no_catalog, app), self)

    def _forget(self) -> None:
        """What belongs to another app is gone."""
        self._tasks = {}
        self.catalog.show_tasks(())
        self._clear_presets()
        self.form.take(Workload(()), {})

    def _clear_presets(self) -> None:
        while (item := self._chips.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self._presets.setVisible(False)

    def _show_catalog(self, app: AppSpec, tasks: tuple[TaskInfo, ...]) -> None:
        if app != self._read_for:
            return  # another stack was opened meanwhile
        self._tasks = {info.name: info for info in tasks}
        self.catalog.show_tasks(tasks)
        self._clear_presets()
        presets = offered(self._tasks)
        for preset in presets:
            self._chips.addWidget(self._chip(preset))
        self._presets.setVisible(bool(presets))
        if presets:
            self.form.take(presets[0], self._tasks)
        elif tasks:
            self.form.only(tasks[0])
            self.form.count.set_value(100)
            self.form.review()

    def _chip(self, preset: Workload) -> QPushButton:
        chip = QPushButton(preset.name)
        chip.setAccessibleName(f"Preset: {preset.name}")
        chip.clicked.connect(lambda: self.form.take(preset, self._tasks))
        return chip

    def _no_catalog(self, app: AppSpec, error: DeskError) -> None:
        if app == self._read_for:
            self.catalog.say_error(error.what, error.next_step)

    def _mark(self) -> None:
        self.catalog.show_mix([task.info.name for task in self.form.draft.tasks])

    # showing

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        if snapshot.spec.app != self._read_for:
            self._read_catalog()
        up = snapshot.state in (StackState.RUNNING, StackState.TROUBLED)
        why = "A recorded run is shown. Close it first." if snapshot.recorded else "Start the stack first."
        self.form.allow(up, "" if up else why)
        self.form.show_queues([q.name for q in snapshot.queues])
        self.loads.show_loads(snapshot.loads)

    def refresh(self) -> None:
        self._read_catalog()

    def _submit(self, workload: Workload) -> None:
        self.shell.do(self.shell.desk.submit(workload), lambda _id: self._submitted(workload))

    def _submitted(self, workload: Workload) -> None:
        self.shell.toasts.say(f"Submitted: {workload.name}.")


def _titled(widget: QWidget, title: str) -> QWidget:
    box = QWidget()
    column = QVBoxLayout(box)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(8)
    column.addWidget(label(title, "section"))
    column.addWidget(widget, 1)
    return box
