"""What is around a window from its first frame on: further starts, signals, the log, and no silent death."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from PySide6.QtCore import QObject, QSocketNotifier

from desktop.ui.crash import CrashNet, log, log_to_file
from desktop.ui.single import Listener
from desktop.ui.window import Window


def surround(window: Window) -> list[Callable[[], None]]:
    """Put it all in place; what takes it away again, to be called from the last to the first."""
    handler = log_to_file()
    listener = Listener(window)
    listener.listen()
    listener.asked.connect(_Forward(window).come)
    net = CrashNet(window.toasts)
    net.install()
    signals = _Signals(window)

    def close_log() -> None:
        log.removeHandler(handler)
        handler.close()

    return [close_log, listener.close, net.remove, signals.restore]


class _Forward(QObject):
    """A further start: come forward, and take the stack file or the recorded run it was given."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window

    def come(self, stack: Path | None, run: Path | None) -> None:
        window = self._window
        if window.isMinimized():
            window.showNormal()
        window.show()
        window.raise_()
        window.activateWindow()
        if stack is not None:
            window.stack_commands.open_stack(stack)
        if run is not None:
            window.run_commands.open_run(run)


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
