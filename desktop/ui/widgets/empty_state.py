"""What an empty place says: what it is for, and what to do next."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from desktop.ui import icons
from desktop.ui.theme import Theme
from desktop.ui.widgets.labels import label

_ICON = 36


class EmptyState(QWidget):
    """An icon, a title, a sentence, and at most one button that is the next step."""

    def __init__(self, icon: str, title: str, sentence: str, button: QAbstractButton | None = None) -> None:
        super().__init__()
        self._icon = icon
        self._sign = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        self.title = label(title, "section")
        self.sentence = label(sentence, tone="muted", wrap=True)
        self.sentence.setMinimumWidth(200)
        self.sentence.setMaximumWidth(420)
        column = QVBoxLayout(self)
        column.setContentsMargins(24, 32, 24, 32)
        column.setSpacing(8)
        column.addStretch()
        column.addWidget(self._sign)
        column.addSpacing(4)
        for text in (self.title, self.sentence):
            text.setAlignment(Qt.AlignmentFlag.AlignCenter)
            column.addLayout(_centred(text))
        if button is not None:
            column.addSpacing(8)
            column.addWidget(button, 0, Qt.AlignmentFlag.AlignHCenter)
        column.addStretch()
        self.setAccessibleName(f"{title}. {sentence}")
        self._tint()
        Theme.current.changed.connect(self._tint)

    def say(self, title: str, sentence: str) -> None:
        """Change the words."""
        self.title.setText(title)
        self.sentence.setText(sentence)
        self.setAccessibleName(f"{title}. {sentence}")

    def _tint(self) -> None:
        picture = icons.pixmap(self._icon, Theme.current.color("muted"), _ICON, self.devicePixelRatio())
        self._sign.setPixmap(picture)


def _centred(text: QLabel) -> QHBoxLayout:
    """As wide as it may be, in the middle."""
    line = QHBoxLayout()
    line.addStretch(1)
    line.addWidget(text, 1000)
    line.addStretch(1)
    return line
