"""Graphs: every series of the run on one time axis, from all of it down to a second."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QFocusEvent, QKeyEvent, QShowEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QStackedWidget, QVBoxLayout, QWidget

from desktop.engine.api import DeskError, Mark, Record, StackSnapshot
from desktop.ui.actions import Action
from desktop.ui.page import Page, Shell
from desktop.ui.pages.graphs_bar import GraphsBar, PanelChips
from desktop.ui.pages.graphs_panels import FIRST, PANELS, Names, names_of
from desktop.ui.pages.graphs_reader import SeriesReader, Wish
from desktop.ui.present import Present
from desktop.ui.shown_faults import ShownFaults
from desktop.ui.widgets.chart_bands import BandChart
from desktop.ui.widgets.chart_span import RunAxis
from desktop.ui.widgets.empty_state import EmptyState
from desktop.ui.widgets.focus_ring import FocusRing
from desktop.ui.widgets.timeline_run import Ruler, RunTimeline

_EVERY = 5  # turns of the clock between two steps of a live run
_PER_BUCKET = 1.25  # px
_STEP, _LEAP, _ZOOM = 0.1, 0.5, 0.5  # of the stretch, for an arrow, with Shift, for a key that zooms
_KEPT = "graphs.panels"  # in the window's memory


class GraphsPage(Page):
    """Panels below each other, under them the ruler and the marks. Data comes from threads."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(shell)
        self.axis = RunAxis(self)
        self.reader = SeriesReader(shell.bridge, self)
        self._record: Record | None = None
        self._names = Names((), (), frozenset(), ())
        self._turns = 0
        self._shown = ShownFaults()
        self._present = Present(shell.bridge)
        self._register()
        self.bar = GraphsBar(shell.commands, self.axis)
        self.chips = PanelChips(self._remembered())
        self.charts = {p.key: BandChart(self.axis, p.title, p.unit, p.subtitle) for p in PANELS}
        self.ruler, self.timeline = Ruler(self.axis), RunTimeline(self.axis)
        self.empty = EmptyState(
            "pulse",
            "Nothing was recorded yet",
            "Start the stack: from then on everything is drawn here.",
            shell.commands.button("stack.start", "primary"),
        )
        self._stage = QStackedWidget()
        self._stage.addWidget(self.empty)
        self._stage.addWidget(self._graphs())
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self._stage)
        self._connect()
        self._choose_panels()
        self._allow()

    def _graphs(self) -> QWidget:
        self.canvas = Canvas(self._key)
        for chart in self.charts.values():
            self.canvas.column.addWidget(chart, 1)
        self.area = QScrollArea()
        self.area.setWidgetResizable(True)
        self.area.setFrameShape(QFrame.Shape.NoFrame)
        self.area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.area.setAccessibleName("Graphs")
        self.area.setWidget(self.canvas)
        self.canvas.ring = FocusRing(self.area.viewport())
        under = QWidget()
        self._under = QVBoxLayout(under)
        self._under.setContentsMargins(0, 0, 0, 0)
        self._under.setSpacing(0)
        self._under.addWidget(self.ruler)
        self._under.addWidget(self.timeline)
        both = QWidget()
        column = QVBoxLayout(both)
        column.setContentsMargins(16, 16, 16, 4)
        column.setSpacing(10)
        column.addWidget(self.bar)
        column.addWidget(self.chips)
        column.addWidget(self.area, 1)
        column.addWidget(under)
        return both

    def _connect(self) -> None:
        self.axis.changed.connect(self._axis_changed)
        self.reader.came.connect(self._draw)
        self.reader.failed.connect(self._say_failure)
        self.chips.changed.connect(self._choose_panels)
        bar = self.area.verticalScrollBar()
        bar.rangeChanged.connect(lambda: QTimer.singleShot(0, self, self._line_up))

    # verbs

    def _register(self) -> None:
        for key, text, run, icon, tip in (
            ("back", "Back to the stretch before", self.axis.back, "chevron-left", "Backspace"),
            ("in", "Zoom in", lambda: self.axis.zoom(_ZOOM), "plus", "+, or the wheel at a moment"),
            ("out", "Zoom out", lambda: self.axis.zoom(1 / _ZOOM), "minus", "−"),
            ("whole", "Whole run", self.axis.whole, "", "0"),
            ("live", "Live", self._toggle_live, "follow", "L: keep the present in sight"),
            ("tasks", "Tasks of this stretch", self.show_tasks, "task", "T"),
        ):
            self.shell.commands.add(
                Action(
                    f"graphs.{key}",
                    text,
                    self._here(run),
                    icon,
                    tooltip=f"{text} ({tip})",
                    group="Graphs",
                    checkable=key == "live",
                )
            )

    def _here(self, run: Callable[[], object]) -> Callable[[], None]:
        def done() -> None:
            if not self.isVisible():
                self.shell.go("graphs")
            run()
            self._allow()

        return done

    def _toggle_live(self) -> None:
        if self.axis.following:
            self.axis.following = False
            self.axis.entire = False
            self.axis.changed.emit()
        else:
            self.axis.follow()

    def show_tasks(self) -> None:
        """Go to the tasks that were alive in the stretch that is shown."""
        if "page.tasks" in self.shell.commands:
            self.shell.go("tasks", f"span:{self.axis.since:.3f}:{self.axis.until:.3f}")

    def _allow(self) -> None:
        commands, axis = self.shell.commands, self.axis
        some = self._record is not None
        why = "Nothing was recorded yet."
        commands.enable("graphs.back", some and axis.can_go_back, "There was none." if some else why)
        commands.enable("graphs.in", some and axis.span > 1.001, "A second is the least." if some else why)
        commands.enable("graphs.out", some and not axis.entire, "This is all of it." if some else why)
        commands.enable("graphs.whole", some and not axis.entire, "This is all of it." if some else why)
        commands.enable("graphs.live", axis.live, "This run is over." if some else why)
        commands["graphs.live"].setChecked(axis.following)
        commands.enable("graphs.tasks", some and "page.tasks" in commands, why)

    # showing

    def show_snapshot(self, snapshot: StackSnapshot) -> None:
        record = self.shell.desk.record()
        if record is not self._record:
            self._take(record)

    def _take(self, record: Record | None) -> None:
        self._record = record
        self.reader.take(record)
        for chart in self.charts.values():
            chart.show_samples({})
        self._stage.setCurrentIndex(0 if record is None else 1)
        if record is not None:
            first, last = self._span(record)
            self._read_names(record)
            self._show_faults()
            self.axis.begin(first, last, record.live, self._marks(record))
        self._allow()

    def _span(self, record: Record) -> tuple[float, float]:
        first, last = record.span()
        return first, max(last, self._present.now()) if record.live else last

    def _marks(self, record: Record) -> tuple[Mark, ...]:
        return self.shell.bridge.snapshot.marks if record.live else record.marks()

    def _show_faults(self) -> None:
        self.axis.show_faults(self._shown.of(self.shell.desk, self.shell.bridge.snapshot))

    def _read_names(self, record: Record) -> None:
        snapshot = self.shell.bridge.snapshot
        workers, queues = [w.name for w in snapshot.workers], [q.name for q in snapshot.queues]
        names = names_of(record.series_names(), workers, queues)
        if names != self._names:
            self._names = names
            for panel in PANELS:
                self.charts[panel.key].set_lines(panel.lines(names))

    def tick(self) -> None:
        self._turns += 1
        record = self._record
        if record is None or self._turns % _EVERY:
            return
        if self._turns % (2 * _EVERY) == 0:
            self._read_names(record)
        if not (record.live or self.axis.live):
            return
        last = self._present.now() if record.live else record.span()[1]
        self._show_faults()
        self.axis.grow(last, record.live, self._marks(record))
        if record.live:
            self.reader.append(self.shell.desk, last)

    def refresh(self) -> None:
        record = self._record
        if record is not None:
            self._read_names(record)
            self.reader.want(self._wish(), anew=True)

    # data

    def _wish(self) -> Wish:
        shown = [self.charts[key] for key in self.chips.chosen]
        names = tuple(dict.fromkeys(line.key for chart in shown for line in chart.lines))
        wide = shown[0].area().width() if shown else 600.0
        return Wish(names, self.axis.since, self.axis.until, max(50, int(wide / _PER_BUCKET)))

    def _axis_changed(self) -> None:
        self._allow()
        if self._record is not None:
            self.reader.want(self._wish())

    def _draw(self) -> None:
        for key in self.chips.chosen:
            self.charts[key].show_samples(self.reader.samples, fit=not self.axis.following)

    def _say_failure(self, error: DeskError) -> None:
        for chart in self.charts.values():
            chart.say(f"{error.what} {error.next_step}")

    # panels

    def _remembered(self) -> tuple[str, ...]:
        kept = str(self.shell.memory.get(_KEPT, "")).split(",")
        return tuple(key for key in kept if key in {panel.key for panel in PANELS}) or FIRST

    def _choose_panels(self) -> None:
        chosen = self.chips.chosen
        for key, chart in self.charts.items():
            chart.setVisible(key in chosen)
        self.shell.memory.put(_KEPT, ",".join(chosen))
        if self._record is not None:
            self._draw()
            self.reader.want(self._wish())

    def _line_up(self) -> None:
        """Ruler and marks stand exactly under the charts, with and without a scroll bar beside those."""
        bar = self.area.verticalScrollBar()
        self._under.setContentsMargins(0, 0, bar.width() if bar.isVisible() else 0, 0)

    # keys

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        QTimer.singleShot(0, self, self._take_focus)

    def _take_focus(self) -> None:
        if self.isVisible() and self._record is not None:
            self.canvas.setFocus(Qt.FocusReason.OtherFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._key(event):
            super().keyPressEvent(event)

    def _key(self, event: QKeyEvent) -> bool:
        """Whether the key was one of the graphs'."""
        key, axis = Qt.Key(event.key()), self.axis
        if self._record is None or event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            return False
        verb = _KEYS.get(key)
        if verb is not None:
            self.shell.commands[f"graphs.{verb}"].trigger()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            far = _LEAP if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else _STEP
            axis.pan((-far if key == Qt.Key.Key_Left else far) * axis.span)
        elif key == Qt.Key.Key_Home:
            axis.pan(axis.first - axis.since)
        elif key == Qt.Key.Key_End:
            axis.pan(axis.last - axis.until)
        else:
            return False
        return True


_KEYS = {
    Qt.Key.Key_Plus: "in",
    Qt.Key.Key_Equal: "in",
    Qt.Key.Key_Minus: "out",
    Qt.Key.Key_0: "whole",
    Qt.Key.Key_L: "live",
    Qt.Key.Key_T: "tasks",
    Qt.Key.Key_Backspace: "back",
}


class Canvas(QWidget):
    """What holds the charts, and has the focus while keys move them."""

    def __init__(self, press: Callable[[QKeyEvent], bool]) -> None:
        super().__init__()
        self._press = press
        self.ring: FocusRing | None = None
        self.setProperty("kind", "page")
        self.setAccessibleName("Graphs: plus and minus zoom, arrows move, 0 shows the whole run")
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(0, 0, 0, 0)
        self.column.setSpacing(8)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if not self._press(event):
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        if self.ring is not None:
            self.ring.show_for(event.reason())

    def focusOutEvent(self, event: QFocusEvent) -> None:
        if self.ring is not None:
            self.ring.hide()
