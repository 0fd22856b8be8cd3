"""Shaping a worker while it runs: its pool's size or bounds, and its queues."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QIntValidator, QKeyEvent
from PySide6.QtWidgets import QLineEdit, QPushButton, QToolButton, QWidget

from desktop.engine.api import WorkerSnapshot
from desktop.engine.stack.model import Autoscale, Pool, WorkerSpec
from desktop.ui import icons
from desktop.ui.page import Shell
from desktop.ui.widgets.containers import Card, row
from desktop.ui.widgets.flow_layout import FlowLayout
from desktop.ui.widgets.labels import label, set_tone

MOST = 1000  # a pool larger than this is a slip of the finger


class Stepper(QWidget):
    """A number between − and +. Typing, arrow keys and clicks change it."""

    changed = Signal(int)

    def __init__(self, name: str, least: int = 1, most: int = MOST) -> None:
        super().__init__()
        self._least, self._most = least, most
        self.less, self.more = _step("minus", f"{name}: less"), _step("plus", f"{name}: more")
        self.field = QLineEdit(str(least))
        self.field.setFixedWidth(48)
        self.field.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.field.setValidator(QIntValidator(0, most * 10, self.field))
        self.field.setAccessibleName(name)
        self.setAccessibleName(name)
        self.less.clicked.connect(lambda: self._move(-1))
        self.more.clicked.connect(lambda: self._move(1))
        self.field.textEdited.connect(self._typed)
        self.field.editingFinished.connect(lambda: self.set_value(self.value))
        self.setLayout(row(self.less, self.field, self.more, spacing=2))

    @property
    def value(self) -> int:
        """The number, within its limits."""
        return min(max(int(self.field.text() or 0), self._least), self._most)

    def set_value(self, value: int) -> None:
        """Show a number without telling anybody."""
        self.field.setText(str(min(max(value, self._least), self._most)))

    def _move(self, by: int) -> None:
        self.set_value(self.value + by)
        self.changed.emit(self.value)

    def _typed(self, text: str) -> None:
        if text:
            self.changed.emit(self.value)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}.get(Qt.Key(event.key()))
        if step:
            self._move(step)
        else:
            super().keyPressEvent(event)


def _step(icon: str, name: str) -> QToolButton:
    button = QToolButton()
    button.setAccessibleName(name)
    button.setToolTip(name)
    button.setAutoRepeat(True)
    button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
    button.setFixedWidth(30)
    icons.set_icon(button, icon)
    return button


class PoolControls(Card):
    """Autoscale bounds or concurrency, with what applying them will take."""

    def __init__(self, shell: Shell) -> None:
        super().__init__("Pool")
        self._shell = shell
        self._worker: WorkerSnapshot | None = None
        self._dirty = False
        self.low, self.high = Stepper("Least", 0), Stepper("Most")
        self.concurrency = Stepper("Concurrency")
        self._low_word, self._to = label("Scales from", tone="muted"), label("to", tone="muted")
        self._size_word = label("Concurrency", tone="muted")
        self.apply = QPushButton("Apply")
        self.apply.setAccessibleName("Apply the pool's new size")
        self.apply.clicked.connect(self._apply)
        self.note = label("", "small", "muted", wrap=True)
        self.note.setMinimumHeight(34)
        self.note.setAlignment(Qt.AlignmentFlag.AlignTop)
        parts = (self._low_word, self.low, self._to, self.high, self._size_word, self.concurrency)
        self.body.addLayout(row(*parts, 1))
        foot = row(spacing=16)
        foot.addWidget(self.note, 1)
        foot.addWidget(self.apply, 0, Qt.AlignmentFlag.AlignTop)
        self.body.addLayout(foot)
        self.body.addStretch(1)
        for stepper in (self.low, self.high, self.concurrency):
            stepper.changed.connect(self._changed)

    def show_worker(self, worker: WorkerSnapshot) -> None:
        """Show a worker's bounds; what a person is changing just now is left alone."""
        other = self._worker is None or self._worker.name != worker.name
        old, self._worker = self._worker, worker
        if other or (old is not None and old.spec != worker.spec):
            self._dirty = False
        if not self._dirty:
            self._show(worker)

    def _show(self, worker: WorkerSnapshot) -> None:
        scales = worker.bounds is not None or worker.spec.autoscale is not None
        bounds: tuple[QWidget, ...] = (self._low_word, self.low, self._to, self.high)
        for widget in bounds:
            widget.setVisible(scales)
        for widget in (self._size_word, self.concurrency):
            widget.setVisible(not scales and worker.spec.pool is not Pool.SOLO)
        self.apply.setVisible(worker.spec.pool is not Pool.SOLO)
        spec = worker.spec.autoscale
        low, high = worker.bounds or ((spec.min, spec.max) if spec else (1, 1))
        self.low.set_value(low)
        self.high.set_value(high)
        self.concurrency.set_value(worker.spec.concurrency or worker.pool_size or 1)
        self.apply.setEnabled(False)
        self.apply.setText("Apply")
        set_tone(self.note, "muted")
        self.note.setText(_hint(worker, scales))

    def wanted(self) -> WorkerSpec | None:
        """The spec with the numbers that are shown."""
        if self._worker is None:
            return None
        spec = self._worker.spec
        if self.low.isVisibleTo(self):
            return replace(spec, autoscale=Autoscale(self.low.value, self.high.value), concurrency=None)
        return replace(spec, concurrency=self.concurrency.value)

    def _changed(self) -> None:
        if self.sender() is self.low and self.low.value > self.high.value:
            self.high.set_value(self.low.value)
        if self.sender() is self.high and self.high.value < self.low.value:
            self.low.set_value(self.high.value)
        wanted = self.wanted()
        if self._worker is None or wanted is None:
            return
        self._dirty = wanted != self._worker.spec
        self.apply.setEnabled(self._dirty)
        live, why = self._shell.desk.live_change(self._worker.name, wanted)
        runs = self._worker.service.state.alive
        self.apply.setText("Apply" if live or not runs else "Restart to apply")
        self.note.setText(why)
        set_tone(self.note, "good" if live else "warn")

    def _apply(self) -> None:
        wanted = self.wanted()
        if self._worker is not None and wanted is not None:
            self.apply.setEnabled(False)
            self._dirty = False
            self._shell.do(self._shell.desk.edit_worker(self._worker.name, wanted))


