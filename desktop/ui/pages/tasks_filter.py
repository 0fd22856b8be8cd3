"""The filter of the task list: text, names, queues, workers, states, time, and what ran more than once."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QIcon, QKeyEvent, QPixmap
from PySide6.QtWidgets import QComboBox, QLineEdit, QVBoxLayout, QWidget

from desktop.engine.api import Facets, TaskFilter, TaskState, TextIn
from desktop.ui.actions import Actions
from desktop.ui.models.task_words import IN_WORDS, span_words
from desktop.ui.states import Tone, word_of
from desktop.ui.theme import Theme
from desktop.ui.widgets.chips import ClosableChip, CountChip
from desktop.ui.widgets.choice_button import ChoiceButton
from desktop.ui.widgets.flow_layout import FlowLayout

_TALL = 32
_PATIENCE = 220  # ms after the last key before it searches
ALWAYS = (TaskState.WAITING, TaskState.RESERVED, TaskState.ACTIVE, TaskState.SUCCESS, TaskState.FAILURE)


class TextField(QLineEdit):
    """Esc clears it; ↓ and Enter go on to the list."""

    left = Signal()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
        elif event.key() in (Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.left.emit()
        else:
            super().keyPressEvent(event)


class FilterBar(QWidget):
    """What a person chose, as a `TaskFilter`."""

    changed = Signal()

    def __init__(self, commands: Actions) -> None:
        super().__init__()
        self._since: float | None = None
        self._until: float | None = None
        self._load: int | None = None
        self._quiet = False
        self.text = TextField()
        self.text.setPlaceholderText("Find in tasks")
        self.text.setAccessibleName("Text to find in tasks")
        self.text.setFixedWidth(196)
        self.text_in = QComboBox()
        self.text_in.setAccessibleName("Where the text is looked for")
        for where, word in IN_WORDS.items():
            self.text_in.addItem(word, where)
        self.names, self.queues = ChoiceButton("Name"), ChoiceButton("Queue")
        self.workers = ChoiceButton("Worker", _colour)
        self.twice, self.retried = (
            CountChip("Ran twice", Tone.BAD, loud=True),
            CountChip("Retried", counted=False),
        )
        self.span, self.load = ClosableChip("the time span"), ClosableChip("the workload")
        self.reset = commands.button("task.reset", "quiet")
        self.states = {state: CountChip(word_of(state), state) for state in TaskState}
        self._wait = QTimer(self, singleShot=True, interval=_PATIENCE)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        first, second = QWidget(), QWidget()
        upper, lower = FlowLayout(first, 6), FlowLayout(second, 4)
        upper_row: tuple[QWidget, ...] = (self.text, self.text_in, self.names, self.queues, self.workers)
        for field in (self.text, self.text_in):
            field.setProperty("bar", True)  # as tall and as quiet as the buttons beside it
        for widget in (*upper_row, self.twice, self.retried, self.span, self.load, self.reset):
            widget.setFixedHeight(_TALL)
            upper.addWidget(widget)
        for state, chip in self.states.items():
            lower.addWidget(chip)
            chip.setVisible(state in ALWAYS)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addWidget(first)
        column.addWidget(second)
        self.reset.setVisible(False)

    def _connect(self) -> None:
        self._wait.timeout.connect(self._tell)
        self.text.textChanged.connect(self._typed)
        self.text_in.currentIndexChanged.connect(self._where_changed)
        for choice in (self.names, self.queues, self.workers):
            choice.changed.connect(self._tell)
        for chip in (*self.states.values(), self.twice, self.retried):
            chip.toggled.connect(self._tell)
        self.span.clicked.connect(lambda: self.choose_span(None, None))
        self.load.clicked.connect(self._clear_load)

    # -- the filter

    @property
    def _where(self) -> TextIn:
        """Qt keeps only the word of it."""
        return TextIn(self.text_in.currentData())

    @property
    def filter(self) -> TaskFilter:
        """What is chosen."""
        return TaskFilter(
            states=frozenset(state for state, chip in self.states.items() if chip.isChecked()),
            names=self.names.chosen,
            workers=self.workers.chosen,
            queues=self.queues.chosen,
            text=self.text.text().strip(),
            text_in=self._where if self.text.text().strip() else TextIn.ANYWHERE,
            since=self._since,
            until=self._until,
            ran_twice=self.twice.isChecked(),
            retried=self.retried.isChecked(),
            load=self._load,
        )

    def choose(self, chosen: TaskFilter) -> None:
        """Take another filter; it is told once."""
        self._quiet = True
        for state, chip in self.states.items():
            chip.setChecked(state in chosen.states)
            chip.setVisible(chip.isVisibleTo(self) or state in chosen.states)
        self.names.choose(chosen.names)
        self.workers.choose(chosen.workers)
        self.queues.choose(chosen.queues)
        if chosen.text != self.text.text().strip():
            self.text.setText(chosen.text)
            self.text.setCursorPosition(0)
        if chosen.text or self.text_in.currentData() is None:
            self.text_in.setCurrentIndex(self.text_in.findData(chosen.text_in))
        self._since, self._until, self._load = chosen.since, chosen.until, chosen.load
        self.twice.setChecked(chosen.ran_twice)
        self.retried.setChecked(chosen.retried)
        self._wait.stop()
        self._quiet = False
        self._tell()

    def choose_span(self, since: float | None, until: float | None) -> None:
        """Only tasks that were alive between these moments; None: always."""
        if (since, until) != (self._since, self._until):
            self._since, self._until = since, until
            self._tell()

    def clear(self) -> None:
        """Let everything pass."""
        self.text_in.setCurrentIndex(self.text_in.findData(TextIn.ANYWHERE))
        self.choose(TaskFilter())

    def start_search(self, where: TextIn | None = None) -> None:
        """Put the focus into the text, all of it selected."""
        if where is not None:
            self.text_in.setCurrentIndex(self.text_in.findData(where))
        self.text.setFocus()
        self.text.selectAll()

    def show_facets(self, facets: Facets) -> None:
        """Offer what the record has, with its counts."""
        counts = dict(facets.states)
        for state, chip in self.states.items():
            chip.show_count(counts.get(state, 0))
            # Once there it stays: chips do not come and go under the pointer.
            if chip.isHidden() and (state in counts or state in ALWAYS):
                chip.show()
        self.names.offer(facets.names)
        self.queues.offer(facets.queues)
        self.workers.offer(facets.workers)
        self.twice.show_count(facets.ran_twice)

    # -- telling

    def _typed(self, _text: str) -> None:
        if not self._quiet:
            self._wait.start()

    def _where_changed(self, _index: int) -> None:
        where = self._where
        words = {TextIn.ANYWHERE: "Find in tasks", TextIn.ARGS: "Text in the arguments"}
        self.text.setPlaceholderText(words.get(where, f"Text in the {IN_WORDS[where].lower()}"))
        if self.text.text().strip():
            self._tell()

    def _clear_load(self) -> None:
        self._load = None
        self._tell()

    def _tell(self, _what: object = None) -> None:
        if self._quiet:
            return
        self._wait.stop()
        self.span.say(span_words(self._since, self._until))
        self.load.say(f"Workload {self._load}" if self._load is not None else "")
        self.reset.setVisible(not self.filter.empty)
        self.changed.emit()


def _colour(worker: str) -> QIcon:
    """A square in the worker's colour."""
    made = QPixmap(10, 10)
    made.fill(Theme.current.color_of(worker))
    return QIcon(made)
