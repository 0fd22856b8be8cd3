"""The dialog that adds or edits a worker; it shows the resulting command line while one edits."""

from __future__ import annotations

import re

from PySide6.QtWidgets import QFrame, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from desktop.engine.api import Desk, DeskError, WorkerSnapshot
from desktop.engine.stack.model import Autoscale, Pool, WorkerSpec
from desktop.ui.page import Shell
from desktop.ui.pages.workers_fields import FIELD_OF, WorkerFields
from desktop.ui.widgets.command_line import CommandLine
from desktop.ui.widgets.containers import Column, row
from desktop.ui.widgets.dialog import Dialog
from desktop.ui.widgets.labels import hairline, label, set_tone

# How the engine begins a reason: "worker w1, autoscale.max: …".
_REASON = re.compile(r"worker [^,]+, (?P<key>[a-z_]+)[^:]*: (?P<what>.+)")


def free_name(taken: tuple[str, ...]) -> str:
    """w1, w2, … the first that is not taken."""
    return next(name for n in range(1, len(taken) + 2) if (name := f"w{n}") not in taken)


class WorkerDialog(Dialog):
    """Fields at the left; what comes of them at the right."""

    def __init__(self, shell: Shell, worker: WorkerSnapshot | None = None) -> None:
        title = f"Edit {worker.name}" if worker else "Add a worker"
        super().__init__(shell.window_widget(), title)
        self._shell, self._worker = shell, worker
        names = tuple(w.name for w in shell.bridge.snapshot.workers)
        spec = worker.spec if worker else WorkerSpec(free_name(names), autoscale=Autoscale(1, 4))
        self.setAccessibleName(title)
        self.fields = WorkerFields(spec, () if worker else names, worker is not None)
        self.command = CommandLine("Resulting command line")
        self.error = label("", tone="bad", wrap=True)
        self.note = label("", tone="muted", wrap=True)
        self.accept_button = QPushButton("Add worker" if worker is None else "Apply")
        self.accept_button.setProperty("kind", "primary")
        self.cancel_button = QPushButton("Cancel")
        self._lay_out(title)
        self.fields.changed.connect(self.review)
        self.accept_button.clicked.connect(self._take)
        self.cancel_button.clicked.connect(self.close)
        self.resize_within(880, 720)
        self.review()

    def _lay_out(self, title: str) -> None:
        for button in (self.accept_button, self.cancel_button):
            button.setAccessibleName(button.text())
        self.accept_button.setDefault(True)
        form = Column(0, 0)
        form.setAccessibleName("Fields")
        form.body.setContentsMargins(24, 16, 20, 20)
        form.body.addWidget(self.fields)
        form.body.addStretch()
        middle = QHBoxLayout()
        middle.setSpacing(0)
        middle.addWidget(form, 3)
        middle.addWidget(hairline(vertical=True))
        middle.addWidget(self._result(), 2)
        foot = row(1, self.cancel_button, self.accept_button)
        foot.setContentsMargins(24, 12, 24, 14)
        head = label(title, "title")
        head.setContentsMargins(24, 18, 24, 12)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(head)
        column.addWidget(hairline())
        column.addLayout(middle, 1)
        column.addWidget(hairline())
        column.addLayout(foot)

    def _result(self) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(20, 16, 24, 16)
        column.setSpacing(8)
        inset = QFrame()
        inset.setProperty("kind", "inset")
        inside = QVBoxLayout(inset)
        inside.setContentsMargins(12, 10, 12, 10)
        inside.addWidget(self.command)
        column.addWidget(label("Command line", "label", "muted"))
        column.addWidget(inset)
        column.addWidget(self.error)
        column.addSpacing(8)
        self._when = label("When it takes effect", "label", "muted")
        column.addWidget(self._when)
        column.addWidget(self.note)
        column.addStretch(1)
        return box

    # what comes of the fields

    def review(self) -> None:
        """Read the fields, and show the command line, what is wrong, and how it will be applied."""
        desk = self._shell.desk
        reading = self.fields.read()
        self.fields.allow_autoscale(why_no_autoscale(desk, reading.spec))
        reading = self.fields.read()
        errors, refusal = dict(reading.errors), ""
        if not errors:
            errors, refusal = self._show_command(reading.spec)
        for key, field in self.fields.form.fields.items():
            if field.error != errors.get(key, ""):
                field.set_error(errors.get(key, ""))
        self.error.setText(refusal)
        self.error.setVisible(bool(refusal))
        wrong = bool(refusal or errors)
        self.accept_button.setEnabled(not wrong and not self._same(reading.spec))
        self._show_when(reading.spec, wrong)
        if errors:
            key, sentence = next(iter(errors.items()))
            self._note(f"{self.fields.form.fields[key].word.text()}: {sentence}", "bad")

    def _same(self, spec: WorkerSpec) -> bool:
        return self._worker is not None and spec == self._worker.spec

    def _show_command(self, spec: WorkerSpec) -> tuple[dict[str, str], str]:
        """Show the command line; when this spec cannot work, the reasons by field, and those of no field."""
        try:
            self.command.show_line(self._shell.desk.command_line(spec))
        except DeskError as error:
            return by_field(str(error))
        return {}, ""

    def _show_when(self, spec: WorkerSpec, wrong: bool) -> None:
        worker = self._worker
        word = "Add worker" if worker is None else "Apply"
        if worker is None:
            text, tone = "It starts at once when the stack runs, else with the stack.", "muted"
        elif wrong or self._same(spec):
            text, tone = "Nothing to apply yet.", "muted"
        elif not worker.service.state.alive:
            text, tone = f"{worker.name} does not run: it takes this at its next start.", "muted"
        else:
            live, why = self._shell.desk.live_change(worker.name, spec)
            text, tone = (f"At once. {why}", "good") if live else (f"By a restart. {why}", "warn")
            word = "Apply" if live else "Restart and apply"
        self._note(text, tone)
        if self.accept_button.text() != word:
            self.accept_button.setText(word)
            self.accept_button.setAccessibleName(word)

    def _note(self, text: str, tone: str) -> None:
        self.note.setText(text)
        set_tone(self.note, tone)

    def _take(self) -> None:
        reading = self.fields.read()
        if not self.fields.form.set_errors(reading.errors):
            return
        desk = self._shell.desk
        if self._worker is None:
            self._shell.do(desk.add_worker(reading.spec))
        else:
            self._shell.do(desk.edit_worker(self._worker.name, reading.spec))
        self.close()


def by_field(text: str) -> tuple[dict[str, str], str]:
    """What the engine says is wrong with a spec, by field of the form; then what belongs to no field."""
    errors: dict[str, str] = {}
    rest = []
    for line in text.splitlines():
        found = _REASON.fullmatch(line)
        field = FIELD_OF.get(found["key"]) if found else None
        if found and field:
            sentence = found["what"]
            errors.setdefault(field, sentence[:1].upper() + sentence[1:])
        else:
            rest.append(line)
    return errors, "\n".join(rest)


def why_no_autoscale(desk: Desk, spec: WorkerSpec) -> str:
    """Why this pool cannot scale; empty when it can. The engine knows, so it is asked."""
    trial = WorkerSpec("w", pool=Pool(spec.pool), autoscale=Autoscale(1, 4))
    try:
        desk.command_line(trial)
    except DeskError as error:
        errors, rest = by_field(str(error))
        return next(iter(errors.values()), rest)
    return ""
