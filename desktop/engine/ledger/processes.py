"""The processes that write: workers, what they told of their pools, and which of them ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from desktop.engine.ledger.lines import Source
from desktop.engine.ledger.places import Holder
from desktop.engine.ledger.records import Attempt, PoolState, Process, WorkerState

_REMEMBERED = 512  # processes, before those that are gone and owe us nothing are forgotten


class Processes:
    """Every process whose lines were read."""

    def __init__(self) -> None:
        self.workers: dict[str, WorkerState] = {}
        self.dead: dict[Holder, bool] = {}  # workers that ended: whether they gave their messages back
        self._dead_at: dict[Holder, float] = {}
        self._processes: dict[Source, Process] = {}
        self._prune_at = _REMEMBERED

    def __len__(self) -> int:
        return len(self._processes)

    def of(self, source: Source) -> Process:
        """The process that wrote a file."""
        process = self._processes.get(source)
        if process is None:
            process = self._processes[source] = Process(source)
            if process.holder in self.dead:
                process.dead_at = self._dead_at[process.holder]
                process.gave_back = self.dead[process.holder]
        elif process.source is not source:
            process.source = source  # the same process: known by identity from now on
        return process

    def opened(self, process: Process, data: Mapping[str, Any]) -> None:
        """A process began to write; its number may have been another one's before."""
        process.open.clear()
        process.also.clear()
        if process.holder not in self.dead:
            process.dead_at = None
        if data.get("role") == "main":
            process.main = True
            service, start, _ = process.source
            known = self.workers.get(service)
            if known is None or known.start < start or known.pid == 0:
                t = data["t"]
                self.workers[service] = WorkerState(
                    start=start, pid=data["pid"], node=data.get("node", ""), opened_at=t, heard_at=t
                )

    def worker(self, process: Process, t: float) -> WorkerState | None:
        """The state of the worker whose last start this is, which was heard of at `t`."""
        worker = self.workers.get(process.source.service)
        if worker is None or worker.start != process.source.start:
            return None
        worker.heard_at = max(worker.heard_at, t)
        return worker

    def pool(self, process: Process, data: Mapping[str, Any]) -> None:
        """Figures of a pool."""
        worker = self.worker(process, data["t"])
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

    def ended(
        self, service: str, start: int, pid: int | None, t: float, gave_back: bool
    ) -> Iterator[Process]:
        """The processes of a worker, or that one of it, which ended at `t`."""
        if pid is None:
            self.dead[service, start] = gave_back
            self._dead_at[service, start] = t
        for process in list(self._processes.values()):
            source = process.source
            if source.service == service and source.start == start and pid in (None, source.pid):
                process.dead_at, process.gave_back = t, gave_back and pid is None
                yield process

    def running(self, service: str, start: int) -> Iterator[Attempt]:
        """What a worker runs."""
        for source, process in self._processes.items():
            if source.service == service and source.start == start:
                for attempt in process.running():
                    if not attempt.state:
                        yield attempt

    def prune(self) -> None:
        """Forget the pool processes that are gone and owe us nothing, when there are many."""
        if len(self._processes) <= self._prune_at:
            return
        pools = {name: worker.pool.pids for name, worker in self.workers.items() if worker.pool}
        for source, process in list(self._processes.items()):
            idle = not (process.main or process.open or process.early)
            if idle and source.pid not in pools.get(source.service, ()):
                del self._processes[source]
        self._prune_at = max(_REMEMBERED, 2 * len(self._processes))

    # for a recorder that goes on where another one ended

    def saved(self) -> dict[str, Any]:
        """Workers, as JSON can hold them; runs under way are found with their tasks."""
        return {
            "workers": {name: asdict(worker) for name, worker in self.workers.items()},
            "dead": [[*holder, back, self._dead_at[holder]] for holder, back in self.dead.items()],
        }

    def restore(self, saved: Mapping[str, Any], running: Iterable[Attempt]) -> None:
        """Go on from what `saved` gave; `running` are the attempts that were under way."""
        for name, told in saved["workers"].items():
            pool = told["pool"]
            worker = self.workers[name] = WorkerState(**{**told, "pool": None})
            if pool is not None:
                bounds = tuple(pool["bounds"]) if pool["bounds"] else None
                worker.pool = PoolState(**{**pool, "pids": tuple(pool["pids"]), "bounds": bounds})
            self.of(Source(name, worker.start, worker.pid)).main = True
        for service, start, back, t in saved["dead"]:
            self.dead[service, start] = back
            self._dead_at[service, start] = t
        for attempt in running:
            self.of(Source(attempt.service, attempt.start, attempt.pid)).opened(attempt)
