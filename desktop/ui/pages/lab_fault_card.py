"""A fault that was done: its state, whom it hit, and what was foretold beside what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QWidget

from desktop.engine.api import FaultRecord, FaultState
from desktop.ui import icons
from desktop.ui.fault_words import (
    FIGURE_TONES,
    FIGURES,
    PAST_WORDS,
    back_words,
    counted,
    nothing_words,
    outcome_words,
    sentence,
    title_of,
)
from desktop.ui.pages.lab_account import IdLine
from desktop.ui.states import Tone
from desktop.ui.widgets.containers import Card, row
from desktop.ui.widgets.labels import ElidedLabel, label, set_tone
from desktop.ui.widgets.state_pill import StatePill
from desktop.ui.words import duration


class Comparison(QWidget):
    """Forecast and outcome side by side, a row for each figure of which there was any."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(2)
        self._grid.setColumnStretch(2, 1)
        self.nothing = label("", wrap=True)
        self._heads = label("Forecast", "label", "muted"), label("Outcome", "label", "muted")
        self._grid.addWidget(self.nothing, 0, 0, 1, 3)
        for column, head in enumerate(self._heads, 1):
            self._grid.addWidget(head, 0, column)
        self.cells: dict[str, tuple[QLabel, QLabel, QLabel]] = {}
        for at, key in enumerate(FIGURES, 1):
            cells = label(PAST_WORDS[key], "small", "muted"), label(""), label("")
            for column, cell in enumerate(cells):
                self._grid.addWidget(cell, at, column)
            self.cells[key] = cells

    def show_record(self, record: FaultRecord) -> None:
        """Show both."""
        seen, outcome = record.forecast, record.outcome
        self.setVisible(seen is not None and record.landed)
        if seen is None:
            return
        for key, (word, said, came) in self.cells.items():
            foretold = getattr(seen, key)
            found = None if outcome is None else len(getattr(outcome, key))
            after = back_words(seen) if key == "back" else ""
            said.setText(f"{counted(foretold)} {after}".strip() if seen.sure else f"{counted(foretold)} ?")
            if found is None:
                came.setText("–")
                set_tone(came, "muted")
            else:
                differs = outcome is not None and outcome.settled and seen.sure and not foretold.holds(found)
                first = outcome.first_back if outcome is not None and key == "back" else None
                back = f" after {duration(first)}" if first is not None else ""
                came.setText(f"{'≠ ' if differs else ''}{found:,}{back}")
                set_tone(came, "bad" if differs else FIGURE_TONES[key] if found else "")
            shown = bool(foretold.most or found)
            for cell in (word, said, came):
                cell.setVisible(shown)
        none = all(cells[0].isHidden() for cells in self.cells.values())
        self.nothing.setText(nothing_words(seen, outcome) if none else "")
        self.nothing.setVisible(none)
        for head in self._heads:
            head.setVisible(not none)


class FaultCard(Card):
    """One fault of the run."""

    def __init__(
        self,
        undo: Callable[[int], None],
        show_tasks: Callable[[FaultRecord], None],
        open_task: Callable[[str], None],
    ) -> None:
        super().__init__(padding=12)
        self.body.setSpacing(6)
        self.record: FaultRecord | None = None
        self._final = False
        self.pill = StatePill("Fault")
        self.title, self.when = ElidedLabel("", "strong"), label("", "small", "muted")
        self.text = label("", "small", "muted", wrap=True)
        self.comparison = Comparison()
        self.differs = label("", "strong", "bad", wrap=True)
        self.still = label("", "small", "muted", wrap=True)
        self.lost, self.again = IdLine("lost", "bad"), IdLine("ran again", "warn")
        self.undo = QPushButton(" Undo")
        icons.set_icon(self.undo, "undo")
        self.undo.clicked.connect(lambda: self._with(lambda record: undo(record.id)))
        self.tasks = QPushButton(" Tasks")
        self.tasks.setProperty("kind", "quiet")
        icons.set_icon(self.tasks, "task", "muted")
        self.tasks.clicked.connect(lambda: self._with(show_tasks))
        head = row(spacing=8)
        head.addWidget(self.title, 1)
        head.addWidget(self.pill)
        self.body.addLayout(head)
        self.add(self.text)
        self.add(self.differs)
        self.add(self.comparison)
        for line in (self.lost, self.again):
            line.opened.connect(open_task)
            self.add(line)
        self.add(self.still)
        self.body.addLayout(row(self.when, 1, self.tasks, self.undo))

    def _with(self, do: Callable[[FaultRecord], None]) -> None:
        if self.record is not None:
            do(self.record)

    def show_record(self, record: FaultRecord, now: float, final: bool = False) -> None:
        """Show it. `final`: nothing can be undone any more."""
        if (record, final) != (self.record, self._final):
            self.record, self._final = record, final
            self._show(record)
        self._show_time(record, now, final)

    def _show(self, record: FaultRecord) -> None:
        title = f"{record.id}  {title_of(record)}"
        self.title.setText(title)
        self.setAccessibleName(f"Fault {title}: {record.state.value}")
        if self._final and record.state is FaultState.UNDER_WAY:
            self.pill.set_tone(Tone.IDLE, "Until the end", "It lasted when the run ended")
        else:
            self.pill.set_state(record.state)
        self.text.setText(sentence(record.text))
        self.text.setVisible(bool(record.text))
        set_tone(self.text, "warn" if record.state is FaultState.MISSED else "muted")
        self.comparison.show_record(record)
        outcome = record.outcome
        differs = outcome.differs if outcome is not None else ()
        self.differs.setText("Not as forecast: " + " ".join(differs) if differs else "")
        self.differs.setVisible(bool(differs))
        self.lost.show_ids(outcome.lost if outcome is not None else ())
        self.again.show_ids(outcome.again if outcome is not None else ())
        said = "" if differs or self._final else outcome_words(outcome, record.state)
        self.still.setText(said)
        self.still.setVisible(bool(said))
        self.tasks.setVisible(record.landed)
        self.tasks.setAccessibleName(f"Tasks of fault {record.id}")
        self.tasks.setToolTip("Tasks that were alive on its targets while it lasted")

    def _show_time(self, record: FaultRecord, now: float, final: bool) -> None:
        at = record.landed_at or record.asked_at
        clock = time.strftime("%H:%M:%S", time.localtime(at))
        lasted = ""
        if record.landed_at and record.ended_at and record.ended_at - record.landed_at > 0.05:
            lasted = f"  ·  lasted {duration(record.ended_at - record.landed_at)}"
        seed = f"  ·  seed {record.spec.seed}" if record.spec.seed else ""
        self.when.setText(f"{clock}{'  ·  by the drill' if record.by_drill else ''}{lasted}{seed}")
        lasts = record.state is FaultState.UNDER_WAY and not final
        self.undo.setVisible(lasts)
        if lasts:
            left = "" if record.ends_at is None else f", {duration(max(0, round(record.ends_at - now)))} left"
            word = f" Undo{left}"
            if self.undo.text() != word:
                self.undo.setText(word)
                self.undo.setAccessibleName(f"Undo fault {record.id}{left}")
