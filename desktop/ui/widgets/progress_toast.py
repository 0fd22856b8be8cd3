"""A toast about something that takes long: how far it is, and a button that cancels it."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, QTimer
from PySide6.QtGui import QEnterEvent
from PySide6.QtWidgets import QProgressBar

from desktop.engine.api import Underway
from desktop.ui.widgets.labels import label
from desktop.ui.widgets.toast import Toast, Toasts

LOOK_MS = 100  # between two looks at how far it is
PATIENCE_MS = 400  # what is over by then needs no toast
_BARS = 1000


class ProgressToast(Toast):
    """Stays until the future has ended."""

    def __init__(self, parent: Toasts, title: str, future: Underway[Any]) -> None:
        super().__init__(parent, "info", title)
        self._title, self._future = title, future
        self._timer.stop()
        self.doing = label("", "small", "muted", wrap=True)
        self.bar = QProgressBar()
        self.bar.setRange(0, _BARS)
        self.bar.setTextVisible(False)
        self._column.insertWidget(1, self.doing)
        self._column.insertWidget(2, self.bar)
        self.cancel = self.offer("Cancel", self._cancel)
        self.cancel.setAccessibleName(f"Cancel: {title}")
        self._look_again = QTimer(self, interval=LOOK_MS)
        self._look_again.timeout.connect(self.look)
        self._look_again.start()
        self.look()

    def look(self) -> None:
        """Show how far it is now; leave when it has ended."""
        if self._future.done():
            self.dismiss()
            return
        share = self._future.share
        self.doing.setText(f"{self._future.doing}  {share:.0%}".strip())
        self.bar.setValue(round(_BARS * share))
        self.bar.setAccessibleName(f"{self._title}: {share:.0%}")

    def _cancel(self) -> None:
        self._future.cancel()

    def leaveEvent(self, event: QEvent) -> None:
        """It leaves only when it is over."""

    def enterEvent(self, event: QEnterEvent) -> None:
        """As above."""


def show_progress(toasts: Toasts, title: str, future: Underway[Any]) -> None:
    """Show a toast until it has ended; none at all where that is soon."""

    def show() -> None:
        if not future.done():
            toasts.put(ProgressToast(toasts, title, future))

    QTimer.singleShot(PATIENCE_MS, toasts, show)
