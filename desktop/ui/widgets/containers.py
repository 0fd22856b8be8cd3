"""Cards, sections and scrolling columns: what pages are laid out with. The grid is 4 and 8 px."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from desktop.ui.widgets.labels import label

PAGE_MARGIN, GAP = 24, 16


class Card(QFrame):
    """A surface with a hairline around it; `body` is its column. A title puts a head above, with
    the widget `side` at its right end.
    """

    def __init__(self, title: str = "", padding: int = 16, side: QWidget | None = None) -> None:
        super().__init__()
        self.setProperty("kind", "card")
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(padding, padding, padding, padding)
        self.body.setSpacing(12)
        if title:
            self.setAccessibleName(title)
            words = label(title, "section")
            self.body.addLayout(row(words, 1, side) if side else row(words))

    def add(self, widget: QWidget, stretch: int = 0) -> QWidget:
        """Put a widget below the others."""
        self.body.addWidget(widget, stretch)
        return widget


class PageHead(QWidget):
    """The top of a page: its title, a sentence, and room for its buttons at the right (`side`)."""

    def __init__(self, title: str, hint: str = "") -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.title = label(title, "title")
        self.hint = label(hint, tone="muted")
        words = QVBoxLayout()
        words.setSpacing(2)
        words.addWidget(self.title)
        words.addWidget(self.hint)
        self.hint.setVisible(bool(hint))
        self.side = QHBoxLayout()
        self.side.setSpacing(8)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addLayout(words, 1)
        row.addLayout(self.side)

    def say(self, hint: str) -> None:
        """Change the sentence under the title; empty hides it."""
        self.hint.setText(hint)
        self.hint.setVisible(bool(hint))


class Column(QScrollArea):
    """A column that scrolls up and down only; `body` takes the parts of a page."""

    def __init__(self, margin: int = PAGE_MARGIN, gap: int = GAP) -> None:
        super().__init__()
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        inner = QWidget()
        inner.setProperty("kind", "page")
        self.body = QVBoxLayout(inner)
        self.body.setContentsMargins(margin, margin, margin, margin)
        self.body.setSpacing(gap)
        self.setWidget(inner)


def row(*parts: QWidget | int, spacing: int = 8) -> QHBoxLayout:
    """A line of widgets; a number is a stretch."""
    made = QHBoxLayout()
    made.setContentsMargins(0, 0, 0, 0)
    made.setSpacing(spacing)
    for part in parts:
        if isinstance(part, int):
            made.addStretch(part)
        else:
            made.addWidget(part)
    return made


def clear(layout: QVBoxLayout | QHBoxLayout) -> None:
    """Take every widget out of a layout and delete it."""
    while layout.count():
        item = layout.takeAt(0)
        if item is not None and (widget := item.widget()) is not None:
            widget.hide()
            widget.deleteLater()
