"""The live account of a stack: a thread that reads the ledger as it is written."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from desktop.engine.api import RunningTask, Totals
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.records import PoolState, WorkerState
from desktop.engine.ledger.tail import Tail

POLL = 0.1  # seconds
KEPT = 2_000  # tasks that are over and kept whole


@dataclass(frozen=True, slots=True)
class Held:
    """What the ledger knows of one start of a worker now."""

    running: int = 0
    ready: bool = False  # its probe wrote `ready`
    heard_at: float = 0.0  # seconds since the epoch: its main process' last line about itself


class Feed:
    """Reads every tenth of a second; every question is answered from any thread, without waiting long.

    Its memory is bounded: of tasks that are over it keeps the last 2,000, and remembers 20,000 before them
    well enough to see a second run. The whole truth is in the files, for `ledger.read`.
    """

    def __init__(self, folder: Path) -> None:
        self._tail = Tail(folder)
        self._account = Account(bounded=KEPT)
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read what is left and end."""
        self._ending.set()
        if self._thread.is_alive():
            self._thread.join()
        self.catch_up()
        with self._lock:
            self._tail.close()

    def _run(self) -> None:
        while not self._ending.wait(POLL):
            self.catch_up()

    def catch_up(self) -> None:
        """Read what was written up to now."""
        with self._lock:
            lines = self._tail.poll()
            if lines:
                self._account.take(lines)

    def held(self, service: str, start: int) -> Held:
        """What a worker holds, read up to this moment: it is asked when something has just ended."""
        self.catch_up()
        with self._lock:
            state = self._state(service, start)
            running = len(self._account.running(service, start))
        if state is None:
            return Held(running)
        return Held(running, state.ready_at is not None, state.heard_at)

    def _state(self, service: str, start: int) -> WorkerState | None:
        state = self._account.workers.get(service)
        return state if state is not None and state.start == start else None

    def cut(self, service: str, start: int) -> None:
        """A worker's main process died: what it ran is cut."""
        with self._lock:
            self._account.cut(service, start=start, t=time.time())

    def pool(self, service: str, start: int) -> PoolState | None:
        """The last figures of a worker's pool; None before the first."""
        with self._lock:
            state = self._state(service, start)
            return state.pool if state is not None else None

    def pool_pids(self, service: str, start: int) -> tuple[int, ...]:
        """A prefork worker's pool processes."""
        pool = self.pool(service, start)
        return pool.pids if pool is not None else ()

    def running(self, service: str, start: int) -> tuple[RunningTask, ...]:
        """What a worker runs now, longest first."""
        with self._lock:
            return self._account.running(service, start)

    def task_of(self, service: str, start: int, pid: int) -> str | None:
        """The name of the task that a pool process runs, or ran when it died."""
        self.catch_up()
        return next((task.name for task in self.running(service, start) if task.pid == pid), None)

    def done(self, service: str) -> int:
        """Attempts of a worker that ended."""
        with self._lock:
            return self._account.done(service)

    def totals(self) -> Totals:
        """The account so far."""
        with self._lock:
            return self._account.totals()

    def ended(self) -> tuple[int, int]:
        """(attempts that ended, those of them that failed)."""
        totals = self.totals()
        ended = totals.succeeded + totals.failed + totals.retried + totals.revoked
        return ended, totals.failed

    def ended_of_loads(self) -> Mapping[int, int]:
        """How many tasks of each load are over."""
        with self._lock:
            return {number: load.ended for number, load in self._account.loads.items()}