def _hint(worker: WorkerSnapshot, scales: bool) -> str:
    if worker.spec.pool is Pool.SOLO:
        return "One task at a time, in the worker's main process. Edit the worker to take another pool."
    if scales:
        idle = worker.spec.autoscale_keepalive
        when = f"{idle:g} s" if idle is not None else "30 s (Celery's default)"
        return f"Grows when tasks wait, shrinks when it was idle for {when}."
    return "A fixed size. Edit the worker to let it scale with the load."


class QueueControls(Card):
    """The queues that a worker consumes; each can be cancelled, another added."""

    def __init__(self, shell: Shell) -> None:
        super().__init__("Queues")
        self._shell = shell
        self._shown: tuple[str, tuple[str, ...]] = ("", ())
        self._worker: WorkerSnapshot | None = None
        self._chips = QWidget()
        self._flow = FlowLayout(self._chips, gap=6)
        self.new = QLineEdit()
        self.new.setPlaceholderText("Queue name")
        self.new.setAccessibleName("Name of a queue to add")
        self.new.setMinimumWidth(110)
        self.add_button = QPushButton("Add")
        self.add_button.setAccessibleName("Add the queue")
        self.new.returnPressed.connect(self._add)
        self.add_button.clicked.connect(self._add)
        self.add(self._chips)
        self.body.addLayout(row(self.new, self.add_button))
        self.body.addStretch(1)

    def show_worker(self, worker: WorkerSnapshot) -> None:
        """Show what it consumes now; a worker that is not up, what it will."""
        self._worker = worker
        queues = worker.queues if worker.service.state.alive and worker.queues else worker.spec.queues
        if (worker.name, queues) == self._shown:
            return
        self._shown = worker.name, queues
        while (item := self._flow.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        for queue in queues:
            self._flow.addWidget(self._chip(worker.name, queue))
        self._chips.updateGeometry()

    def _chip(self, worker: str, queue: str) -> QToolButton:
        chip = QToolButton()
        chip.setText(queue)
        chip.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        chip.setLayoutDirection(Qt.LayoutDirection.RightToLeft)
        chip.setAccessibleName(f"Cancel queue {queue}")
        chip.setToolTip(f"{worker} takes no more tasks from {queue}")
        chip.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        icons.set_icon(chip, "close", "muted")
        chip.clicked.connect(lambda: self._shell.do(self._shell.desk.cancel_queue(worker, queue)))
        return chip

    def _add(self) -> None:
        names = [name for part in self.new.text().split(",") if (name := part.strip())]
        if not names or self._worker is None:
            return
        desk, worker = self._shell.desk, self._worker
        if len(names) == 1:
            self._shell.do(desk.add_queue(worker.name, names[0]))
        else:
            queues = tuple(dict.fromkeys((*worker.spec.queues, *names)))
            self._shell.do(desk.edit_worker(worker.name, replace(worker.spec, queues=queues)))
        self.new.clear()
