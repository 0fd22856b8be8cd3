"""A choice of a few words side by side, one of them chosen."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QSizePolicy, QToolButton

from desktop.ui import icons


class Segmented(QFrame):
    """`choices` are (key, word) or (key, word, icon): with an icon the word is its accessible name."""

    chosen = Signal(str)  # the key, when a person chose it

    def __init__(self, name: str, choices: Sequence[tuple[str, ...]], current: str = "") -> None:
        super().__init__()
        self.setProperty("kind", "segmented")
        self.setAccessibleName(name)
        self.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self._group = QButtonGroup(self)
        self._buttons: dict[str, QToolButton] = {}
        row = QHBoxLayout(self)
        row.setContentsMargins(2, 2, 2, 2)
        row.setSpacing(2)
        for key, word, *icon in choices:
            self._buttons[key] = self._button(key, word, icon[0] if icon else "")
            self._buttons[key].setAccessibleName(f"{name}: {word}")
            row.addWidget(self._buttons[key])
        self.choose(current or choices[0][0])

    def _button(self, key: str, word: str, icon: str) -> QToolButton:
        button = QToolButton()
        button.setProperty("kind", "segment")
        button.setCheckable(True)
        button.setText(word)
        button.setToolTip(word)
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        if icon:
            icons.set_icon(button, icon, "muted")
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonIconOnly)
        button.clicked.connect(lambda _checked=False: self.chosen.emit(key))
        self._group.addButton(button)
        return button

    @property
    def current(self) -> str:
        """The key of the one that is chosen."""
        return next(key for key, button in self._buttons.items() if button.isChecked())

    def choose(self, key: str) -> None:
        """Choose without telling anybody."""
        self._buttons[key].setChecked(True)

    def allow(self, key: str, allowed: bool, why: str = "") -> None:
        """Offer a choice or not; `why` not is its tool tip then."""
        self._buttons[key].setEnabled(allowed)
        self._buttons[key].setToolTip(self._buttons[key].text() if allowed else why)
