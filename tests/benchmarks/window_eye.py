"""A real window on a real stack in this process, and an eye on when a worker's death is painted."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QObject, QTimer

from desktop.engine.api import ServiceEvent, StackState, State
from desktop.engine.desk import LocalDesk
from desktop.engine.stack.parse import read_stack
from desktop.ui.app import make_application
from desktop.ui.pages.overview import OverviewPage
from desktop.ui.theme import Scheme, Theme
from desktop.ui.window import Window

DEAD = (State.EXITED, State.BACKING_OFF)


class Eye(QObject):
    """`kill` tells when the engine spoke of a death, and when the Overview was painted with it."""

    def __init__(self, stack: Path) -> None:
        super().__init__()
        app = make_application()
        Theme.current.apply(app, Scheme.LIGHT)
        self._desk = LocalDesk(read_stack(stack))
        self._window = Window(self._desk, "overview")
        self._watched = ""
        self._heard = self._seen = 0.0
        self._desk.subscribe(self._hear)

    def __enter__(self) -> Eye:
        self._window.show()
        self._until(lambda: self._window.page is not None)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._window.close_now()
        self._desk.close()
        self._window.deleteLater()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)

    def start(self) -> None:
        """Press Start; until every worker answers."""
        self._window.header.start.click()
        self._until(lambda: self._window.bridge.snapshot.state is StackState.RUNNING)
        page = self._window.page
        assert isinstance(page, OverviewPage)
        self._nodes = page.flow.workers
        for node in self._nodes.values():
            node.installEventFilter(self)

    def names(self) -> list[str]:
        """The workers."""
        return [w.name for w in self._window.bridge.snapshot.workers]

    def kill(self, name: str) -> tuple[float, float]:
        """(milliseconds until the engine told, milliseconds until it was painted)."""
        self._until(lambda: self._state(name) is State.READY)
        pid = self._desk.snapshot().worker(name).service.pid  # type: ignore[union-attr]
        assert pid is not None
        self._watched, self._heard, self._seen = name, 0.0, 0.0
        killed = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        self._until(lambda: bool(self._seen))
        return (self._heard - killed) * 1000, (self._seen - killed) * 1000

    def _state(self, name: str) -> State:
        worker = self._window.bridge.snapshot.worker(name)
        assert worker is not None
        return worker.service.state

    def _hear(self, event: ServiceEvent) -> None:
        if event.service == self._watched and event.state is State.EXITED and not self._heard:
            self._heard = time.perf_counter()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint and watched is self._nodes.get(self._watched):
            snapshot = self._nodes[self._watched].snapshot
            if not self._seen and snapshot is not None and snapshot.service.state in DEAD:
                QTimer.singleShot(0, self, self._painted)  # after the whole frame
        return False

    def _painted(self) -> None:
        self._seen = self._seen or time.perf_counter()

    def _until(self, condition: Callable[[], bool], within: float = 60.0) -> None:
        loop, until = QEventLoop(), time.monotonic() + within
        look = QTimer()
        look.setInterval(5)

        def check() -> None:
            if condition() or time.monotonic() > until:
                loop.quit()

        look.timeout.connect(check)
        look.start()
        loop.exec()
        look.stop()
        if not condition():
            raise RuntimeError(f"the window did not show it within {within:g} s")
