"""The sum over all queues: what was submitted is what is anywhere; if not, that is said loudly."""

from __future__ import annotations

import time
from collections.abc import Callable

from PySide6.QtCore import QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFontMetricsF, QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QSizePolicy, QWidget

from desktop.engine.api import Balance
from desktop.ui import fonts
from desktop.ui.pages.queues_places import MEANING, Place, paint_place
from desktop.ui.states import Tone
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Card
from desktop.ui.widgets.labels import label
from desktop.ui.widgets.state_pill import StatePill
from desktop.ui.words import short

_CENTRE = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter
_TALL, _PAD, _SIGN = 46, 6, 12
# How it is written, the less room the further: font of the numbers, rounded or not, verdict in a line below.
_WAYS = (
    ("title", False, False),
    ("section", False, False),
    ("section", False, True),
    ("section", True, True),
)
STILL = 1.5  # seconds without a change: the broker is looked at once a second
SUBMITTED, COPIES, ENDED = "submitted", "copies", "ended"
_TIPS = {
    SUBMITTED: "tasks that were sent, or were first seen at a worker or in a queue",
    COPIES: "messages of tasks that have ended or are elsewhere already: they will run once more",
    ENDED: "succeeded, failed, revoked, purged or lost",
    **{place.value: MEANING[place] for place in Place},
}


