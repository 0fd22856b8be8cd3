"""Parts of a task's own page: long texts with a copy button, tables of a few rows, the tree it belongs to."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QGuiApplication, QPainter, QPaintEvent, QPen, QTextOption
from PySide6.QtWidgets import (
    QAbstractButton,
    QGridLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from desktop.engine.api import Relative
from desktop.ui import fonts, icons
from desktop.ui.state_shapes import paint_state
from desktop.ui.states import tone_of, word_of
from desktop.ui.theme import Theme
from desktop.ui.widgets.containers import Card
from desktop.ui.widgets.labels import ElidedLabel, label, set_tone

_HIGHEST, _LEAST = 340, 24  # px of a text
_PRETTY = 72  # characters of JSON that still stand in one line
_ROW = 30


class LongText(QPlainTextEdit):
    """To read, select and copy: as high as its text, up to a height where it scrolls."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setReadOnly(True)
        self.setFont(fonts.font("mono"))
        self.setProperty("kind", "bare")
        self.setAccessibleName(name)
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setTabChangesFocus(True)
        flags = Qt.TextInteractionFlag
        self.setTextInteractionFlags(flags.TextSelectableByMouse | flags.TextSelectableByKeyboard)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.document().setDocumentMargin(2)
        self.document().documentLayout().documentSizeChanged.connect(self._fit)

    def show_text(self, text: str) -> None:
        """Show a text; what is selected stays where the text is the same."""
        if text != self.toPlainText():
            self.setPlainText(text)
            self._fit()

    def _fit(self, *_size: object) -> None:
        # A plain document counts its height in lines.
        lines = self.document().size().height()
        tall = round(lines * self.fontMetrics().lineSpacing() + 8)
        self.setFixedHeight(min(max(tall, _LEAST), _HIGHEST))


class TextCard(Card):
    """A long text under a title, with a button that copies it."""

    def __init__(self, title: str, say: Callable[[str], object]) -> None:
        self.copy = QPushButton("Copy")
        self.copy.setProperty("kind", "quiet")
        icons.set_icon(self.copy, "copy")
        super().__init__(title, side=self.copy)
        keep = self.copy.sizePolicy()
        keep.setRetainSizeWhenHidden(True)  # heads beside each other stay level
        self.copy.setSizePolicy(keep)
        self.body.setContentsMargins(16, 8, 16, 12)
        self.body.setSpacing(4)
        self._title, self._say = title, say
        self.copy.setAccessibleName(f"Copy {title.lower()}")
        self.text = LongText(title)
        self.note = label("", "small", "muted", wrap=True)
        self.add(self.note)
        self.add(self.text)
        self.body.addStretch()
        self.copy.clicked.connect(self._copy)

    def show_text(self, text: str, note: str = "", tone: str = "") -> None:
        """Show a text and what is to be said about it."""
        self.text.show_text(text)
        self.text.setVisible(bool(text))
        self.copy.setVisible(bool(text))
        self.note.setText(note)
        self.note.setVisible(bool(note))
        set_tone(self.note, tone or "muted")

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.text.toPlainText())
        self._say(f"{self._title}: on the clipboard.")


def pretty(text: str) -> str:
    """JSON on several lines where one would be long; anything else as it came."""
    if len(text) <= _PRETTY:
        return text
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except ValueError:
        return text


class SmallTable(QWidget):
    """Heads and a few rows of words that can be selected; kept, so that a live page does not flicker."""

    def __init__(self, heads: Sequence[str], wide: int) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(18)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(wide, 1)
        self._wide, self._columns = wide, len(heads)
        self._cells: list[list[QLabel]] = []
        for at, head in enumerate(heads):
            self._grid.addWidget(label(head, "small", "muted"), 0, at)

    def show_rows(self, rows: Sequence[Sequence[tuple[str, str]]]) -> None:
        """Each cell is (words, tone)."""
        while len(self._cells) < len(rows):
            line = [self._cell(at) for at in range(self._columns)]
            for at, cell in enumerate(line):
                self._grid.addWidget(cell, len(self._cells) + 1, at)
            self._cells.append(line)
        for at, line in enumerate(self._cells):
            for cell in line:
                cell.setVisible(at < len(rows))
            if at < len(rows):
                for cell, (words, tone) in zip(line, rows[at], strict=True):
                    cell.setText(words)
                    set_tone(cell, tone)

    def _cell(self, at: int) -> QLabel:
        return ElidedLabel() if at == self._wide else label(selectable=True)


