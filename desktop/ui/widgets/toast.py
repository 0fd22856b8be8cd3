"""Short messages at the lower right: what was done, and what went wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import QEvent, QObject, QPointF, Qt, QTimer
from PySide6.QtGui import QEnterEvent
from PySide6.QtWidgets import (
    QFrame,
    QGraphicsDropShadowEffect,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from desktop.engine.api import DeskError
from desktop.ui import icons
from desktop.ui.theme import Theme
from desktop.ui.widgets.labels import label
from desktop.ui.words import count

WIDTH, MARGIN, AT_MOST = 380, 20, 4
_LINE = 32  # height of the button that dismisses
SECONDS = {"good": 5.0, "info": 5.0, "warn": 9.0, "bad": 15.0}
_ICONS = {
    "good": ("success", "good"),
    "info": ("info", "busy"),
    "warn": ("warning", "warn"),
    "bad": ("error", "bad"),
}
T = TypeVar("T", bound="Toast")


class Toast(QFrame):
    """One message. It leaves by itself, but not while the pointer or the focus is on it."""

    def __init__(self, parent: Toasts, tone: str, text: str, next_step: str = "", details: str = "") -> None:
        super().__init__(parent.host)
        self.text, self.tone, self.details = text, tone, details
        self._owner = parent
        self.setProperty("kind", "raised")
        self.setFixedWidth(WIDTH)
        self.setAccessibleName(f"{text} {next_step}".strip())
        self._timer = QTimer(self, singleShot=True, interval=round(SECONDS[tone] * 1000))
        self._timer.timeout.connect(self.dismiss)
        self._sign = QLabel()
        self._sign.setFixedSize(18, _LINE)
        column = QVBoxLayout()
        column.setContentsMargins(0, 7, 0, 7)  # the first line lies level with the sign and the cross
        column.setSpacing(4)
        column.addWidget(label(text, wrap=True))
        if next_step:
            column.addWidget(label(next_step, "small", "muted", wrap=True))
        self._buttons = QHBoxLayout()
        self._buttons.setContentsMargins(0, 4, 0, 0)
        self._buttons.addStretch()
        self._column = column
        column.addStretch()
        close = QToolButton()
        close.setProperty("kind", "quiet")
        close.setAccessibleName("Dismiss")
        icons.set_icon(close, "close", "muted")
        close.clicked.connect(self.dismiss)
        row = QHBoxLayout(self)
        row.setContentsMargins(14, 6, 8, 6)
        row.setSpacing(10)
        row.addWidget(self._sign, 0, Qt.AlignmentFlag.AlignTop)
        row.addLayout(column, 1)
        row.addWidget(close, 0, Qt.AlignmentFlag.AlignTop)
        if details:
            self.offer("Details", self._show_details)
        self._shadow()
        self._tint()
        Theme.current.changed.connect(self._tint)
        self._timer.start()

    def _shadow(self) -> None:
        shadow = QGraphicsDropShadowEffect(self, blurRadius=28, offset=QPointF(0, 6))
        shadow.setColor(Theme.current.color("shadow"))
        self.setGraphicsEffect(shadow)

    def offer(self, word: str, run: Callable[[], None]) -> QPushButton:
        """Add a button; the toast leaves when it is pressed."""
        button = QPushButton(word)
        button.setAccessibleName(word)
        button.clicked.connect(self.dismiss)
        button.clicked.connect(lambda _checked=False: run())
        if self._buttons.parent() is None:
            self._column.insertLayout(self._column.count() - 1, self._buttons)
        self._buttons.insertWidget(self._buttons.count() - 1, button)
        self.adjustSize()
        return button

    def dismiss(self) -> None:
        """Leave now."""
        self._owner.forget(self)

    def _show_details(self) -> None:
        from desktop.ui.widgets.details import show_details

        show_details(self._owner.host, self.text, self.details)

    def _tint(self) -> None:
        name, token = _ICONS[self.tone]
        self._sign.setPixmap(icons.pixmap(name, Theme.current.color(token), 18, self.devicePixelRatio()))

    def enterEvent(self, event: QEnterEvent) -> None:
        self._timer.stop()

    def leaveEvent(self, event: QEvent) -> None:
        self._timer.start()


class Toasts(QObject):
    """The stack of toasts of a window. The newest is the lowest; at most four are shown."""

    def __init__(self, host: QWidget) -> None:
        super().__init__(host)
        self.host = host
        self.shown: list[Toast] = []
        host.installEventFilter(self)

    def say(self, text: str, tone: str = "good", next_step: str = "", details: str = "") -> Toast:
        """Show a message (`tone`: "good", "info", "warn" or "bad") and tell screen readers."""
        while len(self.shown) >= AT_MOST:
            self.forget(self.shown[0])
        return self.put(Toast(self, tone, text, next_step, details))

    def put(self, toast: T) -> T:
        """Show a toast that was made, below the others."""
        self.shown.append(toast)
        toast.adjustSize()
        toast.show()
        toast.raise_()
        self._arrange()
        _announce(toast)
        return toast

    def error(self, error: DeskError, details: str = "") -> Toast:
        """Show what went wrong and the next step; of several things the first, the rest behind a button."""
        first, *more = error.what.splitlines() or [""]
        if not more:
            return self.say(first, "bad", error.next_step, details)
        rest = f"And {count(len(more), 'more problem')}."
        return self.say(first, "bad", error.next_step or rest, details or error.what)

    def forget(self, toast: Toast) -> None:
        """Take a toast away; one that is gone already is no error."""
        if toast in self.shown:
            self.shown.remove(toast)
            toast.hide()
            toast.deleteLater()
            self._arrange()

    def clear(self) -> bool:
        """Take all away; True if there were any."""
        had = bool(self.shown)
        for toast in tuple(self.shown):
            self.forget(toast)
        return had

    def _arrange(self) -> None:
        bottom = self.host.height() - MARGIN
        for toast in reversed(self.shown):
            height = toast.heightForWidth(WIDTH)
            toast.resize(WIDTH, height)
            toast.move(self.host.width() - WIDTH - MARGIN, bottom - height)
            bottom -= height + 8

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize:
            self._arrange()
        return False


def _announce(toast: Toast) -> None:
    """Imported with the first toast: the window's first paint does not wait for it."""
    from PySide6.QtGui import QAccessible, QAccessibleAnnouncementEvent

    if QAccessible.isActive():
        QAccessible.updateAccessibility(QAccessibleAnnouncementEvent(toast, toast.accessibleName()))
