"""Where a workload is put together: its mix, the chosen task's arguments, and its shape."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import (
    QAbstractButton,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop.engine.api import TaskInfo, Workload
from desktop.ui import icons
from desktop.ui.pages.workers_fields import OptionalNumber
from desktop.ui.pages.workers_pool import Stepper
from desktop.ui.pages.workloads_args import ArgumentForm
from desktop.ui.pages.workloads_draft import Draft, DraftTask
from desktop.ui.pages.workloads_presets import sentence
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Card, Column, clear, row
from desktop.ui.widgets.flow_nodes import write
from desktop.ui.widgets.form import Field
from desktop.ui.widgets.labels import hairline, label

_ROUTED = "as the app routes it"


class MixButton(QAbstractButton):
    """One task of the mix; choosing it shows its arguments."""

    def __init__(self, task: DraftTask) -> None:
        super().__init__()
        self.task = task
        self.setCheckable(True)
        self.setAutoExclusive(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setFixedHeight(46)
        self.refresh()

    def refresh(self) -> None:
        """Show the task's arguments as they are now."""
        self.setAccessibleName(f"{self.task.info.name}: {self.task.summary()}")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(160, 46)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = "focus" if self.hasFocus() else "line_strong" if self.isChecked() else "line"
        painter.setPen(QPen(theme.color("bad" if self.task.errors else edge), 2 if self.hasFocus() else 1))
        painter.setBrush(theme.color("hover" if self.underMouse() else "surface"))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)
        line = QRectF(12, 4, self.width() - 20, 19)
        write(painter, line, self.task.info.name, "strong" if self.isChecked() else "text")
        wrong = f"{len(self.task.errors)} wrong" if self.task.errors else ""
        below = line.translated(0, 18)
        write(painter, below, wrong or self.task.summary(), "small", "bad" if wrong else "muted")


