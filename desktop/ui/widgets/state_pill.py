"""A state as shape, word and colour."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.engine.api import TaskState
from desktop.ui import fonts
from desktop.ui.state_shapes import paint_sign
from desktop.ui.states import AnyState, Tone, paint_shape, tone_of, word_of
from desktop.ui.theme import Theme

_HEIGHT, _DOT, _PAD, _GAP = 22, 8, 9, 6


class StatePill(QWidget):
    """A pill: `what` (a service's name) is only said by the accessible name and the tool tip."""

    def __init__(self, what: str = "", quiet: bool = False) -> None:
        super().__init__()
        self._what = what
        self._quiet = quiet  # no ground: for rows
        self.tone, self.word = Tone.IDLE, ""
        self._sign: Tone | TaskState = Tone.IDLE
        self.setFont(fonts.font("label"))
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)

    def set_state(self, state: AnyState, detail: str = "") -> None:
        """Show a state of the engine; `detail` (why) becomes the tool tip."""
        self.set_tone(tone_of(state), word_of(state), detail)
        self._sign = state if isinstance(state, TaskState) else self.tone

    def set_tone(self, tone: Tone, word: str, detail: str = "") -> None:
        """Show any word in a tone."""
        self.setToolTip(detail)
        self._sign = tone
        if (tone, word) == (self.tone, self.word):
            return
        self.tone, self.word = tone, word
        self.setAccessibleName(f"{self._what}: {word}" if self._what else word)
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        text = self.fontMetrics().horizontalAdvance(self.word)
        pad = 0 if self._quiet else 2 * _PAD
        return QSize(pad + _DOT + _GAP + text + 1, _HEIGHT)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme = QPainter(self), Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        left = 0.0
        if not self._quiet:
            left = float(_PAD)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.color(f"{self.tone}_tint"))
            painter.drawRoundedRect(QRectF(self.rect()), _HEIGHT / 2, _HEIGHT / 2)
        box = QRectF(left, (self.height() - _DOT) / 2, _DOT, _DOT)
        paint_sign(painter, self._sign, box, theme.color(self.tone))
        painter.setPen(theme.color("text" if self._quiet else self.tone))
        text = QRectF(box.right() + _GAP, 0, self.width(), self.height())
        painter.drawText(text, int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft), self.word)


class Light(QWidget):
    """Only the shape of a tone, for one of a worker's two lights; the word is its accessible name."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self.tone = Tone.IDLE
        self.setFixedSize(12, 12)

    def set_state(self, state: AnyState, detail: str = "") -> None:
        """Show a light; the tool tip says what it means."""
        self.tone = tone_of(state)
        self.setAccessibleName(f"{self._what}: {word_of(state)}")
        self.setToolTip(f"{self._what}: {detail or word_of(state).lower()}")
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        box = QRectF(2, 2, 8, 8)
        paint_shape(QPainter(self), self.tone, box, Theme.current.color(self.tone))
