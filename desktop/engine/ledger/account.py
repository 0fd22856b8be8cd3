"""The account of the tasks: who ran what, how often, and how each attempt ended."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from desktop.engine.api import RunningTask, Totals
from desktop.engine.ledger.lines import Line, Source
from desktop.engine.ledger.records import (
    CUT,
    Attempt,
    LoadCount,
    PoolState,
    Process,
    Receipt,
    Task,
    WorkerState,
)
from desktop.engine.ledger.tail import Tail

RATE_SECONDS = 5
_BUCKETS = 2  # a second, for the rate
_REMEMBERED = 10  # ids that are remembered for each whole task that a bounded account keeps
_PROCESSES = 512  # that a bounded account remembers before it forgets those that are gone


class Account:
    """Takes the lines of all files, in any interleaving, and keeps count.

    Unbounded it is the whole truth about a run. With `bounded=N` it keeps the tasks that are not over and
    the last N that are, and of ten times as many before them how often they ran (so that a second run of
    one of those is still seen); its size stays the same over hours. Not for several threads at once.
    """

    def __init__(self, bounded: int | None = None) -> None:
        self._bounded = bounded
        self._tasks: dict[str, Task] = {}
        self._over: deque[str] = deque()
        self._remembered: dict[str, int] = {}  # forgotten tasks: the retries of their last attempt
        self._sent: dict[str, int] = {}  # tasks that were sent and not yet received: their load
        self._processes: dict[Source, Process] = {}
        self._prune_at = _PROCESSES
        self._counts = dict.fromkeys(
            ("SUCCESS", "FAILURE", "RETRY", "REVOKED", "REJECTED", "IGNORED", CUT), 0
        )
        self._received = self._started = self._running = self._twice = 0
        self._done: dict[str, int] = {}
        self._ends: dict[int, int] = {}
        self.workers: dict[str, WorkerState] = {}
        self.loads: dict[int, LoadCount] = {}
        self._take: dict[str, Callable[[Process, Mapping[str, Any]], None]] = {
            "open": self._on_open,
            "ready": self._on_ready,
            "received": self._on_received,
            "started": self._on_started,
            "ended": self._on_ended,
            "revoked": self._on_revoked,
            "pool": self._on_pool,
            "closing": self._on_closing,
            "sent": self._on_sent,
            "doubt": self._on_doubt,
            "unsent": self._on_unsent,
        }

    def take(self, lines: Iterable[Line]) -> None:
        """Account for further lines. Kinds that it does not know are left alone."""
        process: Process | None = None
        handlers = self._take
        for source, data in lines:
            if process is None or process.source is not source:
                process = self._process(source)
            handler = handlers.get(data["k"])
            if handler is not None:
                handler(process, data)
        if self._bounded is not None and len(self._processes) > self._prune_at:
            self._forget_processes()

    def cut(
        self, service: str, pid: int | None = None, start: int | None = None, t: float | None = None
    ) -> tuple[Attempt, ...]:
        """A process died: what it ran is cut. Returns those attempts.

        Without `pid`, or with that of the main process, the whole worker died. `start` is that of the last
        start unless told. What the dead processes had written and was not read yet still counts.
        """
        worker = self.workers.get(service)
        start = (worker.start if worker else 0) if start is None else start
        whole = pid is None or (worker is not None and worker.start == start and worker.pid == pid)
        cut: list[Attempt] = []
        for process in self._processes.values():
            source = process.source
            if source.service == service and source.start == start and (whole or source.pid == pid):
                process.dead_at = time.time() if t is None else t
                for attempt in process.running():
                    if not attempt.state:
                        self._cut(attempt, process.dead_at)
                        cut.append(attempt)
        return tuple(cut)

    # what there is
    def totals(self, now: float | None = None) -> Totals:
        """The counts of this moment. An attempt that was cut and was reported later counts as reported."""
        counts = self._counts
        return Totals(
            submitted=sum(load.sent for load in self.loads.values()),
            received=self._received,
            started=self._started,
            succeeded=counts["SUCCESS"],
            failed=counts["FAILURE"],
            retried=counts["RETRY"],
            revoked=counts["REVOKED"],
            running=self._running,
            cut=counts[CUT],
            ran_twice=self._twice,
            per_second=self.rate(now),
        )

    def rate(self, now: float | None = None) -> float:
        """Tasks that came to an end a second, over the 5 s before `now`."""
        last = int((time.time() if now is None else now) * _BUCKETS)
        span = RATE_SECONDS * _BUCKETS
        return sum(self._ends.get(bucket, 0) for bucket in range(last - span, last)) / RATE_SECONDS

    def attempts(self, task_id: str) -> tuple[Attempt, ...]:
        """The runs of a task, first started first; empty when it is not known (any more)."""
        task = self._tasks.get(task_id)
        return tuple(sorted(task.attempts, key=lambda attempt: attempt.started)) if task else ()

    def task(self, task_id: str) -> Task | None:
        """A task, unless it is unknown or forgotten."""
        return self._tasks.get(task_id)

    def tasks(self) -> Iterator[Task]:
        """Every task that some worker wrote of; with a bound, those that are kept."""
        return iter(self._tasks.values())

    def unreceived(self) -> Mapping[str, int]:
        """Ids that were sent and that no worker wrote of, and the load that sent them."""
        return self._sent

    def done(self, service: str) -> int:
        """Attempts of a worker that ended, over all its starts."""
        return self._done.get(service, 0)

    def running(self, service: str, start: int | None = None) -> tuple[RunningTask, ...]:
        """What a worker runs now, longest first; of its last start unless told."""
        worker = self.workers.get(service)
        start = (worker.start if worker else 0) if start is None else start
        found = [
            RunningTask(attempt.task_id, attempt.name, attempt.started, attempt.pid, self._number(attempt))
            for process in self._processes.values()
            if process.source.service == service and process.source.start == start
            for attempt in process.running()
            if not attempt.state
        ]
        return tuple(sorted(found, key=lambda task: task.since))

    def _number(self, attempt: Attempt) -> int:
        task = self._tasks.get(attempt.task_id)
        if task is None:
            return 1
        return 1 + task.earlier + sum(1 for other in task.attempts if other.started < attempt.started)

    # lines of workers
    def _on_open(self, process: Process, data: Mapping[str, Any]) -> None:
        t = data["t"]
        for attempt in list(process.running()):  # a later process of the same number
            if not attempt.state:
                self._cut(attempt, t)
        process.open.clear()
        process.also.clear()
        process.dead_at = None
        if data.get("role") == "main":
            process.main = True
            known = self.workers.get(process.source.service)
            if known is None or known.start < process.source.start or known.pid == 0:
                self.workers[process.source.service] = WorkerState(
                    start=process.source.start,
                    pid=data["pid"],
                    node=data.get("node", ""),
                    opened_at=t,
                    heard_at=t,
                )

    def _worker(self, process: Process, t: float) -> WorkerState | None:
        """The state of the worker whose last start this is."""
        worker = self.workers.get(process.source.service)
        if worker is None or worker.start != process.source.start:
            return None
        worker.heard_at = max(worker.heard_at, t)
        return worker

    def _on_ready(self, process: Process, data: Mapping[str, Any]) -> None:
        worker = self._worker(process, data["t"])
        if worker is not None:
            worker.ready_at = data["t"]

    def _on_closing(self, process: Process, data: Mapping[str, Any]) -> None:
        worker = self._worker(process, data["t"])
        if worker is not None:
            worker.closing_at = data["t"]

    def _on_pool(self, process: Process, data: Mapping[str, Any]) -> None:
        worker = self._worker(process, data["t"])
        if worker is not None:
            low, high = data["min"], data["max"]
            worker.pool = PoolState(
                t=data["t"],
                start=worker.start,
                size=data["size"],
                busy=data["busy"],
                reserved=data["reserved"],
                scheduled=data["scheduled"],
                bounds=None if high is None else (low or 0, high),
                prefetch=data["prefetch"],
                pids=tuple(data["pids"]),
            )

    def _on_received(self, process: Process, data: Mapping[str, Any]) -> None:
        task = self._task(data["id"], data["name"])
        receipt = Receipt(
            data["t"],
            process.source.service,
            process.source.start,
            bool(data.get("redelivered")),
            data.get("retries") or 0,
            data.get("eta"),
        )
        task.receipts.append(receipt)
        if task.received is None:
            self._received += data["id"] not in self._remembered
            task.queue = data["queue"]
            task.received = data["t"]
        else:
            task.received = min(task.received, data["t"])

    def _on_started(self, process: Process, data: Mapping[str, Any]) -> None:
        task_id, t, retries = data["id"], data["t"], data["retries"]
        task = self._task(task_id, data["name"])
        service, start, pid = process.source
        attempt = Attempt(task_id, data["name"], service, start, pid, t, retries)
        # A retry counts up; the same number again is the same message, delivered again.
        before = self._remembered.pop(task_id, None) if self._remembered else None
        if before is not None:
            task.earlier = 1
        if not task.twice and (before == retries or any(other.retries == retries for other in task.attempts)):
            task.twice = True
            self._twice += 1
        task.attempts.append(attempt)
        process.opened(attempt)
        self._started += 1
        self._running += 1
        early = process.told_early(attempt) if process.early else None
        if early is not None:
            self._on_ended(process, early)
        elif process.dead_at is not None:
            self._cut(attempt, process.dead_at)

    def _on_ended(self, process: Process, data: Mapping[str, Any]) -> None:
        task_id, t, state = data["id"], data["t"], data["state"]
        run = data["run"] or 0.0
        pid = data.get("pid")
        if pid is not None and pid != process.source.pid:  # told by the main process of a dead pool process
            process = self._process(process.source._replace(pid=pid))
        attempt = process.closed(task_id, t - run, exactly=pid is not None)
        if attempt is None and pid is not None:
            process.early.setdefault(task_id, []).append(data)
            return
        requeued = bool(data.get("requeue"))
        if attempt is not None:
            if attempt.state == CUT:
                self._counts[CUT] -= 1
            else:
                self._running -= 1
            attempt.ended, attempt.state, attempt.run = t, state, max(run, 0.0)
            attempt.cpu, attempt.error, attempt.requeued = data["cpu"], data["error"], requeued
            self._done[attempt.service] = self._done.get(attempt.service, 0) + 1
        self._counts[state] = self._counts.get(state, 0) + 1
        task = self._task(task_id, attempt.name if attempt is not None else "")
        task.state, task.error = state, data["error"]
        if state != "RETRY" and not requeued:
            self._ended(task, t)

    def _on_revoked(self, process: Process, data: Mapping[str, Any]) -> None:
        if data["terminated"]:
            return  # it ran: its own end tells
        task = self._task(data["id"], data.get("name") or "")
        self._counts["REVOKED"] += 1
        task.state, task.error = "REVOKED", "expired" if data["expired"] else "revoked before it ran"
        self._ended(task, data["t"])

    # lines of load generators
    def _load(self, process: Process) -> tuple[int, LoadCount]:
        number = int(process.source.service.rpartition("-")[2])
        load = self.loads.get(number)
        if load is None:
            load = self.loads[number] = LoadCount()
        return number, load

    def _on_sent(self, process: Process, data: Mapping[str, Any]) -> None:
        number, load = self._load(process)
        ids = data["ids"]
        load.sent += len(ids)
        tasks, sent, in_doubt = self._tasks, self._sent, load.in_doubt
        for task_id in ids:
            if in_doubt:
                in_doubt.discard(task_id)
            task = tasks.get(task_id)
            if task is None:
                sent[task_id] = number
            elif task.load is None:
                task.load = number
                load.ended += task.over

    def _on_doubt(self, process: Process, data: Mapping[str, Any]) -> None:
        self._load(process)[1].in_doubt.update(data["ids"])

    def _on_unsent(self, process: Process, data: Mapping[str, Any]) -> None:
        _, load = self._load(process)
        load.unsent += len(data["ids"])
        load.in_doubt.difference_update(data["ids"])

    # keeping
    def _process(self, source: Source) -> Process:
        process = self._processes.get(source)
        if process is None:
            process = self._processes[source] = Process(source)
        elif process.source is not source:
            process.source = source  # the same process: known by identity from now on
        return process

    def _task(self, task_id: str, name: str) -> Task:
        task = self._tasks.get(task_id)
        if task is None:
            load = self._sent.pop(task_id, None) if self._sent else None
            task = self._tasks[task_id] = Task(task_id, name, load=load)
        elif name and not task.name:
            task.name = name
        return task

    def _cut(self, attempt: Attempt, t: float) -> None:
        attempt.state, attempt.ended = CUT, max(t, attempt.started)
        self._counts[CUT] += 1
        self._running -= 1

    def _ended(self, task: Task, t: float) -> None:
        bucket = int(t * _BUCKETS)
        ends = self._ends
        ends[bucket] = ends.get(bucket, 0) + 1
        if len(ends) > 60 * _BUCKETS:
            for old in sorted(ends)[: 30 * _BUCKETS]:
                del ends[old]
        if task.over:
            return
        task.over = True
        task.ended = t
        if task.load is not None:
            self.loads[task.load].ended += 1
        if self._bounded is not None:
            self._over.append(task.id)
            if len(self._over) > self._bounded:
                self._forget_task(self._over.popleft())

    def _forget_task(self, task_id: str) -> None:
        task = self._tasks.get(task_id)
        if task is None:
            return
        if any(not attempt.state for attempt in task.attempts):
            self._over.append(task_id)  # it runs again: not yet
        else:
            del self._tasks[task_id]
            if task.attempts and self._bounded is not None:
                self._remembered[task_id] = task.attempts[-1].retries
                if len(self._remembered) > _REMEMBERED * self._bounded:
                    del self._remembered[next(iter(self._remembered))]

    def _forget_processes(self) -> None:
        """Forget the pool processes that are gone and owe us nothing."""
        pools = {name: worker.pool.pids for name, worker in self.workers.items() if worker.pool}
        for source, process in list(self._processes.items()):
            idle = not (process.main or process.open or process.early)
            if idle and source.pid not in pools.get(source.service, ()):
                del self._processes[source]
        self._prune_at = max(_PROCESSES, 2 * len(self._processes))


def read(folder: Path) -> Account:
    """The whole account of a run that is over, or of one as far as it is written."""
    tail, account = Tail(folder), Account()
    try:
        while lines := tail.poll():
            account.take(lines)
    finally:
        tail.close()
    return account
