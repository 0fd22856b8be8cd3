"""A shell command that is broken only where a shell lets it be broken."""

from __future__ import annotations

import re

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QFontMetricsF, QResizeEvent
from PySide6.QtWidgets import QLabel, QSizePolicy

from desktop.ui import fonts

_WORD = r"(?:[^\s'\"]|'[^']*'|\"[^\"]*\")+"
_PART = re.compile(rf"(?<!\S)-\w {_WORD}|{_WORD}")  # a short option with its value, or a word
_GO_ON = " \\"
_INDENT = "    "


class CommandLine(QLabel):
    """Shows `line` in as many lines as its width asks for; what one copies from it still runs."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.line = ""
        self.setAccessibleName(name)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setFont(fonts.font("mono"))
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def show_line(self, line: str) -> None:
        """Show a command."""
        if line != self.line:
            self.line = line
            self._break()

    def minimumSizeHint(self) -> QSize:
        return QSize(160, self.sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._break()

    def _break(self) -> None:
        wide = QFontMetricsF(self.font()).horizontalAdvance("M")
        text = broken(self.line, max(20, int(self.width() / wide)))
        if text != self.text():
            self.setText(text)


def broken(line: str, room: int) -> str:
    """A command in lines of at most `room` characters, each going on as a shell has it.

    A short option stays with its value ("-Q celery"). A word longer than a line is broken after a comma or a
    space; one in quotes goes on in quotes of its own.
    """
    lines: list[str] = []
    for part in _PART.findall(line):
        if lines and len(lines[-1]) + 1 + len(part) <= room - len(_GO_ON):
            lines[-1] += f" {part}"
            continue
        if lines:
            lines[-1] += _GO_ON
        indent = _INDENT if lines else ""
        *begins, end = _cut(part, room - len(_GO_ON) - len(indent))
        lines += [f"{'' if at else indent}{begin}\\" for at, begin in enumerate(begins)]
        lines.append(f"{'' if begins else indent}{end}")
    return "\n".join(lines)


def _cut(word: str, room: int) -> list[str]:
    quoted = word[0] == word[-1] == "'" and word.count("'") == 2
    if not quoted and ("'" in word or '"' in word):
        return [word]
    inner, room = (word[1:-1], room - 2) if quoted else (word, room)
    pieces = []
    while len(inner) > room:
        at = max(inner.rfind(",", 0, room), inner.rfind(" ", 0, room)) + 1 or room
        pieces.append(inner[:at])
        inner = inner[at:]
    pieces.append(inner)
    return [f"'{piece}'" for piece in pieces] if quoted else pieces
