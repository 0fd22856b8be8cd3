"""The account of the tasks: who ran what, how often, how each attempt ended, and where each message is."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from desktop.engine.api import RunningTask, Totals
from desktop.engine.ledger.dropped import Dropped
from desktop.engine.ledger.kept import Recall
from desktop.engine.ledger.lines import Line, Source
from desktop.engine.ledger.places import SCHEDULED, WAITING
from desktop.engine.ledger.records import CUT, Attempt, LoadCount, Process, Task, WorkerState
from desktop.engine.ledger.sender_lines import SenderLines
from desktop.engine.ledger.tail import Tail
from desktop.engine.ledger.tally import Beat
from desktop.engine.ledger.task_lines import TaskLines

Handler = Callable[[Process, Mapping[str, Any], bytes], None]


class Account(TaskLines, SenderLines):
    """Takes the lines of all files, in any interleaving, and keeps count. Not for several threads at once.

    Without `recall` it keeps every task. With it, it keeps those that something is still expected of and
    the last ones that are over, once `forget` was told that they are written; `recall` gives a written task
    back when a line names it, so that a task that ended a million tasks ago is still seen to run twice.
    """

    def __init__(self, recall: Recall | None = None) -> None:
        super().__init__(recall)
        self._take: dict[str, Handler] = {
            "open": self._on_open,
            "ready": self._on_ready,
            "received": self._on_received,
            "started": self._on_started,
            "ended": self._on_ended,
            "revoked": self._on_revoked,
            "pool": self._on_pool,
            "closing": self._on_closing,
            "dropped": self._on_dropped,
            "sent": self._on_sent,
            "doubt": self._on_doubt,
            "unsent": self._on_unsent,
            "has": self._on_has,
            "runs": self._on_runs,
            "gone": self._on_gone,
            "purged": self._on_purged,
            "restored": self._on_restored,
        }

    @property
    def workers(self) -> Mapping[str, WorkerState]:
        """What each worker's main process wrote since its last start."""
        return self.processes.workers

    def take(self, lines: Iterable[Line]) -> None:
        """Account for further lines. Kinds that it does not know are left alone."""
        process: Process | None = None
        handlers = self._take
        for source, data, raw in lines:
            if process is None or process.source is not source:
                process = self.processes.of(source)
            handler = handlers.get(data["k"])
            if handler is not None:
                handler(process, data, raw)
        if self.kept.bounded:
            self.processes.prune()

    def tick(self, now: float) -> None:
        """The time: what was scheduled until now is reserved."""
        self._clock = max(self._clock, now)
        while self._due and self._due[0][0] <= now:
            task = self._tasks.get(heapq.heappop(self._due)[1])
            if task is not None and task.place is SCHEDULED:
                self.replace(task)

    def cut(
        self,
        service: str,
        pid: int | None = None,
        start: int | None = None,
        t: float | None = None,
        gave_back: bool = False,
    ) -> tuple[Attempt, ...]:
        """A process died: what it ran is cut. Returns those attempts.

        Without `pid`, or with that of the main process, the whole worker died; `gave_back`: by itself, so
        that kombu put the messages that it held back into their queues. `start` is that of the last start
        unless told. What the dead processes had written and was not read yet still counts.
        """
        worker = self.workers.get(service)
        start = (worker.start if worker else 0) if start is None else start
        t = time.time() if t is None else t
        whole = pid is None or (worker is not None and worker.start == start and worker.pid == pid)
        cut: list[Attempt] = []
        for process in self.processes.ended(service, start, None if whole else pid, t, gave_back):
            for attempt in process.running():
                if not attempt.state:
                    self._cut(attempt, t)
                    cut.append(attempt)
        if whole:
            self._left(service, start, gave_back)
        return tuple(cut)

    def _left(self, service: str, start: int, gave_back: bool) -> None:
        """A worker is gone: what it held is stranded, or waits again."""
        for task in list(self._tasks.values()):
            if task.over:
                continue
            mine = [r for r in task.receipts if r.open and r.service == service and r.start == start]
            if gave_back:
                for receipt in mine:
                    receipt.close()
            if mine or task.holder == (service, start):
                self.replace(task)

    def end_untold(self, attempt: Attempt, t: float) -> None:
        """A run is over by `t`, and the line that told how could not be written."""
        process = self.processes.of(Source(attempt.service, attempt.start, attempt.pid))
        error = "its worker could not write how it ended"
        told = {"id": attempt.task_id, "t": t, "state": "UNKNOWN", "run": None, "cpu": None, "error": error}
        self._on_ended(process, told, b"")

    # what there is
    def totals(self, now: float | None = None) -> Totals:
        """The counts of this moment. An attempt that was cut and was reported later counts as reported."""
        tally, counts = self.tally, self.tally.by_state
        return Totals(
            submitted=sum(load.sent for load in self.loads.values()),
            received=tally.received,
            started=tally.started,
            succeeded=counts["SUCCESS"],
            failed=counts["FAILURE"],
            retried=counts["RETRY"],
            revoked=counts["REVOKED"],
            running=tally.running,
            cut=counts[CUT],
            ran_twice=tally.twice,
            per_second=tally.rate(now),
        )

    def beat(self, now: float) -> Beat:
        """Waits and run times of what ended since the last call."""
        return self.tally.beat(now)

    def attempts(self, task_id: str) -> tuple[Attempt, ...]:
        """The runs of a task, first started first; empty when it is not known."""
        task = self.task(task_id)
        return tuple(sorted(task.attempts, key=lambda attempt: attempt.started)) if task else ()

    def task(self, task_id: str) -> Task | None:
        """A task, unless it is unknown."""
        return self.kept.find(task_id)

    def tasks(self) -> Iterator[Task]:
        """Every task that is kept in memory."""
        return iter(self._tasks.values())

    def changed(self) -> list[Task]:
        """The tasks that changed since the last call, each once, in the order of their first change."""
        changed = list(self._changed.values())
        self._changed.clear()
        return changed

    def forget(self, written: Iterable[Task]) -> None:
        """These are written as they were when `changed` gave them, and can be recalled."""
        self.kept.forget(written, self._changed)

    @property
    def moves(self) -> int:
        """Grows whenever a task was heard of for the first time, or is somewhere else."""
        return self.places.moves + self.places.known

    # for a recorder that goes on where another one ended
    def saved(self) -> dict[str, Any]:
        """What the tasks themselves do not tell, as JSON can hold it; goes with what `changed` gives."""
        self.unsaved = False
        return {
            "places": self.places.saved(),
            "tally": self.tally.saved(),
            "processes": self.processes.saved(),
            "dropped": self.dropped.saved(),
            "loads": {
                str(number): [load.sent, load.unsent, load.ended, sorted(load.in_doubt)]
                for number, load in self.loads.items()
            },
        }

    def restore(self, saved: Mapping[str, Any], unfinished: Iterable[Task]) -> None:
        """Go on from what `saved` gave, with the tasks that were not over."""
        held = [task for task in unfinished if task.place is not WAITING]
        self.places.restore(saved["places"])
        for task in held:
            self.kept.adopt(task)
            if task.place is SCHEDULED:
                self._due.extend((r.eta, task.id) for r in task.receipts if r.eta is not None)
        heapq.heapify(self._due)
        running = [attempt for task in held for attempt in task.attempts if not attempt.state]
        self.tally.restore(saved["tally"])
        self.tally.running = len(running)
        self.processes.restore(saved["processes"], running)
        self.dropped.restore(saved.get("dropped", ()))
        for number, (sent, unsent, ended, in_doubt) in saved["loads"].items():
            self.loads[int(number)] = LoadCount(sent, unsent, ended, set(in_doubt))

    def done(self, service: str) -> int:
        """Attempts of a worker that ended, over all its starts."""
        return self.tally.done.get(service, 0)

    def running(self, service: str, start: int | None = None) -> tuple[RunningTask, ...]:
        """What a worker runs now, longest first; of its last start unless told."""
        worker = self.workers.get(service)
        start = (worker.start if worker else 0) if start is None else start
        found = [
            RunningTask(attempt.task_id, attempt.name, attempt.started, attempt.pid, self._number(attempt))
            for attempt in self.processes.running(service, start)
        ]
        return tuple(sorted(found, key=lambda task: task.since))

    def _number(self, attempt: Attempt) -> int:
        task = self._tasks.get(attempt.task_id)
        others = task.attempts if task is not None else ()
        return 1 + sum(1 for other in others if other.started < attempt.started)

    # lines about workers
    def _on_open(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        self.unsaved = True
        for attempt in list(process.running()):  # of an earlier process of the same number
            if not attempt.state:
                self._cut(attempt, data["t"])
        self.processes.opened(process, data)

    def _on_ready(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        worker = self.processes.worker(process, data["t"])
        if worker is not None:
            worker.ready_at = data["t"]

    def _on_closing(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        worker = self.processes.worker(process, data["t"])
        if worker is not None:
            worker.closing_at = data["t"]

    def _on_pool(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        self.processes.pool(process, data)

    def _on_dropped(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        service, start = process.holder
        since, why = data["since"], data.get("why", "")
        self.went_unwritten(Dropped(service, start, since, data["t"], data["count"], why))

    def _on_gone(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        service, start, _ = process.source
        self.cut(service, start=start, t=data["t"], gave_back=data["gave_back"])


def read(folder: Path) -> Account:
    """The whole account of a run that is over, or of one as far as it is written."""
    tail, account = Tail(folder), Account()
    try:
        while lines := tail.poll():
            account.take(lines)
    finally:
        tail.close()
    return account
