"""What is asked about runs: a note, and the cap with what it would delete."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QCheckBox,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QPushButton,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from desktop.engine.api import Cap, DeskError, PrunePlan, RunInfo
from desktop.ui.page import Shell
from desktop.ui.pages.runs_model import when
from desktop.ui.widgets.containers import row
from desktop.ui.widgets.dialog import Dialog
from desktop.ui.widgets.form import Field
from desktop.ui.widgets.labels import hairline, label, set_tone
from desktop.ui.words import count, memory

_GIB = 1024**3
_TYPED_MS = 250  # after the last key, before the engine is asked
_LONGEST = 2_000
_HEADS = ("When", "Stack", "Size", "Why")
_SIZE, _WHY = 2, 3
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class NoteDialog(Dialog):
    """A few words about a run, and whether it is kept."""

    def __init__(self, shell: Shell, run: RunInfo, write: Callable[[RunInfo, str, bool], None]) -> None:
        super().__init__(shell.window_widget(), "Note")
        self._run, self._write = run, write
        self.setMinimumWidth(460)
        self.text = QLineEdit(run.note, maxLength=_LONGEST)
        self.text.setPlaceholderText("What was tried, and what came of it")
        self.kept = QCheckBox("Keep this run, whatever the cap says")
        self.kept.setAccessibleName(self.kept.text())
        self.kept.setChecked(run.kept)
        self.save, cancel = QPushButton("Save"), QPushButton("Cancel")
        self.save.setProperty("kind", "primary")
        self.save.setDefault(True)
        for button in (self.save, cancel):
            button.setAccessibleName(button.text())
        self.save.clicked.connect(self._save)
        cancel.clicked.connect(self.close)
        column = QVBoxLayout(self)
        column.setContentsMargins(22, 20, 22, 18)
        column.setSpacing(14)
        column.addWidget(label(f"{run.stack}, {when(run.began)}", "section"))
        column.addWidget(Field("Note", self.text))
        column.addWidget(self.kept)
        column.addSpacing(4)
        column.addLayout(row(1, cancel, self.save))
        self.text.setFocus()

    def _save(self) -> None:
        self._write(self._run, self.text.text().strip(), self.kept.isChecked())
        self.close()


class CapDialog(Dialog):
    """Three limits, and beside them what they would delete now. Nothing goes that did not stand there."""

    def __init__(self, shell: Shell, changed: Callable[[str], None]) -> None:
        super().__init__(shell.window_widget(), "Cap on old runs")
        self._shell, self._changed = shell, changed
        self._asked: Cap | None = None
        self.plan: PrunePlan | None = None
        self._cap = cap = shell.desk.cap()
        self.room, self.days, self.runs = QLineEdit(), QLineEdit(), QLineEdit()
        self.room.setText(_gib(cap.bytes))
        self.days.setText("" if cap.days is None else f"{cap.days:g}")
        self.runs.setText("" if cap.runs is None else str(cap.runs))
        self.going = _plan_table()
        self.sum = label("", tone="muted", wrap=True)
        self.cancel, self.save = QPushButton("Cancel"), QPushButton("Save the cap")
        self.delete = QPushButton("Save, and delete")
        self._timer = QTimer(self, singleShot=True, interval=_TYPED_MS)
        self._timer.timeout.connect(self._ask)
        self._lay_out()
        self._connect()
        self._ask()

    def _lay_out(self) -> None:
        self.save.setProperty("kind", "primary")
        self.delete.setProperty("kind", "danger")
        for button in (self.cancel, self.save, self.delete):
            button.setAccessibleName(button.text())
        fields = QHBoxLayout()
        fields.setSpacing(12)
        self.fields = {
            "bytes": Field("All runs together, GiB", self.room, "Empty: as large as they get."),
            "days": Field("Older than, days", self.days, "Empty: however old."),
            "runs": Field("More than, runs", self.runs, "Empty: however many."),
        }
        for field in self.fields.values():
            fields.addWidget(field, 1)
        foot = row(1, self.cancel, self.save, self.delete)
        foot.setContentsMargins(22, 12, 22, 16)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self._head(fields))
        column.addWidget(hairline())
        column.addWidget(self._preview(), 1)
        column.addWidget(hairline())
        column.addLayout(foot)
        self.resize_within(640, 520)

    def _head(self, fields: QHBoxLayout) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(22, 18, 22, 16)
        column.setSpacing(10)
        column.addWidget(label("Cap on old runs", "title"))
        said = "The oldest go first. Runs that are kept, recorded or open never do, and nothing goes unasked."
        column.addWidget(label(said, tone="muted", wrap=True))
        column.addSpacing(4)
        column.addLayout(fields)
        return box

    def _preview(self) -> QWidget:
        box = QWidget()
        column = QVBoxLayout(box)
        column.setContentsMargins(22, 14, 22, 14)
        column.setSpacing(8)
        column.addWidget(self.sum)
        column.addWidget(self.going, 1)
        return box

    def _connect(self) -> None:
        for field in (self.room, self.days, self.runs):
            field.textEdited.connect(lambda _text: self._typed())
        self.cancel.clicked.connect(self.close)
        self.save.clicked.connect(partial(self._save, False))
        self.delete.clicked.connect(partial(self._save, True))

    # the limits

    def _typed(self) -> None:
        """What stands there is no longer what the fields say."""
        self.plan = None
        self._allow()
        self._timer.start()

    def read(self) -> Cap | None:
        """The limits of the fields; None, with the reason at its field, when one is none."""
        size = _number(self.room.text())
        days, runs = _number(self.days.text()), _number(self.runs.text())
        whole = runs is None or isinstance(runs, str) or runs == int(runs)
        errors = {
            "bytes": size if isinstance(size, str) else "",
            "days": days if isinstance(days, str) else "",
            "runs": runs if isinstance(runs, str) else "" if whole else "A whole number, or nothing.",
        }
        for key, field in self.fields.items():
            if field.error != errors[key]:
                field.set_error(errors[key])
        if isinstance(size, str) or isinstance(days, str) or isinstance(runs, str) or not whole:
            return None
        # What stands there is rounded: a limit that nobody touched stays what it is to the byte.
        same = self.room.text() == _gib(self._cap.bytes)
        room = self._cap.bytes if same else None if size is None else round(size * _GIB)
        return Cap(room, days, None if runs is None else int(runs))

    # what they would delete

    def _ask(self) -> None:
        cap = self._asked = self.read()
        if cap is None:
            self.sum.setText("Mend the limit that is marked.")
            self._allow()
            return
        self._shell.bridge.run(self._shell.desk.prune_plan(cap), self._show, self._failed, self)

    def _failed(self, error: DeskError) -> None:
        self.sum.setText(str(error))
        set_tone(self.sum, "bad")

    def _show(self, plan: PrunePlan) -> None:
        if plan.cap != self._asked or self._timer.isActive():
            return  # of limits that stand there no more
        self.plan = plan
        self.going.setRowCount(len(plan.runs))
        for at, (run, reason) in enumerate(plan.runs):
            why = f"{reason}  ·  “{run.note}”" if run.note else reason
            for column, text in enumerate((when(run.began), run.stack, memory(run.size), why)):
                item = QTableWidgetItem(text)
                item.setToolTip(str(run.folder) if column < _WHY else why)
                if column == _SIZE:
                    item.setTextAlignment(_RIGHT)
                self.going.setItem(at, column, item)
        many = count(len(plan.runs), "run")
        text = f"{many} ({memory(plan.freed)}) would be deleted; {memory(plan.left)} stay."
        self.sum.setText(text if plan.runs else f"Nothing is over this cap; {memory(plan.left)} are there.")
        set_tone(self.sum, "" if plan.runs else "muted")
        self._allow()

    def _allow(self) -> None:
        plan = self.plan
        self.save.setEnabled(plan is not None)
        self.going.setVisible(plan is not None and bool(plan.runs))
        self.delete.setVisible(plan is not None and bool(plan.runs))
        if plan is not None and plan.runs:
            self.delete.setText(f"Save, and delete {count(len(plan.runs), 'run')}")
            self.delete.setAccessibleName(self.delete.text())

    def _save(self, delete: bool) -> None:
        plan = self.plan
        if plan is None:
            return
        then = partial(self._prune, plan) if delete else self._saved
        self._shell.bridge.run(self._shell.desk.set_cap(plan.cap), then, None, self._shell.window_widget())
        self.close()

    def _saved(self, _plan: PrunePlan) -> None:
        self._shell.toasts.say("The cap is remembered.")
        self._changed("")

    def _prune(self, agreed: PrunePlan, _now: PrunePlan) -> None:
        """What stood in the list, not what may have come since."""
        self._shell.do(self._shell.desk.prune(agreed), self._changed)


def _plan_table() -> QTableWidget:
    made = QTableWidget(0, len(_HEADS))
    made.setHorizontalHeaderLabels(_HEADS)
    made.setAccessibleName("Runs that would be deleted")
    made.setProperty("ring", True)
    made.setFrameShape(QFrame.Shape.NoFrame)
    made.setShowGrid(False)
    made.setWordWrap(False)
    made.setTabKeyNavigation(False)
    made.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
    made.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
    made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    made.verticalHeader().hide()
    made.verticalHeader().setDefaultSectionSize(30)
    head = made.horizontalHeader()
    head.setHighlightSections(False)
    head.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    head.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
    head.setSectionResizeMode(_WHY, QHeaderView.ResizeMode.Stretch)
    for column, width in enumerate((120, 150, 84)):
        made.setColumnWidth(column, width)
    size = made.horizontalHeaderItem(_SIZE)
    if size is not None:
        size.setTextAlignment(_RIGHT)
    return made


def _gib(size: int | None) -> str:
    return "" if size is None else f"{size / _GIB:.3g}"


def _number(text: str) -> float | str | None:
    """A limit, None for an empty field, or what is wrong with it."""
    text = text.strip().replace(",", ".")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        return "A number, or nothing."
    return value if 0 <= value < 1e9 else "From 0, or nothing."
