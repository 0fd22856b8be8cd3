"""What a fault will do, said before it is done: figures, sentences, and the rules they rely on."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from desktop.engine.api import Count, Forecast, Rule
from desktop.ui import icons
from desktop.ui.fault_words import (
    FIGURE_TONES,
    FIGURE_WORDS,
    FIGURES,
    back_words,
    counted,
    one_number,
    range_of,
)
from desktop.ui.states import Tone
from desktop.ui.widgets.containers import clear, row
from desktop.ui.widgets.labels import label, set_tone
from desktop.ui.widgets.state_pill import StatePill
from desktop.ui.words import count


class Figure(QWidget):
    """A number over its word; what there is none of is quiet."""

    def __init__(self, word: str, tone: str) -> None:
        super().__init__()
        self._word, self._tone = word, tone
        self.number, self.word = label("–", "title"), label(word, "small", "muted")
        self.below = label("", "small", "muted")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for part in (self.number, self.word, self.below):
            column.addWidget(part)
        column.addStretch()

    def show_count(self, number: Count, below: str = "") -> None:
        """Show how many."""
        self.number.setText(one_number(number))
        set_tone(self.number, self._tone if number.most else "muted")
        between = range_of(number)
        below = "\n".join(part for part in (f"{between} possible" if between else "", below) if part)
        self.below.setText(below)
        self.below.setVisible(bool(below))
        self.setAccessibleName(f"{counted(number)} {self._word} {below}".strip())


class Lines(QWidget):
    """Sentences below each other. Labels are kept, so that figures in them can change twice a second."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.labels: list[QLabel] = []
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)

    def say(self, sentences: tuple[str, ...], tone: str = "") -> None:
        """Show these; the first in the tone."""
        while len(self.labels) < len(sentences):
            made = label("", wrap=True, selectable=True, parent=self)
            self.labels.append(made)
            self._column.addWidget(made)
        for at, made in enumerate(self.labels):
            text = sentences[at] if at < len(sentences) else ""
            if made.text() != text:
                made.setText(text)
            made.setVisible(bool(text))
            set_tone(made, tone if at == 0 else "")
        self.setVisible(bool(sentences))
        self.setAccessibleName(f"{self._name}: {' '.join(sentences)}")


class Rules(QWidget):
    """The rules that a forecast relies on, folded."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[Rule, ...] = ()
        self.fold = QToolButton()
        self.fold.setProperty("kind", "quiet")
        self.fold.setCheckable(True)
        self.fold.setAccessibleName("Rules")
        self.fold.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.fold.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.fold.toggled.connect(self._unfold)
        self._inner = QWidget()
        self._column = QVBoxLayout(self._inner)
        self._column.setContentsMargins(8, 0, 0, 0)
        self._column.setSpacing(2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.fold, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self._inner)
        self._unfold(False)

    def show_rules(self, rules: tuple[Rule, ...]) -> None:
        """Show these."""
        self.setVisible(bool(rules))
        if rules == self._shown:
            return
        self._shown = rules
        word = f"Relies on {count(len(rules), 'rule')}"
        self.fold.setText(word)
        self.fold.setAccessibleName(word)
        clear(self._column)
        for rule in rules:
            self._column.addWidget(label(rule.text, "small", wrap=True, selectable=True))
            source = label(rule.source, "small", "muted", wrap=True, selectable=True)
            source.setContentsMargins(0, 0, 0, 6)
            self._column.addWidget(source)

    def _unfold(self, on: bool) -> None:
        icons.set_icon(self.fold, "chevron-down" if on else "chevron-right", "muted")
        self._inner.setVisible(on)


class ForecastView(QFrame):
    """Shows a forecast; it is refreshed in place."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("kind", "inset")
        self.setAccessibleName("Forecast")
        self.pill = StatePill("Forecast")
        self.reach = label("", "small", "muted")
        self.figures = {key: Figure(FIGURE_WORDS[key], FIGURE_TONES[key]) for key in FIGURES}
        self.sentences, self.rules = Lines("Forecast"), Rules()
        self._numbers = QWidget()
        numbers = QHBoxLayout(self._numbers)
        numbers.setContentsMargins(0, 0, 0, 0)
        numbers.setSpacing(12)
        for figure in self.figures.values():
            numbers.addWidget(figure, 1, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 10, 12, 10)
        column.setSpacing(8)
        column.addLayout(row(label("Forecast", "strong"), self.pill, 1, self.reach))
        column.addWidget(self._numbers)
        column.addWidget(self.sentences)
        column.addWidget(self.rules)

    def show_forecast(self, seen: Forecast) -> None:
        """Show what would happen now."""
        tone, word = verdict_of(seen)
        self.pill.set_tone(tone, word)
        self.reach.setText(_reach(seen))
        self._numbers.setVisible(not seen.impossible)
        for key, figure in self.figures.items():
            figure.show_count(getattr(seen, key), back_words(seen) if key == "back" else "")
        said = (seen.impossible,) if seen.impossible else seen.sentences
        self.sentences.say(
            said, "bad" if seen.lost.most or seen.failed.most else "warn" if seen.hurts else ""
        )
        self.rules.show_rules(seen.rules)


def verdict_of(seen: Forecast) -> tuple[Tone, str]:
    """How bad it will be, in one word."""
    if seen.impossible:
        return Tone.IDLE, "Not possible now"
    if not seen.sure:
        return Tone.WARN, "Not sure"
    if not seen.targets:
        return Tone.IDLE, "Hits nothing"
    return (Tone.BAD, "Hurts") if seen.hurts else (Tone.GOOD, "Harmless")


def _reach(seen: Forecast) -> str:
    """Whom it hits, and what those hold."""
    if seen.impossible or not seen.targets:
        return ""
    who = ", ".join(seen.targets[:3]) + (", …" if len(seen.targets) > 3 else "")
    return f"{who}: {seen.running:,} running, {seen.held:,} held"
