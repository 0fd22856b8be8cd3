"""The real program, with somebody who does in its window what is said on standard input.

Each line is a JSON object with `do`; each answer is one on standard output. `start` presses Start and
answers when every service is ready, `go` shows a page, `submit` takes a task and a rate, `late` measures
for some seconds how late the event loop is, `tasks` tells how many ended. Used by `bench_window`; the end
of its input closes it.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QApplication

from desktop.engine.api import StackState, TaskShare, Workload
from desktop.ui.window import Window

TICK_MS = 10


class Hand(QObject):
    """Does what it reads, in the GUI thread."""

    _read = Signal(object)

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._app = app
        self._read.connect(self._do, Qt.ConnectionType.QueuedConnection)
        self._late: list[float] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            self._read.emit(json.loads(line))
        self._read.emit({"do": "close"})

    def _do(self, said: dict[str, Any]) -> None:
        window = self._window()
        if window is None or window.page is None:
            QTimer.singleShot(20, self, lambda: self._do(said))
            return
        getattr(self, f"_{said.pop('do')}")(window, **said)

    def _window(self) -> Window | None:
        return next((w for w in self._app.topLevelWidgets() if isinstance(w, Window)), None)

    def _start(self, window: Window) -> None:
        window.go("overview")
        window.header.start.click()
        self._when(lambda: window.bridge.snapshot.state is StackState.RUNNING, {"running": True})

    def _go(self, window: Window, page: str) -> None:
        window.go(page)
        self._say({"page": page})

    def _submit(self, window: Window, task: str, rate: float, seconds: float) -> None:
        workload = Workload((TaskShare(task),), rate=rate, seconds=seconds)
        window.do(window.desk.submit(workload), lambda number: self._say({"load": number}))

    def _tasks(self, window: Window) -> None:
        self._say({"succeeded": window.desk.snapshot().totals.succeeded, "t": time.time()})

    def _close(self, window: Window) -> None:
        window.close_now()

    def _when(self, condition: Callable[[], bool], answer: dict[str, Any]) -> None:
        if condition():
            self._say(answer)
        else:
            QTimer.singleShot(20, self, lambda: self._when(condition, answer))

    # how late the loop is

    def _lateness(self, _window: Window, seconds: float) -> None:
        self._late, own = [], []
        timer = QTimer(self)
        timer.setTimerType(Qt.TimerType.PreciseTimer)
        began = due = time.perf_counter()
        worked = time.thread_time()

        def tick() -> None:
            nonlocal due, worked
            now, was = time.perf_counter(), worked
            worked = time.thread_time()
            own.append((worked - was) * 1000)
            due += TICK_MS / 1000
            self._late.append(max(0.0, now - due) * 1000)
            due = max(due, now - TICK_MS / 1000)
            if now - began > seconds:
                timer.stop()
                timer.deleteLater()
                self._say({"late_ms": self._late, "own_ms": own})

        timer.timeout.connect(tick)
        timer.start(TICK_MS)

    def _say(self, what: dict[str, Any]) -> None:
        print(json.dumps(what), flush=True)


def main() -> None:
    """Run the program as `python main.py` does."""
    from desktop.__main__ import main as program
    from desktop.ui.app import make_application

    Hand(make_application())
    program()


if __name__ == "__main__":
    main()
