"""Cards, sections and scrolling columns: what pages are laid out with. The grid is 4 and 8 px."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QScrollArea, QVBoxLayout, QWidget

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


class Pair(QWidget):
    """Two widgets side by side; below each other where there is no room for both."""

    def __init__(self, left: QWidget, right: QWidget, share: tuple[int, int] = (1, 1), gap: int = 12) -> None:
        super().__init__()
        self._line = QBoxLayout(QBoxLayout.Direction.LeftToRight, self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(gap)
        self._line.addWidget(left, share[0])
        self._line.addWidget(right, share[1])

    @property
    def stacked(self) -> bool:
        """True while they are below each other."""
        return self._line.direction() is QBoxLayout.Direction.TopToBottom

    def minimumSizeHint(self) -> QSize:
        return QSize(max(self._least()), super().minimumSizeHint().height())

    def _least(self) -> tuple[int, ...]:
        """The least width of each."""
        items = (self._line.itemAt(at) for at in range(self._line.count()))
        return tuple(item.minimumSize().width() for item in items if item is not None)

    def event(self, event: QEvent) -> bool:
        if event.type() in (QEvent.Type.Resize, QEvent.Type.LayoutRequest):
            self._turn()
        return super().event(event)

    def _turn(self) -> None:
        least = sum(self._least()) + self._line.spacing()
        way = QBoxLayout.Direction
        wanted = way.LeftToRight if self.width() >= least else way.TopToBottom
        if wanted is not self._line.direction():
            self._line.setDirection(wanted)
            self.updateGeometry()


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
