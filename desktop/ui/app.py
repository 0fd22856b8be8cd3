"""The application around the window: one instance, theme, signals, and no silent death."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from PySide6.QtCore import QCoreApplication, QEvent, QObject, QSocketNotifier
from PySide6.QtWidgets import QApplication

from desktop.engine.api import Desk
from desktop.ui import icons
from desktop.ui.crash import CrashNet, log, log_to_file
from desktop.ui.memory import Memory
from desktop.ui.page import PAGES, PageInfo
from desktop.ui.single import Listener, hand_over
from desktop.ui.theme import Scheme, Theme
from desktop.ui.window import Window

ALREADY_OPEN = "Celery Desk is open already; its window was brought to the front."
NO_DISPLAY = (
    "There is no display to open a window on: neither DISPLAY nor WAYLAND_DISPLAY is set. "
    "Without a window, `celery-desk up STACK` runs a stack."
)


def make_application() -> QApplication:
    """The one QApplication, made if need be, with names and icon. The theme is not applied yet."""
    app = QApplication.instance()
    if not isinstance(app, QApplication):
        app = QApplication(["celery-desk"])
    app.setApplicationName("celery-desk")
    app.setApplicationDisplayName("Celery Desk")
    app.setDesktopFileName("celery-desk")
    app.setWindowIcon(icons.app_icon())
    # The window says when it is closed; Qt would also quit when a dialog was the last one seen.
    app.setQuitOnLastWindowClosed(False)
    return app


def run_window(
    desk: Desk | Callable[[], Desk],
    page: str | None = None,
    stack: Path | None = None,
    pages: Sequence[PageInfo] = PAGES,
) -> int:
    """Open the window and run until it is closed; the exit code of the program.

    `desk` may be a function: it is called only if no window of this user is open yet. `stack` is
    the file that was asked for: a window that is open already takes it. The desk is not closed:
    that is for whoever made it.
    """
    if not _has_display():
        print(NO_DISPLAY, file=sys.stderr)
        return 1
    app = make_application()
    if hand_over(stack):
        print(ALREADY_OPEN)
        return 0
    handler = log_to_file()
    try:
        return _run(app, desk() if callable(desk) else desk, page, pages)
    finally:
        log.removeHandler(handler)
        handler.close()


def _run(app: QApplication, desk: Desk, page: str | None, pages: Sequence[PageInfo]) -> int:
    memory = Memory.of_user()
    Theme.current.apply(app, _remembered_scheme(memory))
    window = Window(desk, page, memory, pages)
    listener = Listener(window)
    listener.listen()
    listener.asked.connect(_Forward(window).come)
    net = CrashNet(window.toasts)
    net.install()
    signals = _Signals(window)
    window.closed.connect(app.quit)
    window.show()
    try:
        return app.exec()
    finally:
        signals.restore()
        net.remove()
        listener.close()
        window.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def _remembered_scheme(memory: Memory) -> Scheme:
    try:
        return Scheme(str(memory.get("scheme", Scheme.SYSTEM)))
    except ValueError:
        return Scheme.SYSTEM


def _has_display() -> bool:
    """Qt would abort the interpreter without one. macOS and Windows always have one."""
    if sys.platform in ("darwin", "win32") or os.environ.get("QT_QPA_PLATFORM"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


class _Forward(QObject):
    """A further start: come forward, and take the stack file it was given."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window

    def come(self, stack: Path | None) -> None:
        window = self._window
        if window.isMinimized():
            window.showNormal()
        window.show()
        window.raise_()
        window.activateWindow()
        if stack is not None:
            window.stack_commands.open_stack(stack)


class _Signals(QObject):
    """SIGINT and SIGTERM close the window, without a question: nobody may be there to answer."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window
        self._asked = False
        self._inner, self._outer = socket.socketpair()
        for end in (self._inner, self._outer):
            end.setblocking(False)
        # Python runs handlers only between its own instructions; the byte on the wakeup
        # descriptor gets Qt's loop to run some.
        self._notifier = QSocketNotifier(self._inner.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._woken)
        self._before_fd = signal.set_wakeup_fd(self._outer.fileno())
        self._before: dict[int, Any] = {
            number: signal.signal(number, self._caught) for number in (signal.SIGINT, signal.SIGTERM)
        }

    def _caught(self, number: int, frame: FrameType | None) -> None:
        log.info("closing on %s", signal.Signals(number).name)
        self._asked = True

    def _woken(self) -> None:
        """In Qt's loop: one that came before the loop ran is heard as soon as it does."""
        try:
            self._inner.recv(4096)
        except BlockingIOError:
            pass
        if self._asked:
            self._window.close_now()

    def restore(self) -> None:
        """Put back the handlers that were there before."""
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(self._before_fd)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._inner.close()
        self._outer.close()
