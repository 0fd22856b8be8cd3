"""Names and values below each other."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from desktop.ui.widgets.labels import label


class KeyValues(QWidget):
    """A table of two columns. Values change in place; a new name comes at the end."""

    def __init__(self, mono: bool = False) -> None:
        super().__init__()
        self._mono = mono
        self._values: dict[str, QLabel] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)

    def show_values(self, values: Mapping[str, str]) -> None:
        """Show these; names that are missing now are hidden."""
        for name, text in values.items():
            if name not in self._values:
                self._add(name)
            self._values[name].setText(text)
        for name, value in self._values.items():
            value.setVisible(name in values)
            key = self._grid.itemAtPosition(self._place(value), 0).widget()
            key.setVisible(name in values)

    def value(self, name: str) -> str:
        """What is shown for a name."""
        return self._values[name].text()

    def _place(self, value: QLabel) -> int:
        return list(self._values.values()).index(value)

    def _add(self, name: str) -> None:
        at = len(self._values)
        key = label(name, "small", "muted")
        value = label("", "mono" if self._mono else "text", wrap=True, selectable=True)
        value.setAccessibleName(name)
        self._values[name] = value
        self._grid.addWidget(key, at, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._grid.addWidget(value, at, 1)
