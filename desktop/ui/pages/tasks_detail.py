"""A task's own page: its life over every attempt, what it was given, what came of it, and its relatives."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton, QToolButton, QVBoxLayout, QWidget

from desktop.engine.api import AttemptRow, Delivery, Relative, TaskDetail
from desktop.ui import icons
from desktop.ui.models.task_columns import attempts, clock, fine, moment, ran, waited
from desktop.ui.models.task_life import life_of, story
from desktop.ui.page import Shell
from desktop.ui.pages.tasks_life import LifeLine
from desktop.ui.pages.tasks_texts import FamilyCard, SmallTable, TextCard, pretty
from desktop.ui.states import Tone
from desktop.ui.widgets.containers import Card, Column, Pair, row
from desktop.ui.widgets.labels import ElidedLabel, label
from desktop.ui.widgets.state_pill import StatePill

_MOST = 60  # attempts and deliveries that are listed
_VERBS = ("retry", "revoke", "terminate", "logs")
_ATTEMPT_HEADS = ("", "Worker", "Process", "Received", "Started", "Run", "CPU", "End", "")
_DELIVERY_HEADS = ("", "Worker", "At", "Again", "ETA", "")


class TaskDetailView(QWidget):
    """Shows a `TaskDetail`; the page reads it."""

    back_wanted = Signal()
    step_wanted = Signal(int)  # -1: the one above in the list, 1: below
    task_wanted = Signal(str)  # the id of a relative

    def __init__(self, shell: Shell) -> None:
        super().__init__()
        self.shell = shell
        self.detail: TaskDetail | None = None
        self.setAccessibleName("Task")
        self._make_head()
        self.column = Column(0, 12)
        self.column.setAccessibleName("Task")
        self.column.body.setContentsMargins(0, 0, 8, 16)
        self.story = label("", wrap=True)
        self.facts = label("", "small", "muted", wrap=True)
        self.life = LifeLine()
        life = Card("Life")
        life.add(self.life)
        self.args, self.kwargs = TextCard("Arguments", self._say), TextCard("Keyword arguments", self._say)
        self.result, self.error = TextCard("Result", self._say), TextCard("Error", self._say)
        self.attempts = SmallTable(_ATTEMPT_HEADS, 8)
        self.deliveries = SmallTable(_DELIVERY_HEADS, 5)
        self._attempts_card, self._deliveries_card = Card("Attempts"), Card("Deliveries")
        self._attempts_card.add(self.attempts)
        self._deliveries_card.add(self.deliveries)
        self.family = FamilyCard()
        self.family.wanted.connect(self.task_wanted)
        for part in (self.story, self.facts, life, self.error, self.result, Pair(self.args, self.kwargs)):
            self.column.body.addWidget(part)
        for part in (self._attempts_card, self._deliveries_card, self.family):
            self.column.body.addWidget(part)
        self.column.body.addStretch(1)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(16, 12, 8, 0)
        outer.setSpacing(10)
        outer.addWidget(self._head)
        outer.addWidget(self.column, 1)

    def _make_head(self) -> None:
        self.back = QPushButton("Tasks")
        self.back.setProperty("kind", "quiet")
        self.back.setAccessibleName("Back to the list of tasks (Esc)")
        self.back.setToolTip("Back to the list (Esc)")
        icons.set_icon(self.back, "chevron-left")
        self.back.clicked.connect(self.back_wanted)
        self.above = _tool("The task above in the list", "chevron-up", "Alt+↑")
        self.below = _tool("The task below in the list", "chevron-down", "Alt+↓")
        self.above.clicked.connect(lambda: self.step_wanted.emit(-1))
        self.below.clicked.connect(lambda: self.step_wanted.emit(1))
        self.place = label("", "small", "muted")
        buttons = QWidget()
        commands = self.shell.commands
        buttons.setLayout(row(*(commands.button(f"task.{verb}") for verb in _VERBS)))
        way = QWidget()
        way.setLayout(row(self.back, self.above, self.below, self.place, 1))
        self.pill, self.twice = StatePill(), StatePill()
        self.name = ElidedLabel("", "title", where=Qt.TextElideMode.ElideMiddle)
        self.id = label("", "mono", "muted", selectable=True)
        copy = commands.tool("task.copy")
        title = QWidget()
        line = row(self.pill, self.name, self.twice, spacing=10)
        line.setStretch(1, 1)
        title.setLayout(line)
        ids = QWidget()
        ids.setLayout(row(self.id, copy, 1, spacing=4))
        self._head = QWidget()
        column = QVBoxLayout(self._head)
        column.setContentsMargins(0, 0, 8, 0)
        column.setSpacing(6)
        column.addWidget(Pair(way, buttons, (1, 0)))
        column.addWidget(title)
        column.addWidget(ids)

    # -- showing

    def show_detail(self, detail: TaskDetail, now: float) -> None:
        """Show a task as it stands; another one begins at its top."""
        other = self.detail is None or self.detail.row.id != detail.row.id
        self.detail = detail
        task = detail.row
        self.setAccessibleName(f"Task {task.name}, {task.id}")
        self.pill.set_state(task.state)
        self.name.setText(task.name)
        self.id.setText(task.id)
        self.twice.setVisible(task.ran_twice)
        self.twice.set_tone(Tone.BAD, attempts(task).replace("×, ", " attempts, "))
        told = story(detail, now)
        self.story.setText(told)
        self.story.setVisible(bool(told))
        self.facts.setText(_in_line(_facts(detail, now)))
        record = self.shell.desk.record()
        self.life.show_life(life_of(detail, now, record.marks() if record is not None else ()))
        self._show_texts(detail)
        self._show_tables(detail, now)
        me = Relative(task.id, task.name, task.state, task.number)
        self.family.show_family(me, detail.root, detail.parent, detail.children)
        if other:
            self.column.verticalScrollBar().setValue(0)

    def show_place(self, at: int | None, of: int) -> None:
        """Where it stands in the list; None: it is not in it."""
        self.place.setText(f"{at + 1:,} of {of:,}" if at is not None else "not in the list")
        self.above.setEnabled(at is not None and at > 0)
        self.below.setEnabled(at is not None and at < of - 1)

    def _show_texts(self, detail: TaskDetail) -> None:
        cut = "They were longer than the record keeps." if detail.args_cut else ""
        known = "" if detail.args else "None are known."
        self.args.show_text(pretty(detail.args), cut or known, "warn" if cut else "")
        named = "" if detail.kwargs == "{}" else detail.kwargs
        self.kwargs.show_text(pretty(named), cut or ("" if named else "None."), "warn" if cut else "")
        last = detail.attempts[-1] if detail.attempts else None
        result = last.result if last is not None else ""
        self.result.setVisible(bool(result))
        self.result.show_text(result)
        self._show_error(detail, last)

    def _show_error(self, detail: TaskDetail, last: AttemptRow | None) -> None:
        failed = next((a for a in reversed(detail.attempts) if a.traceback or a.error), None)
        error = detail.row.error or (failed.error if failed is not None else "")
        text = ((failed.traceback if failed is not None else "") or error).rstrip("\n")
        self.error.setVisible(bool(text))
        earlier = failed is not None and failed is not last
        about = "Of an earlier attempt." if earlier else error if text != error else ""
        asked = failed is not None and failed.state == "RETRY"
        self.error.show_text(text, about, "" if earlier else "warn" if asked else "bad")

    def _show_tables(self, detail: TaskDetail, now: float) -> None:
        shown = list(enumerate(detail.attempts, 1))[-_MOST:]
        self.attempts.show_rows([_attempt_cells(n, attempt, now) for n, attempt in shown])
        self._attempts_card.setVisible(bool(shown))
        taken = list(enumerate(detail.deliveries, 1))[-_MOST:]
        self.deliveries.show_rows([_delivery_cells(n, delivery) for n, delivery in taken])
        self._deliveries_card.setVisible(bool(taken))

    def _say(self, words: str) -> None:
        self.shell.toasts.say(words, "info")

    def keyPressEvent(self, event: QKeyEvent) -> None:
        alt = bool(event.modifiers() & Qt.KeyboardModifier.AltModifier)
        step = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(Qt.Key(event.key())) if alt else None
        if step is not None and (self.above if step < 0 else self.below).isEnabled():
            self.step_wanted.emit(step)
        elif event.key() == Qt.Key.Key_Escape:
            self.back_wanted.emit()
        else:
            super().keyPressEvent(event)


def _facts(detail: TaskDetail, now: float) -> list[str]:
    task = detail.row
    facts = [f"queue {task.queue}"] if task.queue else []
    facts += [f"on {task.worker}"] if task.worker else []
    facts += [f"sent {moment(task.sent)}"] if task.sent is not None else []
    facts += [f"ETA {clock(detail.eta)}"] if detail.eta is not None else []
    wait, run = waited(task, now), ran(task, now)
    facts += [f"waited {fine(wait)}"] if wait is not None else []
    facts += [f"{'runs for' if task.run is None else 'ran'} {fine(run)}"] if run is not None else []
    facts += [f"{fine(task.cpu)} CPU"] if task.cpu is not None else []
    facts += [f"workload {detail.load}"] if detail.load is not None else []
    return [*facts, f"no. {task.number:,}"]


def _in_line(facts: list[str]) -> str:
    gap = "\N{NO-BREAK SPACE}"
    return f"{gap}{gap}·  ".join(fact.replace(" ", gap) for fact in facts)


def _attempt_cells(number: int, attempt: AttemptRow, now: float) -> list[tuple[str, str]]:
    run = attempt.run
    if run is None:
        run = (attempt.ended if attempt.ended is not None else now) - attempt.started
    end = {"": "runs", "CUT": "cut off: its process died"}.get(attempt.state, attempt.state)
    tone = {"FAILURE": "bad", "CUT": "bad", "RETRY": "warn", "SUCCESS": "good", "": "accent"}
    about = attempt.error or ("the message went back to its queue" if attempt.requeued else "")
    return [
        (str(number), "muted"),
        (f"{attempt.worker}" + (f" (start {attempt.start})" if attempt.start > 1 else ""), ""),
        (str(attempt.pid), "muted"),
        (clock(attempt.received), "muted"),
        (clock(attempt.started), ""),
        (fine(run), ""),
        (fine(attempt.cpu), "muted"),
        (end, tone.get(attempt.state, "muted")),
        (about, "muted"),
    ]


def _delivery_cells(number: int, delivery: Delivery) -> list[tuple[str, str]]:
    again = "redelivered" if delivery.redelivered else f"retry {delivery.retries}" if delivery.retries else ""
    return [
        (str(number), "muted"),
        (delivery.worker, ""),
        (clock(delivery.t), ""),
        (again or "–", "warn" if delivery.redelivered else "muted"),
        (clock(delivery.eta), "muted"),
        ("", ""),
    ]


def _tool(name: str, icon: str, keys: str) -> QToolButton:
    button = QToolButton()
    button.setProperty("kind", "quiet")
    button.setAccessibleName(name)
    button.setToolTip(f"{name} ({keys})")
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    icons.set_icon(button, icon)
    return button
