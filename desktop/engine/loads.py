"""The workloads of one living stack: each a generator process of its own."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from pathlib import Path
from typing import Protocol

from desktop.engine.api import DeskError, LoadSnapshot, LoadState, Mark, MarkKind, Workload
from desktop.engine.load.client import Load
from desktop.engine.load.plan import Plan
from desktop.engine.record.client import Recorder
from desktop.engine.stack.model import StackSpec
from desktop.engine.supervise.guard import Guard
from desktop.engine.supervise.loop import Loop
from desktop.engine.supervise.outcome import plural
from desktop.engine.supervise.services import base_env

log = logging.getLogger(__name__)

_OVER = (LoadState.DONE, LoadState.CANCELLED, LoadState.FAILED)
_KEPT = 50  # workloads shown


def free_load_id(ledger: Path) -> int:
    """The number of the next load of a run, which may be submitted from another process too."""
    taken = [file.name.split(".")[0].removeprefix("load-") for file in ledger.glob("load-*.jsonl")]
    return max((int(number) for number in taken if number.isdigit()), default=0) + 1


class Endpoint(Protocol):
    """Where a broker is."""

    @property
    def url(self) -> str:
        """What a client connects to."""


class Loaded(Protocol):
    """The stack that is loaded: ours, or one that we are attached to."""

    @property
    def endpoint(self) -> Endpoint | None: ...
    @property
    def run_folder(self) -> Path: ...
    @property
    def logs_folder(self) -> Path: ...
    @property
    def session_id(self) -> str: ...
    @property
    def loop(self) -> Loop: ...
    @property
    def feed(self) -> Recorder: ...
    def spec(self) -> StackSpec: ...
    def mark(self, mark: Mark) -> None: ...


class Loads:
    """Submits, watches and ends workloads. Methods may be called from any thread."""

    def __init__(self, live: Loaded, guard: Guard) -> None:
        self._live = live
        self._guard = guard
        self._loads: dict[int, Load] = {}
        self._pids: dict[int, int] = {}
        self._lock = threading.Lock()
        self._last = 0

    def submit(self, workload: Workload) -> int:
        """Start a generator; its number. Only from the loop. Raises DeskError."""
        live = self._live
        if live.endpoint is None:
            raise DeskError("There is no broker to send to.", "Start the stack first.")
        if not workload.mix:
            raise DeskError("The workload has no task.", "Choose at least one.")
        ledger = live.run_folder / "ledger"
        self._last = number = max(self._last + 1, free_load_id(ledger))
        plan = Plan(number, workload, ledger, live.endpoint.url, celery=live.spec().celery)
        load = Load(
            plan,
            env=base_env(live.session_id),
            log_file=live.logs_folder / f"load-{number}.001.log",
            on_change=lambda snapshot: self._changed(number, snapshot),
        )
        with self._lock:
            self._loads[number] = load
            self._pids[number] = load.pid
            while len(self._loads) > _KEPT:
                del self._loads[next(iter(self._loads))]
        self._guard.add(load.pid)
        live.mark(Mark(time.time(), MarkKind.LOAD, f"load-{number}", f"{_title(workload)} submitted"))
        return number

    def _changed(self, number: int, snapshot: LoadSnapshot) -> None:
        if snapshot.state in _OVER:
            self._live.loop.call(lambda: self._over(number, snapshot))

    def _over(self, number: int, snapshot: LoadSnapshot) -> None:
        pid = self._pids.pop(number, None)
        if pid is None:
            return
        self._guard.remove(pid)
        sent = plural(snapshot.sent, "task")
        text = f"{_title(snapshot.workload)}: {snapshot.state.value}, {sent} sent"
        self._live.mark(Mark(time.time(), MarkKind.LOAD, f"load-{number}", text))

    def snapshots(self) -> tuple[LoadSnapshot, ...]:
        """Newest first, with how many of their tasks have ended."""
        with self._lock:
            loads = list(self._loads.items())
        ended = self._live.feed.ended_of_loads()
        return tuple(
            dataclasses.replace(load.snapshot(), ended=ended.get(number, 0))
            for number, load in reversed(loads)
        )

    def queues(self) -> tuple[str, ...]:
        """Queues that workloads name."""
        with self._lock:
            loads = list(self._loads.values())
        names = (share.queue for load in loads for share in load.snapshot().workload.mix)
        return tuple(dict.fromkeys(name for name in names if name))

    def _find(self, number: int) -> Load | None:
        with self._lock:
            return self._loads.get(number)

    def pause(self, number: int) -> None:
        """Hold it."""
        if load := self._find(number):
            load.pause()

    def resume(self, number: int) -> None:
        """Go on."""
        if load := self._find(number):
            load.resume()

    def cancel(self, number: int) -> None:
        """Send no more."""
        if load := self._find(number):
            load.cancel()

    def cancel_all(self) -> None:
        """Before the stack stops."""
        for load in list(self._loads.values()):
            load.cancel()

    def close(self) -> None:
        """End every generator, and wait for it."""
        self.cancel_all()
        for load in list(self._loads.values()):
            load.close()


def _title(workload: Workload) -> str:
    names = ", ".join(dict.fromkeys(share.task for share in workload.mix))
    return workload.name or names