class SumCell(QAbstractButton):
    """A number over its word. A click leads to its tasks."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word
        self.number, self.lost = 0, 0
        self._role, self._short = _WAYS[0][:2]
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        self._name()

    def show_number(self, number: int, lost: int = 0) -> None:
        """Show a number; of the ended ones, how many are lost."""
        if (number, lost) != (self.number, self.lost):
            self.number, self.lost = number, lost
            self._name()
            self.updateGeometry()
            self.update()

    def write(self, role: str, shortly: bool) -> None:
        """Take another size of the number."""
        if (role, shortly) != (self._role, self._short):
            self._role, self._short = role, shortly
            self.updateGeometry()
            self.update()

    def width_in(self, role: str, shortly: bool) -> int:
        """How wide it would be."""
        number = QFontMetricsF(fonts.font(role)).horizontalAdvance(self._text(shortly))
        below = QFontMetricsF(fonts.font("small")).horizontalAdvance(f"{self.word}{self._more()}")
        swatch = 14 if self._place() else 0
        return round(max(number, below + swatch)) + 2 * _PAD

    def sizeHint(self) -> QSize:
        return QSize(self.width_in(self._role, self._short), _TALL)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def _name(self) -> None:
        self.setAccessibleName(f"{self.number:,} {self.word}{self._more()}")
        self.setToolTip(f"{self.number:,} {self.word}: {_TIPS[self.word]}")

    def _text(self, shortly: bool) -> str:
        return short(self.number) if shortly else f"{self.number:,}"

    def _more(self) -> str:
        return f", {self.lost:,} lost" if self.lost else ""

    def _place(self) -> Place | None:
        return Place(self.word) if self.word in list(Place) else None

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme, box = QPainter(self), Theme.current, QRectF(self.rect())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.hasFocus() or self.underMouse():
            painter.setPen(QPen(theme.color("focus"), 2) if self.hasFocus() else Qt.PenStyle.NoPen)
            painter.setBrush(theme.color("hover"))
            painter.drawRoundedRect(box.adjusted(1, 1, -1, -1), 6, 6)
        loud = self.number and self.word == Place.STRANDED
        painter.setFont(fonts.font(self._role))
        painter.setPen(theme.color("warn" if loud else "text"))
        painter.drawText(box.adjusted(0, 2, 0, -20), int(_CENTRE), self._text(self._short))
        self._paint_word(painter, QRectF(0, box.bottom() - 20, box.width(), 16))

    def _paint_word(self, painter: QPainter, line: QRectF) -> None:
        place, metrics = self._place(), QFontMetricsF(fonts.font("small"))
        wide = metrics.horizontalAdvance(f"{self.word}{self._more()}")
        x = line.center().x() - (wide + (14 if place else 0)) / 2
        if place:
            paint_place(painter, place, QRectF(round(x), round(line.top() + 4), 9, 9))
            x += 14
        painter.setFont(fonts.font("small"))
        painter.setPen(Theme.current.color("muted"))
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(QRectF(x, line.top(), line.width(), line.height()), int(left), self.word)
        if self.lost:
            painter.setPen(Theme.current.color("bad"))
            at = x + metrics.horizontalAdvance(self.word)
            painter.drawText(QRectF(at, line.top(), line.width(), line.height()), int(left), self._more())


class SumStrip(Card):
    """submitted = waiting + reserved + active + scheduled + stranded + ended, and whether it holds.

    Copies are added to the submitted ones, and shown only where there are any.
    """

    wanted = Signal(str)  # the word of a number that was clicked

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(padding=0)
        self.setAccessibleName("Sum over all queues")
        self._clock = clock
        self._balance: Balance | None = None
        self._moved = 0.0  # when a number changed last
        self._over = False
        self.body.setContentsMargins(8, 8, 14, 8)
        self.body.setSpacing(4)
        words = (SUBMITTED, COPIES, *(place.value for place in Place), ENDED)
        self.cells = {word: SumCell(word) for word in words}
        self.verdict = StatePill("Sum")
        self.sentence = label("", wrap=True)
        self.sentence.setContentsMargins(8, 0, 0, 2)
        self.sentence.setVisible(False)
        self._line, self._below = QHBoxLayout(), QHBoxLayout()
        line = self._line
        line.setSpacing(0)
        signs = {word: _sign("=" if word == Place.WAITING else "+") for word in words[1:]}
        self._copies = (signs[COPIES], self.cells[COPIES])
        for part in self._copies:
            part.hide()
        for word, cell in self.cells.items():
            if word in signs:
                line.addWidget(signs[word])
            line.addWidget(cell)
            cell.clicked.connect(lambda _checked=False, word=word: self.wanted.emit(word))
        line.addStretch(1)
        line.addWidget(self.verdict, 0, Qt.AlignmentFlag.AlignVCenter)
        self._below.setSpacing(8)
        self._below.addWidget(self.sentence, 1)
        self.body.addLayout(line)
        self.body.addLayout(self._below)

    def show_balance(self, balance: Balance | None, over: bool = False) -> None:
        """Show where all messages are; without a balance there is nothing to show. `over`: nothing runs."""
        self.setVisible(balance is not None)
        if balance != self._balance:
            self._balance, self._moved = balance, self._clock()
        self._over = over
        if balance is None:
            return
        for word, cell in self.cells.items():
            cell.show_number(getattr(balance, word), balance.lost if word == ENDED else 0)
        for part in self._copies:
            part.setVisible(balance.copies > 0)
        self.tick()

    def tick(self) -> None:
        """Judge it anew: a difference is loud once nothing has moved for a moment."""
        if self._balance is None:
            return
        still = self._clock() - self._moved >= STILL
        tone, verdict, sentence = judge(self._balance, still, self._over)
        self.verdict.set_tone(tone, verdict, sentence or "Every submitted task is in one of these places.")
        self.verdict.updateGeometry()
        if sentence != self.sentence.text():
            self.sentence.setText(sentence)
            self.sentence.setVisible(bool(sentence))
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """The largest writing for which there is room; the verdict goes below before a number is rounded."""
        verdict = self.verdict.sizeHint().width() + 8
        shown = [cell for cell in self.cells.values() if not cell.isHidden()]
        room = self.width() - 24 - (len(shown) - 1) * _SIGN
        for role, shortly, below in _WAYS:
            needed = sum(cell.width_in(role, shortly) for cell in shown)
            if needed <= room - (0 if below else verdict):
                break
        for cell in self.cells.values():
            cell.write(role, shortly)
        self._put_verdict(below)

    def _put_verdict(self, below: bool) -> None:
        if below == (self._below.indexOf(self.verdict) >= 0):
            return
        if below:
            self._below.insertWidget(0, self.verdict, 0, Qt.AlignmentFlag.AlignTop)
            self._below.setContentsMargins(8, 0, 0, 2)
        else:
            self._line.addWidget(self.verdict, 0, Qt.AlignmentFlag.AlignVCenter)
            self._below.setContentsMargins(0, 0, 0, 0)


def judge(balance: Balance, still: bool, over: bool = False) -> tuple[Tone, str, str]:
    """Tone, verdict, and the sentence where the sum does not hold though nothing moves."""
    off = balance.difference
    if over and not balance.exact:
        return Tone.IDLE, "When it stopped", ""
    if not balance.exact or (off and not still):
        return Tone.BUSY, "Settling…", ""
    if off > 0:
        return Tone.BAD, f"{off:,} missing", _MISSING
    if off < 0:
        return Tone.BAD, f"{-off:,} too many", _TOO_MANY
    return Tone.GOOD, "Adds up", ""


_MISSING = (
    "Submitted, but in no queue, at no worker, and without an end: lost on the way, or taken out past the "
    "panel. The Tasks page shows which still count as waiting."
)
_TOO_MANY = (
    "More messages than tasks: some exist twice, as when one was delivered again while its first worker "
    "still has it. Those tasks may run twice."
)


def _sign(text: str) -> QWidget:
    made = label(text, "text", "muted")
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    made.setFixedWidth(_SIGN)
    return made
