"""All keys on one sheet."""

from __future__ import annotations

from collections import defaultdict

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QGridLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from desktop.ui.actions import Actions
from desktop.ui.widgets.containers import clear, row
from desktop.ui.widgets.labels import hairline, label
from desktop.ui.widgets.overlay import Overlay

_COLUMNS = 3  # as many rows as there are fit into the smallest window then

# What widgets hear by themselves, by group.
_ELSEWHERE = {
    "General": (
        ("Close what is open, dismiss messages", "Esc"),
        ("Go through the controls", "Tab"),
        ("Change a number by one", "Up"),
        ("Menu of a worker or a line", "Shift+F10"),
    ),
    "Logs": (
        ("Next hit", "Return"),
        ("Previous hit", "Shift+Return"),
        ("Copy the chosen lines, or all", "Ctrl+C"),
        ("Choose all lines", "Ctrl+A"),
        ("To the end, and follow it", "End"),
        ("To the beginning", "Home"),
    ),
    "Tasks": (
        ("Open the task", "Return"),
        ("To the newest", "Home"),
        ("Copy the ids of those chosen", "Ctrl+C"),
        ("Task above, in full", "Alt+Up"),
        ("Task below, in full", "Alt+Down"),
    ),
    "Graphs": (
        ("Move to earlier, far with Shift", "Left"),
        ("Move to later, far with Shift", "Right"),
        ("Zoom in", "+"),
        ("Zoom out", "-"),
        ("Whole run", "0"),
        ("Live", "L"),
        ("Tasks of this stretch", "T"),
        ("Back to the stretch before", "Backspace"),
        ("To the beginning", "Home"),
        ("To the end", "End"),
    ),
    "Runs": (("Open the run", "Return"),),
    "Time line": (("Next mark", "Right"), ("Previous mark", "Left")),
}


class ShortcutSheet(Overlay):
    """Made from the registry when it is opened."""

    def __init__(self, host: QWidget, commands: Actions) -> None:
        super().__init__(host, "Keyboard shortcuts", 940)
        self._commands = commands
        self.column.setContentsMargins(24, 18, 24, 22)
        self.column.setSpacing(14)
        self.close_button = QPushButton("Close")
        self.close_button.setProperty("kind", "quiet")
        self.close_button.setAccessibleName("Close")
        self.close_button.clicked.connect(self.dismiss)
        self.column.addLayout(row(label("Keyboard shortcuts", "section"), 1, self.close_button))
        self.column.addWidget(hairline())
        self._body = QVBoxLayout()
        self.column.addLayout(self._body)

    def open_sheet(self) -> None:
        """Show all keys of this moment."""
        clear(self._body)
        self._body.addWidget(self._table())
        self.open_over(self.close_button)

    def keys(self) -> dict[str, list[tuple[str, str]]]:
        """Group -> (what it does, keys)."""
        made: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for action in self._commands.all():
            if action.shortcut:
                made[action.group].append((action.text, action.shortcut))
        for group, entries in _ELSEWHERE.items():
            made[group].extend(entries)
        return dict(made)

    def _table(self) -> QWidget:
        """Columns of groups, the longer lists first."""
        table = QWidget()
        grid = QGridLayout(table)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(32)
        sides = [QVBoxLayout() for _ in range(_COLUMNS)]
        lengths = [0] * _COLUMNS
        for group, entries in sorted(self.keys().items(), key=lambda pair: -len(pair[1])):
            shorter = lengths.index(min(lengths))
            lengths[shorter] += len(entries) + 2
            sides[shorter].addWidget(label(group, "label", "muted"))
            for text, keys in entries:
                sides[shorter].addLayout(row(label(text), 1, _key(keys)))
            sides[shorter].addSpacing(6)
        for column, side in enumerate(sides):
            side.addStretch()
            side.setSpacing(2)
            grid.addLayout(side, 0, column)
            grid.setColumnStretch(column, 1)
        return table


def _key(keys: str) -> QLabel:
    native = QKeySequence(keys).toString(QKeySequence.SequenceFormat.NativeText) or keys
    made = label(native, "mono")
    made.setProperty("kind", "key")
    made.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return made
