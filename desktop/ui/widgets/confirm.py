"""Asking before something is destroyed. The dialog says what will be lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from desktop.ui import icons
from desktop.ui.theme import Theme
from desktop.ui.widgets.dialog import Dialog
from desktop.ui.widgets.labels import label


class Confirm(Dialog):
    """`losses` are sentences, `choices` (word, kind, what to do). Cancel is always there, with the focus."""

    def __init__(
        self,
        parent: QWidget,
        title: str,
        losses: Sequence[str],
        choices: Sequence[tuple[str, str, Callable[[], None]]],
    ) -> None:
        super().__init__(parent, title)
        self.setAccessibleDescription(" ".join(losses))
        self.setMinimumWidth(440)
        sign = QLabel()
        sign.setPixmap(icons.pixmap("warning", Theme.current.color("warn"), 22, self.devicePixelRatio()))
        words = QVBoxLayout()
        words.setSpacing(8)
        words.addWidget(label(title, "section", wrap=True))
        for sentence in losses:
            words.addWidget(label(sentence, tone="muted", wrap=True))
        top = QHBoxLayout()
        top.setSpacing(14)
        top.addWidget(sign, 0, Qt.AlignmentFlag.AlignTop)
        top.addLayout(words, 1)
        self.cancel = QPushButton("Cancel")
        self.cancel.setAccessibleName("Cancel")
        self.cancel.clicked.connect(self.close)
        bottom = QHBoxLayout()
        bottom.setSpacing(8)
        bottom.addStretch()
        bottom.addWidget(self.cancel)
        self.buttons = [self._button(*choice) for choice in choices]
        for button in self.buttons:
            bottom.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(22, 20, 22, 18)
        column.setSpacing(20)
        column.addLayout(top)
        column.addLayout(bottom)
        self.cancel.setDefault(True)
        self.cancel.setFocus()

    def _button(self, word: str, kind: str, run: Callable[[], None]) -> QPushButton:
        button = QPushButton(word)
        button.setProperty("kind", kind)
        button.setAccessibleName(word)
        button.clicked.connect(self.close)
        button.clicked.connect(lambda _checked=False: run())
        return button


def confirm(
    parent: QWidget, title: str, losses: Sequence[str], word: str, run: Callable[[], None]
) -> Confirm:
    """Ask once: `word` ("Kill w1") does it, Cancel does not. Opens without blocking."""
    dialog = Confirm(parent.window(), title, losses, [(word, "danger", run)])
    dialog.open()
    return dialog
