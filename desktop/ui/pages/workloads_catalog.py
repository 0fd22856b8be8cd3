"""The tasks that can be submitted, by group, each with its summary."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QLineEdit, QPushButton, QToolButton, QVBoxLayout, QWidget

from desktop.engine.api import TaskInfo
from desktop.ui import icons
from desktop.ui.widgets.containers import Column, row
from desktop.ui.widgets.flow_nodes import write
from desktop.ui.widgets.labels import label, set_tone
from desktop.ui.widgets.list_row import ListRow

_TALL = 46


class TaskRow(ListRow):
    """A task: its name above its summary. A click submits it alone."""

    def __init__(self, info: TaskInfo) -> None:
        super().__init__(_TALL, 200)
        self.info = info
        self.setAccessibleName(f"Only {info.name}. {info.summary}")
        self.setToolTip(info.doc or info.summary)

    def nextCheckState(self) -> None:
        """Whether it is in the mix is not for the click to say."""

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        box = self.ground(painter)
        line = QRectF(box.left() + 10, box.top() + 4, box.width() - 16, 19)
        write(painter, line, self.info.name, "strong" if self.isChecked() else "text")
        write(painter, line.translated(0, 18), self.info.summary, "small", "muted")


class Catalog(QWidget):
    """The list with its search field."""

    only = Signal(object)  # TaskInfo: submit this alone
    more = Signal(object)  # TaskInfo: add it to the mix
    again = Signal()  # read the tasks once more

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, TaskRow] = {}
        self._lines: list[tuple[QWidget, str]] = []
        self.search = QLineEdit()
        self.search.setPlaceholderText("Find a task")
        self.search.setAccessibleName("Find a task")
        self.search.textChanged.connect(self._filter)
        self.note = label("Reading the app's tasks…", tone="muted", wrap=True)
        self.step = label("", tone="muted", wrap=True)
        self.read_again = QPushButton("Read again")
        self.read_again.setAccessibleName("Read the app's tasks again")
        self.read_again.clicked.connect(self.again)
        self._list = Column(0, 2)
        self._list.setAccessibleName("Tasks")
        self._list.body.addStretch()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.search)
        for widget in (self.note, self.step, self.read_again):
            column.addWidget(widget)
        self.step.hide()
        self.read_again.hide()
        column.addWidget(self._list, 1)

    def show_tasks(self, tasks: Sequence[TaskInfo]) -> None:
        """Show these, group by group."""
        for line, _ in self._lines:
            line.hide()
            line.deleteLater()
        self._lines, self.rows = [], {}
        self.say("" if tasks else "The app has no task of its own.")
        for group in dict.fromkeys(info.group for info in tasks):
            members = [info for info in tasks if info.group == group]
            if group:
                head = label(group, "label", "muted")
                head.setContentsMargins(10, 8, 0, 2)
                self._put(head, " ".join(i.name + i.summary for i in members))
            for info in members:
                self._put(self._line(info), f"{info.name} {info.summary}")
        self._filter(self.search.text())

    def say(self, sentence: str) -> None:
        """A sentence instead of, or above, the list; empty: none."""
        self._say(sentence, "", "muted")

    def say_error(self, sentence: str, step: str) -> None:
        """Why there are no tasks, what to do about it, and a button to read them again."""
        self._say(sentence, step, "bad")

    def _say(self, sentence: str, step: str, tone: str) -> None:
        self.note.setText(sentence)
        set_tone(self.note, tone)
        self.note.setVisible(bool(sentence))
        self.step.setText(step)
        self.step.setVisible(bool(step))
        self.read_again.setVisible(tone == "bad")

    def show_mix(self, names: Sequence[str]) -> None:
        """Mark the tasks that are in the mix."""
        for name, line in self.rows.items():
            line.setChecked(name in names)

    def _put(self, widget: QWidget, words: str) -> None:
        self._list.body.insertWidget(self._list.body.count() - 1, widget)
        self._lines.append((widget, words.lower()))

    def _line(self, info: TaskInfo) -> QWidget:
        button, plus = TaskRow(info), QToolButton()
        self.rows[info.name] = button
        plus.setProperty("kind", "quiet")
        plus.setAccessibleName(f"Add {info.name} to the mix")
        plus.setToolTip("Add it to the mix")
        plus.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        icons.set_icon(plus, "plus", "muted")
        button.clicked.connect(lambda: self.only.emit(info))
        plus.clicked.connect(lambda: self.more.emit(info))
        line = QWidget()
        parts = row(spacing=2)
        parts.addWidget(button, 1)
        parts.addWidget(plus)
        line.setLayout(parts)
        return line

    def _filter(self, text: str) -> None:
        wanted = text.strip().lower()
        for line, words in self._lines:
            line.setVisible(wanted in words)
