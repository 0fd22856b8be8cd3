"""One worker in full: verbs, pool, queues, graphs, running tasks, pool processes, command line."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMenu, QPlainTextEdit, QPushButton, QSizePolicy, QWidget

from desktop.engine.api import Desk, StackSnapshot, State, WorkerSnapshot
from desktop.ui import fonts, icons
from desktop.ui.actions import Actions
from desktop.ui.page import Shell
from desktop.ui.pages.kill_menu import KillButton
from desktop.ui.pages.overview_start import ColourBar
from desktop.ui.pages.workers_pool import PoolControls, QueueControls
from desktop.ui.pages.workers_tables import ProcessTable, RunningTable
from desktop.ui.states import tone_of
from desktop.ui.widgets.chart import Chart, TimeAxis
from desktop.ui.widgets.chart_line import Line, LineStyle, pool_lines
from desktop.ui.widgets.chart_panel import ChartPanel
from desktop.ui.widgets.chart_scale import Unit
from desktop.ui.widgets.command_line import CommandLine
from desktop.ui.widgets.containers import Card, Column, Pair, row
from desktop.ui.widgets.labels import ElidedLabel, label, set_tone
from desktop.ui.widgets.menu_button import MenuButton
from desktop.ui.widgets.state_pill import StatePill
from desktop.ui.words import below, count, duration, headline

_CHART, _LAST_LINES = 116, 150
_NAME = 200  # px of a worker's name that are always shown
_WORDS = (
    ("start", "Start"),
    ("stop", "Stop"),
    ("cold", "Cold stop"),
    ("restart", "Restart"),
    ("edit", "Edit…"),
)
_SLOW = 3  # tables change their figures at every third snapshot at most


class WorkerDetail(Column):
    """Shows one worker; `show_worker` with another name starts afresh."""

    def __init__(self, shell: Shell) -> None:
        super().__init__(0, 12)
        self.shell, self._verbs = shell, shell.worker_commands
        self.name = ""
        self._shown = 0
        self.setAccessibleName("Worker")
        self._head = QWidget()
        self.pill = StatePill()
        self.pill.setParent(self._head)
        self.sentence = label("", tone="muted", wrap=True)
        self.sentence.setVisible(False)
        self.last_lines = LastLines()
        self.facts = label("", "small", "muted", wrap=True)
        self.pool, self.queues = PoolControls(shell), QueueControls(shell)
        self.graphs = self._graphs()
        self.running, self.processes = RunningTable(), ProcessTable(self._verbs)
        self.command = CommandLine("Command line")
        self.body.setContentsMargins(0, 0, 8, 12)
        self.body.addWidget(self._head)
        self.body.addWidget(self.sentence)
        self.body.addWidget(self.last_lines)
        self.body.addWidget(self.facts)
        self.body.addWidget(Pair(self.pool, self.queues, (3, 2)))
        self.body.addWidget(self.graphs)
        self._command = self._command_card()
        for part in (self.running, self.processes, self._command):
            self.body.addWidget(part)
        self.body.addStretch(1)

    def _graphs(self) -> ChartPanel:
        axis = TimeAxis(parent=self)
        wait = "Start the worker and it appears here."
        self.cpu = Chart(axis, "CPU", Unit.PERCENT, empty=wait, time_words=False)
        self.memory = Chart(axis, "Memory", Unit.BYTES, empty=wait, time_words=False)
        self.pool_size = Chart(axis, "Pool", Unit.SLOTS, empty=wait, subtitle="size against its bounds")
        charts = [(self.cpu, 1), (self.memory, 1), (self.pool_size, 1)]
        for chart, _ in charts:
            chart.setFixedHeight(_CHART)
        return ChartPanel(axis, charts)

    def _command_card(self) -> Card:
        copy = QPushButton("Copy")
        copy.setAccessibleName("Copy the command line")
        copy.clicked.connect(self.copy_command)
        icons.set_icon(copy, "copy")
        card = Card("Command line", side=copy)
        card.add(self.command)
        return card

    def copy_command(self) -> None:
        """Put the command line on the clipboard."""
        QGuiApplication.clipboard().setText(self.command.line)
        self.shell.toasts.say("The command line is on the clipboard.", "info")

    # showing

    def show_worker(self, worker: WorkerSnapshot, now: float) -> None:
        """Show this worker."""
        other = worker.name != self.name
        if other:
            self._begin(worker)
        self._shown += 1
        foreign = bool(self.shell.bridge.snapshot.attached)
        self._start.setVisible(not worker.service.state.alive and not foreign)
        stopping = worker.service.state is State.STOPPING
        self._stop.setVisible(worker.service.state.alive and not stopping)
        self._cold.setVisible(stopping and not foreign)
        for ours in (self._signal, self._again, self._edit, self._more, self._command):
            ours.setVisible(not foreign)
        # Of a process on another machine nobody tells what it uses.
        for chart in (self.cpu, self.memory):
            chart.setVisible(not foreign or worker.service.memory > 0)
        self._signal.setEnabled(worker.service.state.alive)
        self.pill.set_state(worker.service.state, headline(worker.service.detail))
        self._say(worker)
        self.facts.setText(_in_line(_facts(worker, now)))
        self.pool.show_worker(worker)
        self.queues.show_worker(worker)
        if other or self._shown % _SLOW == 0:
            self.running.show_worker(worker, now)
            self.processes.show_worker(worker, now)
        self.command.show_line(worker.command)

    def tick(self, desk: Desk, snapshot: StackSnapshot) -> None:
        """One of ten turns a second."""
        self.graphs.tick(desk, snapshot)

    def _begin(self, worker: WorkerSnapshot) -> None:
        self.name = worker.name
        self.setAccessibleName(f"Worker {worker.name}")
        self.verticalScrollBar().setValue(0)
        self._new_head(worker.name, worker.spec.pool.value)
        tone = f"worker:{worker.name}"
        self.cpu.set_lines([Line(f"cpu:{worker.name}", "CPU", tone)])
        self.memory.set_lines([Line(f"memory:{worker.name}", "memory", tone)])
        self.pool_size.set_lines(
            [Line(f"busy:{worker.name}", "busy", "muted", LineStyle.STEP), *pool_lines(worker.name, "size")]
        )
        self.graphs.feed(self.shell.desk, self.shell.bridge.snapshot)

    def _new_head(self, name: str, pool: str) -> None:
        """Buttons belong to the actions of one worker, so another worker gets other buttons."""
        who, title = QWidget(), ElidedLabel(name, "title")
        title.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        title.setMinimumWidth(min(title.sizeHint().width(), _NAME))
        self.pill.setParent(who)
        who.setLayout(row(ColourBar(name), title, label(pool, tone="muted"), self.pill, 1))
        old, self._head = self._head, Pair(who, self._buttons(name), (1, 0), 8)
        self.body.replaceWidget(old, self._head)
        old.hide()
        old.deleteLater()

    def _buttons(self, name: str) -> QWidget:
        commands, box = self.shell.commands, QWidget()
        self._signal = KillButton(
            name,
            lambda: self._verbs.offers(name),
            lambda o: self._verbs.send(name, None, o),
            "Signal",
            commands[f"worker.faults:{name}"],
        )
        self._start, self._stop, self._cold, self._again, self._edit = (
            VerbButton(commands, f"worker.{verb}:{name}", word) for verb, word in _WORDS
        )
        self._more = MenuButton(f"More for {name}", lambda menu: self._fill_more(menu, name))
        buttons = (self._start, self._stop, self._cold, self._again, self._signal, self._edit, self._more)
        box.setLayout(row(*buttons, 1))
        return box

    def _fill_more(self, menu: QMenu, name: str) -> None:
        for verb in ("cold", "kill", "faults", "remove"):
            menu.addAction(self.shell.commands[f"worker.{verb}:{name}"])
        menu.addSeparator()
        menu.addAction("Show its log", lambda: self.shell.go("logs", name))

    def _say(self, worker: WorkerSnapshot) -> None:
        text = headline(worker.service.detail)
        if worker.waiting_for:
            text = (
                f"Waits for {count(worker.waiting_for, 'task')} to end. Stop cold or kill to wait no longer."
            )
        if not text.startswith(worker.name):
            text = text[:1].upper() + text[1:]
        if text != self.sentence.text():
            self.sentence.setText(text)
            self.sentence.setVisible(bool(text))
        tone = tone_of(worker.service.state)
        set_tone(self.sentence, tone if tone in ("bad", "warn") else "muted")
        self.last_lines.show_lines(below(worker.service.detail))


class LastLines(QPlainTextEdit):
    """The last lines of a service that ended again and again; nothing when there are none."""

    def __init__(self) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setFont(fonts.font("mono"))
        self.setAccessibleName("Last log lines")
        self.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.setFixedHeight(_LAST_LINES)
        self.hide()

    def show_lines(self, text: str) -> None:
        """Show lines, the last of them in sight."""
        if text != self.toPlainText():
            self.setPlainText(text)
            self.verticalScrollBar().setValue(self.verticalScrollBar().maximum())
        self.setVisible(bool(text))


def _in_line(facts: list[str]) -> str:
    """Facts beside each other: a line ends between two of them, never within one."""
    gap = "\N{NO-BREAK SPACE}"
    return f"{gap}{gap}·  ".join(fact.replace(" ", gap) for fact in facts)


def _facts(worker: WorkerSnapshot, now: float) -> list[str]:
    """What does not need a graph."""
    service = worker.service
    facts = [worker.node]
    if service.pid is not None and service.state.alive:
        facts.append(f"PID {service.pid}")
    if service.started_at is not None and service.state.alive:
        facts.append(f"up {duration(now - service.started_at)}")
    facts.append(count(service.restarts, "restart"))
    facts.append(f"{worker.done:,} done")
    facts.append(f"{worker.reserved:,} reserved")
    if worker.scheduled:
        facts.append(f"{worker.scheduled:,} scheduled")
    if worker.prefetch is not None:
        facts.append(f"prefetch {worker.prefetch:,}")
    return facts


class VerbButton(QPushButton):
    """A button of a registered verb with a shorter word, for where the worker's name stands beside it."""

    def __init__(self, commands: Actions, key: str, word: str) -> None:
        super().__init__(word)
        self._verb = commands[key]
        self.setAccessibleName(self._verb.text())
        icons.set_icon(self, commands.action(key).icon)
        self.clicked.connect(self._verb.trigger)
        self._verb.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        self.setEnabled(self._verb.isEnabled())
        self.setToolTip(self._verb.toolTip())
