"""Chips: small buttons that are on or off, with a shape or a count; and those that end a choice."""

from __future__ import annotations

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QAbstractButton, QPushButton, QSizePolicy

from desktop.engine.api import TaskState
from desktop.ui import fonts, icons
from desktop.ui.state_shapes import paint_sign
from desktop.ui.states import Tone, tone_of
from desktop.ui.theme import Theme
from desktop.ui.words import short

_TALL, _EDGE, _SHAPE = 28, 11, 14


class CountChip(QAbstractButton):
    """A word with a count or without, on or off. `sign` gives it a shape; a loud one asks to be seen."""

    def __init__(
        self, word: str, sign: Tone | TaskState | None = None, loud: bool = False, counted: bool = True
    ) -> None:
        super().__init__()
        self.count = 0
        self._sign, self._loud, self._counted = sign, loud, counted
        self.tone = tone_of(sign) if isinstance(sign, TaskState) else sign
        self._widest = 0  # it never shrinks: nothing beside it moves because a figure became smaller
        self.setText(word)
        self.setCheckable(True)
        self.setFont(fonts.font("label"))
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self._tell()

    def show_count(self, count: int) -> None:
        """Show how many there are."""
        if count != self.count:
            self.count = count
            self._tell()
            if self._needed() > self._widest:
                self.updateGeometry()
            self.update()

    def _tell(self) -> None:
        told = f"{self.text()}, {self.count:,} tasks" if self._counted else self.text()
        self.setAccessibleName(told)
        self.setToolTip(f"Only {told[0].lower()}{told[1:]}")

    @property
    def _figure(self) -> str:
        return short(self.count) if self._counted else ""

    def _needed(self) -> int:
        words = self.fontMetrics().horizontalAdvance(f"{self.text()}  {self._figure}".rstrip())
        return words + 2 * _EDGE + (_SHAPE if self.tone else 0)

    def sizeHint(self) -> QSize:
        self._widest = max(self._widest, self._needed())
        return QSize(self._widest, _TALL)

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter, theme, on = QPainter(self), Theme.current, self.isChecked()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        edge = theme.color("focus" if self.hasFocus() else "line_strong" if on else "line")
        painter.setPen(QPen(edge, 2 if self.hasFocus() else 1))
        ground = "selected" if on else "hover" if self.underMouse() else "surface"
        painter.setBrush(theme.color(ground))
        inset = 1.0 if self.hasFocus() else 0.5
        box = QRectF(self.rect()).adjusted(inset, inset, -inset, -inset)
        painter.drawRoundedRect(box, box.height() / 2, box.height() / 2)
        loud = self._loud and self.count > 0
        left = float(_EDGE)
        if self._sign is not None and self.tone is not None:
            colour = theme.color(self.tone if self.count or on else "muted")
            paint_sign(painter, self._sign, QRectF(left, self.height() / 2 - 4, 8, 8), colour)
            left += _SHAPE
        middle = int(Qt.AlignmentFlag.AlignVCenter)
        box = QRectF(left, 0, self.width() - left - _EDGE, self.height())
        painter.setPen(
            theme.color("bad" if loud else "text" if on or self.count or not self._counted else "muted")
        )
        painter.drawText(box, middle, self.text())
        painter.setPen(theme.color("bad" if loud else "text" if on else "muted"))
        painter.drawText(box, middle | int(Qt.AlignmentFlag.AlignRight), self._figure)


class ClosableChip(QPushButton):
    """What is chosen, in words; a click takes the choice away."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self.setAccessibleName(f"Clear {what}")
        self.setFont(fonts.font("label"))
        self.setLayoutDirection(Qt.LayoutDirection.RightToLeft)  # the cross stands behind the words
        icons.set_icon(self, "close", "muted")
        self.hide()

    def say(self, words: str) -> None:
        """Show a choice; empty: there is none."""
        if words != self.text():
            self.setText(words)
            self.setAccessibleName(f"Clear {self._what}: {words}")
            self.setToolTip(f"Clear {self._what}")
        if self.isHidden() == bool(words):
            self.setVisible(bool(words))
