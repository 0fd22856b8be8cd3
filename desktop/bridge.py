"""Where the engine meets Qt: bulk is pulled ten times a second while anything is under way, a third as often
while nothing is; events are pushed at once.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from shiboken6 import isValid

from desktop.engine.api import Desk, DeskError, ServiceEvent, StackSnapshot, StackState
from desktop.engine.stack.model import StackSpec

log = logging.getLogger(__name__)

INTERVAL_MS = 100
QUIET_TURNS = 3  # while nothing is under way, only every third turn pulls
LATE = 0.1  # seconds of a blocked event loop that are worth a line in the log
NOTHING = StackSnapshot(t=0.0, spec=StackSpec(name=""))  # what there is to show before there is an engine

Done = Callable[[Any], None]
Failed = Callable[[DeskError], None]


@dataclass(eq=False)
class _Job:
    """A verb under way, and who waits for it."""

    future: Future[Any]
    on_done: Done | None
    on_error: Failed | None
    receiver: QObject | None

    def wanted(self) -> bool:
        return self.receiver is None or isValid(self.receiver)


class Bridge(QObject):
    """The window's only way to the engine. Lives in the GUI thread; nothing here ever blocks.

    Without an engine yet it shows `NOTHING`, until one is given to `take`.
    """

    snapshot_changed = Signal(object)  # StackSnapshot: something in it differs from the one before
    service_event = Signal(object)  # ServiceEvent, as soon as the engine says it
    ticked = Signal()  # after each pull: what scrolls with time draws now
    failed = Signal(object)  # DeskError of a verb that nobody else handles

    _heard = Signal(object)
    _ended = Signal(object)

    def __init__(self, desk: Desk | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._desk: Desk | None = None
        self._jobs: set[_Job] = set()
        self._gate = threading.Lock()  # no emit from an engine thread once we are closed
        self._open = True
        self.snapshot: StackSnapshot = NOTHING
        self._last_turn = time.monotonic()
        self._turns = 0
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL_MS)
        self._timer.timeout.connect(self._turn)
        # Queued also from the GUI thread: the engine may speak while it holds a lock that snapshot() needs.
        self._heard.connect(self._hear, Qt.ConnectionType.QueuedConnection)
        self._ended.connect(self._finish, Qt.ConnectionType.QueuedConnection)
        self._unsubscribe: Callable[[], None] = _nothing
        if desk is not None:
            self.take(desk)

    def take(self, desk: Desk) -> None:
        """Begin with this engine; once."""
        self._desk = desk
        self.snapshot = desk.snapshot()
        self._unsubscribe = desk.subscribe(self._hear_elsewhere)

    @property
    def taken(self) -> bool:
        """Whether there is an engine."""
        return self._desk is not None

    @property
    def desk(self) -> Desk:
        """The engine; there must be one."""
        assert self._desk is not None
        return self._desk

    # -- reading

    def start(self) -> None:
        """Begin to pull, at once and then ten times a second."""
        if self._open and not self._timer.isActive():
            self._last_turn = time.monotonic()
            self._timer.start()
            self.pull()

    def pause(self) -> None:
        """Pull no more until `start`: nobody looks. Events still come through."""
        self._timer.stop()

    @property
    def pulling(self) -> bool:
        """True between `start` and `pause`."""
        return self._timer.isActive()

    @Slot()
    def pull(self) -> None:
        """Read the present moment, and tell of it if anything but the time differs."""
        if self._desk is None:
            return
        new = self._desk.snapshot()
        if new is not self.snapshot and replace(new, t=self.snapshot.t) != self.snapshot:
            self.snapshot = new
            self.snapshot_changed.emit(new)

    @Slot()
    def _turn(self) -> None:
        now = time.monotonic()
        late = now - self._last_turn - INTERVAL_MS / 1000
        self._last_turn = now
        if late > LATE:
            log.debug("the event loop was held up for %.0f ms", late * 1000)
        self._turns += 1
        if not _quiet(self.snapshot) or self._turns % QUIET_TURNS == 0:
            self.pull()
        self.ticked.emit()

    # -- events

    def _hear_elsewhere(self, event: ServiceEvent) -> None:
        with self._gate:
            if self._open:
                self._heard.emit(event)

    @Slot(object)
    def _hear(self, event: ServiceEvent) -> None:
        if self._open:
            self.pull()
            self.service_event.emit(event)

    # -- verbs

    def run(
        self,
        future: Future[Any],
        on_done: Done | None = None,
        on_error: Failed | None = None,
        receiver: QObject | None = None,
    ) -> None:
        """Call `on_done(result)` or `on_error(error)` in the GUI thread when a verb has ended.

        Without `on_error`, `failed` tells of the error. When `receiver` (by default the object
        whose method `on_done` is) is gone by then, nobody is called.
        """
        owner = getattr(on_done or on_error, "__self__", None)
        receiver = receiver or (owner if isinstance(owner, QObject) else None)
        job = _Job(future, on_done, on_error, receiver)
        self._jobs.add(job)
        future.add_done_callback(lambda _future: self._end_elsewhere(job))

    def _end_elsewhere(self, job: _Job) -> None:
        with self._gate:
            if self._open:
                self._ended.emit(job)

    @Slot(object)
    def _finish(self, job: _Job) -> None:
        self._jobs.discard(job)
        if not self._open or not job.wanted():
            return
        try:
            result = job.future.result()
        except CancelledError:
            return
        except Exception as error:
            self._fail(job, error)
            return
        self.pull()
        if job.on_done:
            job.on_done(result)

    def _fail(self, job: _Job, error: Exception) -> None:
        self.pull()
        if not isinstance(error, DeskError):
            log.error("a verb failed without a word for people", exc_info=error)
            error = DeskError(f"That did not work: {error}.", "The details are in the panel's own log.")
        if job.on_error:
            job.on_error(error)
        else:
            self.failed.emit(error)

    def close(self) -> None:
        """Hear and pull no more. Verbs that are under way go on in the engine."""
        self._unsubscribe()
        with self._gate:
            self._open = False
        self._timer.stop()
        self._jobs.clear()


def _nothing() -> None:
    pass


def _quiet(snapshot: StackSnapshot) -> bool:
    """No task runs, none was just ended, none is being sent, and no service is changing its state."""
    totals = snapshot.totals
    settled = snapshot.state in (StackState.RUNNING, StackState.STOPPED)
    sending = any(load.ended_at is None for load in snapshot.loads)
    return settled and not (totals.running or totals.per_second or sending)
