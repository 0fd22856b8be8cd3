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
        self._rows: dict[str, tuple[QLabel, QLabel]] = {}
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)

    def show_values(self, values: Mapping[str, str]) -> None:
        """Show these; names that are missing now are hidden."""
        for name, text in values.items():
            if name not in self._rows:
                self._add(name)
            self._rows[name][1].setText(text)
        for name, (key, value) in self._rows.items():
            key.setVisible(name in values)
            value.setVisible(name in values)

    def value(self, name: str) -> str:
        """What is shown for a name."""
        return self._rows[name][1].text()

    def _add(self, name: str) -> None:
        at = len(self._rows)
        key = label(name, "small", "muted")
        value = label("", "mono" if self._mono else "text", wrap=True, selectable=True)
        value.setAccessibleName(name)
        self._rows[name] = (key, value)
        self._grid.addWidget(key, at, 0, Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._grid.addWidget(value, at, 1)
