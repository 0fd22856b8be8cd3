"""The real program with a person in it: opens the window, presses *Start*, and submits a workload.

`python -m tests.support.driven_window` is `python main.py`, but for the hand on the buttons. It says what it
does as JSON lines, flushed at once: `{"said": "started"}` when Start was pressed, `{"said": "loaded"}` when
the workload was taken, `{"said": "running"}` when every service answers.
"""

from __future__ import annotations

import json
import time

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication

from desktop.engine.api import StackState, TaskShare, Workload

LOAD = Workload(
    mix=(TaskShare("tasks.sleep", weight=3), TaskShare("tasks.noop", weight=6), TaskShare("tasks.primes")),
    rate=100.0,
    name="A hundred a second",
)
LOOK_MS = 10


class Hand(QObject):
    """Looks for the window every few milliseconds, and does one thing after the other in it."""

    def __init__(self, app: QApplication) -> None:
        super().__init__(app)
        self._app = app
        self._done: set[str] = set()
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_MS)
        self._timer.timeout.connect(self._look)
        self._timer.start()

    def _look(self) -> None:
        from desktop.ui.window import Window

        for window in self._app.topLevelWidgets():
            if isinstance(window, Window) and window.page is not None:
                self._act(window)

    def _act(self, window: object) -> None:
        from desktop.ui.window import Window

        assert isinstance(window, Window)
        snapshot = window.bridge.snapshot
        if "started" not in self._done:
            window.header.start.click()
            self._say("started")
        elif "loaded" not in self._done and snapshot.run_folder is not None:
            window.do(window.desk.submit(LOAD), lambda _number: self._say("loaded"))
            self._done.add("loaded")
        elif snapshot.state is StackState.RUNNING:
            self._say("running")
            self._timer.stop()

    def _say(self, what: str) -> None:
        self._done.add(what)
        print(json.dumps({"said": what, "t": time.time()}), flush=True)


def main() -> None:
    """Run the program as `python main.py` does."""
    from desktop.__main__ import main as program
    from desktop.ui.app import make_application

    Hand(make_application())
    program()


if __name__ == "__main__":
    main()
