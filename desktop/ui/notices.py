"""The bar under the header: what needs a decision, with the buttons that decide it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QToolButton, QVBoxLayout, QWidget

from desktop.ui import icons
from desktop.ui.theme import Theme
from desktop.ui.widgets.labels import label

_ICONS = {"warn": ("warning", "warn"), "bad": ("error", "bad"), "info": ("info", "busy")}


@dataclass(frozen=True)
class Notice:
    """`choices` are (word, kind of button, what to do). Two of one key and text are the same."""

    key: str
    text: str
    level: str = "warn"
    choices: tuple[tuple[str, str, Callable[[], None]], ...] = field(default=(), compare=False)
    closable: bool = True


class Notices(QWidget):
    """Shows the notices that hold now; one that was closed stays away until its text changes."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: dict[str, Notice] = {}
        self._bars: dict[str, _Bar] = {}
        self._closed: set[Notice] = set()
        self._own: dict[str, Notice] = {}
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._last: tuple[Notice, ...] = ()

    def put(self, notice: Notice) -> None:
        """Show a notice until it is closed or `drop`ped."""
        self._own[notice.key] = notice
        self._closed.discard(notice)
        self.sync(self._last)

    def drop(self, key: str) -> None:
        """Take away a notice that was `put`."""
        if self._own.pop(key, None):
            self.sync(self._last)

    def sync(self, notices: tuple[Notice, ...]) -> None:
        """Show these, and those that were put; take away what holds no more."""
        self._last = notices
        holding = {n.key: n for n in (*self._own.values(), *notices)}
        self._closed &= set(holding.values())
        wanted = {key: n for key, n in holding.items() if n not in self._closed}
        for key in [key for key in self.shown if self.shown[key] != wanted.get(key)]:
            del self.shown[key]
            bar = self._bars.pop(key)
            bar.hide()
            bar.deleteLater()
        for key, notice in wanted.items():
            if key not in self.shown:
                self.shown[key] = notice
                self._bars[key] = _Bar(notice, self)
                self._column.addWidget(self._bars[key])

    def close_notice(self, notice: Notice) -> None:
        """A person has seen it."""
        self._closed.add(notice)
        self.sync(self._last)


class _Bar(QFrame):
    def __init__(self, notice: Notice, owner: Notices) -> None:
        super().__init__()
        self._notice, self._owner = notice, owner
        self.setProperty("kind", "notice")
        self.setProperty("level", notice.level)
        self.setAccessibleName(notice.text)
        self._sign = QLabel()
        row = QHBoxLayout(self)
        row.setContentsMargins(20, 8, 12, 8)
        row.setSpacing(10)
        row.addWidget(self._sign)
        row.addWidget(label(notice.text, wrap=True), 1)
        for word, kind, run in notice.choices:
            row.addWidget(self._button(word, kind, run))
        if notice.closable:
            close = QToolButton()
            close.setProperty("kind", "quiet")
            close.setAccessibleName("Dismiss")
            icons.set_icon(close, "close", "muted")
            close.clicked.connect(self._close)
            row.addWidget(close, 0, Qt.AlignmentFlag.AlignVCenter)
        self._tint()
        Theme.current.changed.connect(self._tint)

    def _button(self, word: str, kind: str, run: Callable[[], None]) -> QPushButton:
        button = QPushButton(word)
        button.setProperty("kind", kind)
        button.setAccessibleName(word)
        button.clicked.connect(lambda _checked=False: run())
        return button

    def _close(self) -> None:
        self._owner.close_notice(self._notice)

    def _tint(self) -> None:
        name, token = _ICONS[self._notice.level]
        self._sign.setPixmap(icons.pixmap(name, Theme.current.color(token), 18, self.devicePixelRatio()))
