"""A real window in this process, offscreen, in whose failure lab drills are run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from types import TracebackType

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QTimer

from desktop.engine.api import DrillSnapshot, Stage, Verdict
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack
from desktop.ui.app import make_application
from desktop.ui.theme import Scheme, Theme
from desktop.ui.window import Window

LIMIT = 240.0  # seconds for one drill


class DrillWindow:
    """Opens the window on the laptop's stack; `verdict` runs one drill in it."""

    def __enter__(self) -> DrillWindow:
        app = make_application()
        Theme.current.apply(app, Scheme.LIGHT)
        self._desk = LocalDesk(read_stack("laptop"))
        self._window = Window(self._desk, "lab")
        self._window.show()
        self._until(lambda: self._window.page is not None, 30)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._window.close_now()
        self._desk.close()
        self._window.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    def verdict(self, name: str, seed: int) -> Verdict | None:
        """None where it gave none in time."""
        drill = self._desk.read_drill(name).result(10)
        began = time.time()
        self._window.lab_commands.start(drill, seed, 1)

        def over() -> bool:
            shown = self._shown()
            return shown is not None and shown.began >= began - 1 and shown.stage is Stage.OVER

        self._until(over, LIMIT)
        shown = self._shown()
        stack = self._window.bridge.snapshot.spec.name
        assert stack == "laptop", f"the stack as before, not {stack}"
        return shown.verdicts[-1] if over() and shown is not None and shown.verdicts else None

    def _shown(self) -> DrillSnapshot | None:
        """As the window knows it."""
        shown: DrillSnapshot | None = self._window.bridge.snapshot.drill
        return shown

    def _until(self, done: Callable[[], bool], seconds: float) -> None:
        loop, timer, end = QEventLoop(), QTimer(), time.monotonic() + seconds
        timer.timeout.connect(lambda: loop.quit() if done() or time.monotonic() > end else None)
        timer.start(20)
        loop.exec()
        timer.stop()