class WorkloadForm(Card):
    """Reads a draft and gives a `Workload`; `submitted` carries it."""

    submitted = Signal(object)  # Workload
    mix_changed = Signal()

    def __init__(self) -> None:
        super().__init__("Workload")
        self.draft = Draft()
        self._chosen: DraftTask | None = None
        self.buttons: dict[str, MixButton] = {}
        self._shares: dict[str, QLabel] = {}
        self.name = QLineEdit()
        self.name.setAccessibleName("Name of the workload")
        self._mix = QVBoxLayout()
        self._mix.setSpacing(6)
        self._about = label("", "small", "muted", wrap=True)
        self.arguments = ArgumentForm()
        self.queue = QComboBox()
        self.queue.setEditable(True)
        self.queue.setAccessibleName("Queue")
        self.countdown = OptionalNumber("Countdown in seconds", "none", whole=False)
        self.count = OptionalNumber("How many tasks", "no end")
        self.rate = OptionalNumber("Tasks a second", "full speed", whole=False)
        self.seconds = OptionalNumber("For how many seconds", "no limit", whole=False)
        self.says = label("", tone="muted", wrap=True)
        self.submit = QPushButton("Submit")
        self.submit.setProperty("kind", "primary")
        self.submit.setMinimumWidth(140)
        self._lay_out()
        self._connect()
        self.show_queues(())
        self._allowed = True

    def _lay_out(self) -> None:
        self.body.setSpacing(10)
        self.add(self.name)
        scroll = Column(0, 10)
        scroll.setAccessibleName("Mix and arguments")
        scroll.body.setContentsMargins(0, 0, 6, 8)
        scroll.body.addLayout(self._mix)
        self._details = QWidget()
        inside = QVBoxLayout(self._details)
        inside.setContentsMargins(0, 4, 0, 0)
        inside.setSpacing(12)
        inside.addWidget(self._about)
        inside.addWidget(self.arguments)
        inside.addLayout(_line(Field("Queue", self.queue), Field("Countdown, s", self.countdown)))
        scroll.body.addWidget(self._details)
        scroll.body.addStretch(1)
        self.add(scroll, 1)
        self.add(hairline())
        fields = (
            Field("Count", self.count),
            Field("Per second", self.rate),
            Field("For seconds", self.seconds),
        )
        self.body.addLayout(_line(*fields))
        self.says.setMinimumHeight(36)
        foot = row(spacing=16)
        foot.addWidget(self.says, 1)
        foot.addWidget(self.submit)
        self.body.addLayout(foot)

    def _connect(self) -> None:
        self.arguments.edited.connect(self._take_arguments)
        self.queue.currentTextChanged.connect(self._take_place)
        self.countdown.textEdited.connect(self._take_place)
        for field in (self.count, self.rate, self.seconds):
            field.textEdited.connect(self.review)
        self.name.textEdited.connect(self.review)
        self.submit.clicked.connect(self._submit)

    # what it is told

    def show_queues(self, names: Sequence[str]) -> None:
        """The queues to choose from; what is chosen stays."""
        wanted = [_ROUTED, *names]
        if [self.queue.itemText(i) for i in range(self.queue.count())] == wanted:
            return
        text = self.queue.currentText() or _ROUTED
        self.queue.blockSignals(True)
        self.queue.clear()
        self.queue.addItems(wanted)
        self.queue.setCurrentText(text)
        self.queue.blockSignals(False)

    def allow(self, allowed: bool, why: str = "") -> None:
        """Whether the stack can take a workload now."""
        self._allowed = allowed
        self.submit.setToolTip(why)
        self.review()

    def take(self, workload: Workload, catalog: dict[str, TaskInfo]) -> None:
        """Become a preset."""
        self.draft.take(workload, catalog)
        self.name.setText(workload.name)
        for field, value in (
            (self.count, workload.count),
            (self.rate, workload.rate),
            (self.seconds, workload.seconds),
        ):
            field.set_value(value)
        self._rebuild(self.draft.tasks[0] if self.draft.tasks else None)

    def only(self, info: TaskInfo) -> None:
        """Submit one task alone."""
        self.name.clear()
        self._rebuild(self.draft.only(info))

    def more(self, info: TaskInfo) -> None:
        """Add a task to the mix."""
        self.name.clear()
        self._rebuild(self.draft.add(info))

    # the mix

    def _rebuild(self, choose: DraftTask | None) -> None:
        clear(self._mix)
        self.buttons, self._shares = {}, {}
        for task in self.draft.tasks:
            self._mix.addWidget(self._mix_line(task))
        self._choose(choose)
        self.mix_changed.emit()
        self.review()

    def _mix_line(self, task: DraftTask) -> QWidget:
        button, line = MixButton(task), QWidget()
        self.buttons[task.info.name] = button
        button.clicked.connect(lambda: self._choose(task))
        parts = row(spacing=8)
        parts.addWidget(button, 1)
        if len(self.draft.tasks) > 1:
            share = label(f"{self.draft.share_of(task):.0%}", "small", "muted")
            share.setFixedWidth(36)
            self._shares[task.info.name] = share
            share.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            weight = Stepper(f"Weight of {task.info.name}", 1, 1000)
            weight.set_value(task.weight)
            weight.changed.connect(lambda value: self._weigh(task, value))
            parts.addWidget(share)
            parts.addWidget(weight)
            parts.addWidget(self._remover(task))
        line.setLayout(parts)
        return line

    def _remover(self, task: DraftTask) -> QToolButton:
        button = QToolButton()
        button.setProperty("kind", "quiet")
        button.setAccessibleName(f"Take {task.info.name} out of the mix")
        button.setToolTip("Take it out of the mix")
        icons.set_icon(button, "close", "muted")
        button.clicked.connect(lambda: self._remove(task))
        return button

    def _remove(self, task: DraftTask) -> None:
        self.draft.remove(task.info.name)
        stays = self._chosen is not task
        self._rebuild(self._chosen if stays else self.draft.tasks[0])

    def _weigh(self, task: DraftTask, weight: int) -> None:
        task.weight = weight
        for other in self.draft.tasks:
            self._shares[other.info.name].setText(f"{self.draft.share_of(other):.0%}")
        self.mix_changed.emit()

    def _choose(self, task: DraftTask | None) -> None:
        self._chosen = task
        self._details.setVisible(task is not None)
        if task is None:
            return
        self.buttons[task.info.name].setChecked(True)
        self._about.setText(task.info.summary)
        self._about.setVisible(bool(task.info.summary))
        self.arguments.show_params(task.info.params, task.values)
        task.errors = self.arguments.read()[1]
        self.queue.blockSignals(True)
        self.queue.setCurrentText(task.queue or _ROUTED)
        self.queue.blockSignals(False)
        self.countdown.set_value(task.countdown)

    def _take_arguments(self) -> None:
        if self._chosen is not None:
            self._chosen.values, self._chosen.errors = self.arguments.read()
            self.buttons[self._chosen.info.name].refresh()
            self.review()

    def _take_place(self, _value: str = "") -> None:
        if self._chosen is not None:
            queue = self.queue.currentText().strip()
            self._chosen.queue = None if queue in ("", _ROUTED) else queue
            self._chosen.countdown = self.countdown.value()
            self.buttons[self._chosen.info.name].refresh()

    # what comes of it

    def workload(self) -> Workload:
        """What would be submitted."""
        return Workload(
            tuple(task.share() for task in self.draft.tasks),
            count=self.count.value(),
            rate=self.rate.value(),
            seconds=self.seconds.value(),
            name=self.name.text().strip() or self.draft.name(),
        )

    def review(self, _value: object = None) -> None:
        """Say what will be sent, and whether it can be."""
        workload = self.workload()
        self.name.setPlaceholderText(self.draft.name() or "Name")
        wrong = any(task.errors for task in self.draft.tasks)
        shaped = bool(workload.count or workload.rate)
        ready = bool(workload.mix) and shaped and not wrong
        text = sentence(workload) if not wrong else "An argument is wrong."
        if ready and not self._allowed:
            text = f"{text} {self.submit.toolTip()}"
        self.says.setText(text if workload.mix else "Choose a task at the left.")
        self.submit.setEnabled(ready and self._allowed)
        word = f"Submit {workload.count:,}" if workload.count and workload.mix else "Submit"
        self.submit.setText(word)
        self.submit.setAccessibleName(f"{word}: {workload.name}" if workload.mix else "Submit")

    def _submit(self) -> None:
        self.submitted.emit(self.workload())


def _line(*fields: QWidget) -> QVBoxLayout:
    column = QVBoxLayout()
    line = row(spacing=12)
    for field in fields:
        line.addWidget(field, 1, Qt.AlignmentFlag.AlignTop)
    column.addLayout(line)
    return column
