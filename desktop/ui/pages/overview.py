"""Overview: the stack as a picture, its account in figures, the main graphs, and what happened last."""

from __future__ import annotations

from PySide6.QtWidgets import QHBoxLayout, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from desktop.engine.api import Mark, StackSnapshot, StackState
from desktop.ui.page import Page, Shell
from desktop.ui.pages.overview_events import EventList
from desktop.ui.pages.overview_start import StartPanel
from desktop.ui.pages.overview_stats import StatRow
from desktop.ui.widgets.chart import Chart, TimeAxis
from desktop.ui.widgets.chart_line import pool_lines, queue_lines, worker_lines
from desktop.ui.widgets.chart_panel import ChartPanel
from desktop.ui.widgets.chart_scale import Unit
from desktop.ui.widgets.containers import Card, Column
from desktop.ui.widgets.flow import FlowView
from desktop.ui.widgets.labels import label

_MARGIN, _GAP = 16, 10
_EVENTS_WIDTH = 292
_BANDS = 2


class OverviewPage(Page):
    """Figures above, picture in the middle, graphs with their time line and the events below."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.stats = StatRow()
        self.flow = FlowView()
        self.events = EventList()
        self.graphs = self._graphs()
        self.start = StartPanel(
            shell.commands.button("stack.start", "primary"),
            shell.commands.button("attach.open"),
            self._other_stacks(),
        )
        self._below = QStackedWidget()
        self._below.addWidget(self.start)
        self._below.addWidget(self._running())
        column = Column(_MARGIN, _GAP)
        column.setAccessibleName("Overview")
        column.body.setContentsMargins(_MARGIN, _MARGIN, _MARGIN, 8)
        column.body.addWidget(self.stats)
        picture = Card(padding=12)
        picture.add(self.flow)
        self._picture = picture
        column.body.addWidget(picture)
        column.body.addWidget(self._below, 1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(column)
        self._wire()

    def _other_stacks(self) -> list[QPushButton]:
        buttons = []
        for name, _about in self.shell.desk.shipped_stacks():
            if f"stack.open:{name}" in self.shell.commands:
                verb = self.shell.commands[f"stack.open:{name}"]
                button = QPushButton(name)
                button.setAccessibleName(verb.text())
                button.setToolTip(verb.toolTip())
                button.clicked.connect(verb.trigger)
                buttons.append(button)
        return buttons

    def _graphs(self) -> ChartPanel:
        axis = TimeAxis(parent=self)
        wait = "Start the stack and it appears here."
        self.cpu = Chart(axis, "CPU", Unit.PERCENT, empty=wait, time_words=False)
        self.queue_depth = Chart(axis, "Waiting in queues", Unit.TASKS, empty=wait, time_words=False)
        self.pool_size = Chart(axis, "Pool size", Unit.SLOTS, empty=wait, subtitle="against its bounds")
        return ChartPanel(axis, [(self.cpu, 5), (self.queue_depth, 5), (self.pool_size, 5)])

    def _running(self) -> QWidget:
        events = Card(padding=0)
        events.setFixedWidth(_EVENTS_WIDTH)
        events.body.setContentsMargins(8, 12, 8, 8)
        events.body.setSpacing(6)
        title = label("Recent events", "strong")
        title.setContentsMargins(8, 0, 0, 0)
        events.add(title)
        events.add(self.events, 1)
        both = QWidget()
        side = QHBoxLayout(both)
        side.setContentsMargins(0, 0, 0, 0)
        side.setSpacing(_GAP)
        side.addWidget(self.graphs, 1)
        side.addWidget(events)
        return both

    def _wire(self) -> None:
        shell = self.shell
        self.flow.worker_clicked.connect(lambda name: shell.go("workers", name))
        self.flow.load_clicked.connect(lambda: shell.go("workloads"))
        self.flow.broker_clicked.connect(lambda: shell.go("logs", "broker"))
        self.events.picked.connect(self._show_moment)

    def _show_moment(self, mark: Mark) -> None:
        """Put the cross-hair at a mark; zoom out as far as that needs."""
        axis = self.graphs.axis
        ago = mark.t - axis.now
        if -ago > axis.span:
            self.graphs.show_span(-ago)
        axis.move_cross(max(ago, -axis.span))

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        names = [w.name for w in snapshot.workers]
        fresh = snapshot.state is StackState.STOPPED and not snapshot.marks and not snapshot.recorded
        self.stats.setVisible(not fresh)
        self._picture.setVisible(not fresh)
        self._below.setCurrentIndex(0 if fresh else 1)
        self.start.show_spec(snapshot.spec)
        self.stats.show_snapshot(snapshot)
        self.flow.show_snapshot(snapshot)
        self.events.events.show_marks(snapshot.marks)
        self.cpu.set_lines(worker_lines("cpu", names))
        self.queue_depth.set_lines(queue_lines(q.name for q in snapshot.queues))
        # Bands of many workers lie over each other and tell nothing.
        scaling = {w.name for w in snapshot.workers if w.spec.autoscale is not None}
        shown = scaling if len(scaling) <= _BANDS else ()
        self.pool_size.set_lines([line for name in names for line in pool_lines(name, bounds=name in shown)])

    def tick(self) -> None:
        snapshot = self.shell.bridge.snapshot
        self.flow.advance()
        if self._below.currentIndex() == 1:
            self.graphs.tick(self.shell.desk, snapshot)
            self.stats.tick(self.shell.desk)

    def refresh(self) -> None:
        self.show_snapshot(self.shell.bridge.snapshot)
        self.graphs.feed(self.shell.desk, self.shell.bridge.snapshot)