class RelativeButton(QAbstractButton):
    """A task of the tree: its state, name and id. A click shows it."""

    def __init__(self) -> None:
        super().__init__()
        self.relative: Relative | None = None
        self._depth, self._word, self.here = 0, "", False
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_Hover)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_relative(self, relative: Relative, word: str, depth: int, here: bool = False) -> None:
        """Show a task; `here`: the one whose page it is."""
        self.relative, self._word, self._depth, self.here = relative, word, depth, here
        name = relative.name or "unknown"
        self.setText(name)
        self.setEnabled(not here)
        state = word_of(relative.state)
        self.setAccessibleName(f"{word}: {name}, {state}, {relative.id}")
        self.setToolTip("" if here else f"{name}\n{relative.id}\nClick to show it")
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(320, _ROW)

    def paintEvent(self, event: QPaintEvent) -> None:
        relative = self.relative
        if relative is None:
            return
        painter, theme = QPainter(self), Theme.current
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.here or self.hasFocus() or (self.isEnabled() and self.underMouse()):
            edge = theme.color("focus") if self.hasFocus() else Qt.GlobalColor.transparent
            painter.setPen(QPen(edge, 1.5))
            painter.setBrush(theme.color("selected" if self.here else "hover"))
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), 6, 6)
        left = 10.0 + 26 * self._depth
        middle, tone = self.height() / 2, tone_of(relative.state)
        if self._depth:
            painter.setPen(QPen(theme.color("line_strong"), 1))
            painter.drawLine(round(left - 16), 0, round(left - 16), round(middle))
            painter.drawLine(round(left - 16), round(middle), round(left - 5), round(middle))
        paint_state(painter, relative.state, QRectF(left, middle - 4, 8, 8), theme.color(tone))
        left = self._write(painter, left + 16, self.text(), "strong" if self.here else "text", "text")
        left = self._write(painter, left + 12, word_of(relative.state).lower(), "small", tone)
        left = self._write(painter, left + 12, self._word, "small", "muted")
        self._write(painter, left + 12, relative.id[:13] + "…", "mono", "muted")

    def _write(self, painter: QPainter, left: float, words: str, role: str, tone: str) -> float:
        painter.setFont(fonts.font(role))
        painter.setPen(Theme.current.color(tone))
        room = max(0.0, self.width() - left - 8)
        text = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideMiddle, int(room))
        painter.drawText(QRectF(left, 0, room, self.height()), int(Qt.AlignmentFlag.AlignVCenter), text)
        return left + painter.fontMetrics().horizontalAdvance(text)

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.HoverEnter, QEvent.Type.HoverLeave):
            self.update()
        return super().event(event)


class FamilyCard(Card):
    """Root, parent, the task itself and its children, as a small tree."""

    wanted = Signal(str)  # a task's id

    def __init__(self) -> None:
        super().__init__("Chain, group or chord")
        self._rows: list[RelativeButton] = []
        self._column = QVBoxLayout()
        self._column.setSpacing(0)
        self.body.addLayout(self._column)
        self.more = label("", "small", "muted")
        self.add(self.more)

    def show_family(
        self, me: Relative, root: Relative | None, parent: Relative | None, children: Sequence[Relative]
    ) -> None:
        """Show it; hidden for a task that stands alone."""
        lines: list[tuple[Relative, str]] = []
        if root is not None and root.id != me.id and (parent is None or parent.id != root.id):
            lines.append((root, "root"))
        if parent is not None:
            lines.append((parent, "parent"))
        above = len(lines)
        lines += [(me, "this task"), *((child, "child") for child in children)]
        self.setVisible(len(lines) > 1)
        while len(self._rows) < len(lines):
            self._rows.append(self._make())
        for at, button in enumerate(self._rows):
            button.setVisible(at < len(lines))
            if at < len(lines):
                depth = min(at, above) if at <= above else above + 1
                button.show_relative(*lines[at], depth, here=at == above)
        self.more.setText("Only the first 200 children are listed." if len(children) >= 200 else "")
        self.more.setVisible(len(children) >= 200)

    def _make(self) -> RelativeButton:
        made = RelativeButton()
        self._column.addWidget(made)
        made.clicked.connect(lambda: self._ask_for(made))
        return made

    def _ask_for(self, button: RelativeButton) -> None:
        if button.relative is not None:
            self.wanted.emit(button.relative.id)
