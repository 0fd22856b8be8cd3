"""The account of the tasks: who ran what, how often, how each attempt ended, and where each message is."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from desktop.engine.api import RunningTask, TaskState, Totals
from desktop.engine.ledger.kept import Kept, Recall
from desktop.engine.ledger.lines import Line, Source, payload_of
from desktop.engine.ledger.places import (
    ACTIVE,
    RESERVED,
    SCHEDULED,
    WAITING,
    Cell,
    Holder,
    Places,
    match,
    place_of,
)
from desktop.engine.ledger.processes import Processes
from desktop.engine.ledger.records import CUT, Attempt, LoadCount, Process, Receipt, Task, WorkerState
from desktop.engine.ledger.tail import Tail
from desktop.engine.ledger.tally import Beat, Tally

Handler = Callable[[Process, Mapping[str, Any], bytes], None]


class Account:
    """Takes the lines of all files, in any interleaving, and keeps count. Not for several threads at once.

    Without `recall` it keeps every task. With it, it keeps those that something is still expected of and
    the last ones that are over, once `forget` was told that they are written; `recall` gives a written task
    back when a line names it, so that a task that ended a million tasks ago is still seen to run twice.
    """

    def __init__(self, recall: Recall | None = None) -> None:
        self.places = Places()
        self.tally = Tally()
        self.processes = Processes()
        self.kept = Kept(self.places, recall)
        self.loads: dict[int, LoadCount] = {}
        self._tasks = self.kept.tasks
        self._changed: dict[str, Task] = {}
        self._waiting: dict[str, Cell] = {}
        self._due: list[tuple[float, str]] = []  # tasks that are scheduled, by their ETA
        self._clock = 0.0
        self.unsaved = False  # something that `saved` tells has changed, and perhaps no task
        self._take: dict[str, Handler] = {
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
    def moves(self) -> tuple[int, ...]:
        """Changes whenever a line about a task was taken."""
        tally, places = self.tally, self.places
        went = sum(cell.went for cell in places.queues())
        return places.known, tally.started, sum(tally.by_state.values()), went, places.ended

    # for a recorder that goes on where another one ended
    def saved(self) -> dict[str, Any]:
        """What the tasks themselves do not tell, as JSON can hold it; goes with what `changed` gives."""
        self.unsaved = False
        return {
            "places": self.places.saved(),
            "tally": self.tally.saved(),
            "processes": self.processes.saved(),
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

    # lines about tasks
    def _on_received(self, process: Process, data: Mapping[str, Any], raw: bytes) -> None:
        task_id, t = data["id"], data["t"]
        task = self._tasks.get(task_id) or self._task(task_id)
        queue = data["queue"] or task.queue or ""
        waiting = self._waiting.get(queue) or self._queue(queue)
        waiting.went += 1
        if task.received is None:
            self.tally.received += 1
            task.received = t
            task.name, task.queue = data["name"], queue
            task.args, task.kwargs = payload_of(raw, data)
            task.args_cut = data.get("args_cut", False)
            task.root, task.parent = data.get("root"), data.get("parent")
            cell = task.cell
            if cell is None and not task.over:
                waiting.came += 1
            elif cell is not None and cell.queue != queue:
                self.places.move(task, task.place, self.places.cell(queue, cell.service))
        elif t < task.received:
            task.received = t
        service, start = process.holder
        eta = data.get("eta")
        receipt = Receipt(t, service, start, data.get("redelivered") or False, data.get("retries") or 0, eta)
        task.receipts.append(receipt)
        self._changed[task_id] = task
        if task.attempts:
            match(task)
            if not receipt.open:
                return  # a run answers it whose start was read before
        if process.dead_at is None and len(task.receipts) == 1 and not task.attempts and task.told is None:
            place = RESERVED
            if eta is not None and eta > t:
                place = SCHEDULED
                heapq.heappush(self._due, (eta, task_id))
            task.holder = process.holder
            self.places.move(task, place, process.cells.get(queue) or self._cell(process, queue))
            return
        if process.gave_back:
            receipt.close()
        if eta is not None:
            heapq.heappush(self._due, (eta, task_id))
        self.replace(task)

    def _on_started(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        task_id, t, retries, name = data["id"], data["t"], data["retries"], data["name"]
        task = self._tasks.get(task_id) or self._task(task_id)
        if not task.name:
            task.name = name
        service, start, pid = process.source
        attempt = Attempt(task_id, name, service, start, pid, t, retries)
        attempts, receipts = task.attempts, task.receipts
        # A retry counts up; the same number again is the same message, delivered again.
        if attempts and not task.twice and any(other.retries == retries for other in attempts):
            task.twice = True
            self.tally.twice += 1
        attempts.append(attempt)
        if receipts:
            if len(attempts) == 1 == len(receipts):
                receipt = receipts[0]
                if receipt.service == service and receipt.start == start and receipt.t <= t:
                    receipt.open, attempt.received = False, receipt.t
            else:
                match(task)
        process.opened(attempt)
        tally = self.tally
        tally.started += 1
        tally.running += 1
        self._changed[task_id] = task
        early = process.told_early(attempt) if process.early else None
        if early is not None:
            self._on_ended(process, early, b"")
        elif process.dead_at is not None:
            self._cut(attempt, process.dead_at)
        elif len(attempts) == 1:
            queue = task.queue or ""
            task.holder = process.holder
            self.places.move(task, ACTIVE, process.cells.get(queue) or self._cell(process, queue))
        else:
            self.replace(task)

    def _on_ended(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        task_id, t, state = data["id"], data["t"], data["state"]
        run = data["run"] or 0.0
        pid = data.get("pid")
        if pid is not None and pid != process.source.pid:  # told by the main process of a dead pool process
            process = self.processes.of(process.source._replace(pid=pid))
        attempt = process.closed(task_id, t - run, exactly=pid is not None)
        if attempt is None and pid is not None:
            process.early.setdefault(task_id, []).append(data)
            return
        task = self._tasks.get(task_id) or self._task(task_id)
        requeued = bool(data.get("requeue"))
        tally = self.tally
        if attempt is not None:
            if attempt.state == CUT:
                tally.by_state[CUT] -= 1
            else:
                tally.running -= 1
            attempt.ended, attempt.state, attempt.run = t, state, run if run > 0.0 else 0.0
            attempt.cpu, attempt.error, attempt.requeued = data["cpu"], data["error"], requeued
            attempt.result, attempt.traceback = data.get("result"), data.get("traceback")
            service = attempt.service
            tally.done[service] = tally.done.get(service, 0) + 1
        tally.by_state[state] = tally.by_state.get(state, 0) + 1
        task.state, task.error = state, data["error"]
        self._changed[task_id] = task
        if state == "RETRY" or requeued:
            self.replace(task)
            return
        tally.ended(t)
        if attempt is None:
            task.told = (t, TaskState(state))
            self._close_receipt(task, process)
            self.replace(task)
            return
        tally.took(_waited(task), run)
        if len(task.attempts) == 1 and len(task.receipts) <= 1 and task.told is None:
            self._over(task, TaskState(state), t)
        else:
            self.replace(task)

    def _on_revoked(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        if data["terminated"]:
            return  # it ran: its own end tells
        task = self._tasks.get(data["id"]) or self._task(data["id"])
        if not task.name:
            task.name = data.get("name") or ""
        self.tally.by_state["REVOKED"] += 1
        task.state, task.error = "REVOKED", "expired" if data["expired"] else "revoked before it ran"
        task.told = (data["t"], TaskState.REVOKED)
        self._close_receipt(task, process)
        self.tally.ended(data["t"])
        self._changed[task.id] = task
        self.replace(task)

    @staticmethod
    def _close_receipt(task: Task, process: Process) -> None:
        """It was dealt with without a run."""
        for receipt in task.receipts:
            if receipt.open and (receipt.service, receipt.start) == process.holder:
                receipt.close()
                return

    # what a worker of an attached stack answered, and its end
    def _on_has(self, process: Process, data: Mapping[str, Any], raw: bytes) -> None:
        task = self.kept.find(data["id"])
        here = process.holder
        if task is None or not any(r.open and (r.service, r.start) == here for r in task.receipts):
            self._on_received(process, data, raw)

    def _on_runs(self, process: Process, data: Mapping[str, Any], raw: bytes) -> None:
        if data["id"] not in process.open:
            self._on_started(process, data, raw)

    def _on_gone(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        service, start, _ = process.source
        self.cut(service, start=start, t=data["t"], gave_back=data["gave_back"])

    # lines of load generators, and of this desk
    def _load(self, process: Process) -> tuple[int, LoadCount]:
        number = int(process.source.service.rpartition("-")[2])
        load = self.loads.get(number)
        if load is None:
            load = self.loads[number] = LoadCount()
        return number, load

    def _on_sent(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        number, load = self._load(process)
        ids, t, name, queue = data["ids"], data["t"], data.get("name") or "", data.get("queue") or ""
        load.sent += len(ids)
        cell = self._waiting.get(queue) or self._queue(queue)
        tasks, changed, in_doubt = self._tasks, self._changed, load.in_doubt
        new = 0
        for task_id in ids:
            if in_doubt:
                in_doubt.discard(task_id)
            task = tasks.get(task_id) or self.kept.find(task_id)
            if task is None:
                task = tasks[task_id] = Task(task_id, name, queue, t, load=number, cell=cell)
                new += 1
            else:
                self._sent_late(task, number, load, data)
            changed[task_id] = task
        cell.counts[WAITING] += new
        cell.came += new
        self.places.known += new

    def _sent_late(self, task: Task, number: int, load: LoadCount, data: Mapping[str, Any]) -> None:
        """Some worker was read first."""
        if task.load is None:
            task.load = number
            load.ended += task.over
        if task.sent is None:
            task.sent = data["t"]
        if not task.queue and data.get("queue"):
            task.name, task.queue = task.name or data["name"], data["queue"]
            if task.cell is not None:
                self.places.move(task, task.place, self.places.cell(data["queue"], task.cell.service))

    def _on_doubt(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        self.unsaved = True
        self._load(process)[1].in_doubt.update(data["ids"])

    def _on_unsent(self, process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        self.unsaved = True
        _, load = self._load(process)
        load.unsent += len(data["ids"])
        load.in_doubt.difference_update(data["ids"])

    def _on_purged(self, _process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        for task_id in data["ids"]:
            self.tell(task_id, TaskState.PURGED, data["t"], data.get("queue") or "")

    def _on_restored(self, _process: Process, data: Mapping[str, Any], _raw: bytes) -> None:
        for task_id in data["ids"]:
            task = self.kept.find(task_id)
            if task is not None and not task.over:
                self.settle(task_id, WAITING, data["t"], data.get("queue") or "")

    # keeping
    def tell(self, task_id: str, place: TaskState, t: float, queue: str = "") -> None:
        """Somebody else than its worker knows where a task was at `t`; what is heard of it later holds."""
        task = self._tasks.get(task_id) or self._task(task_id)
        if task.queue is None:
            task.queue = queue
        was_over = task.over
        task.told = (t, place)
        self.replace(task)
        if task.over and not was_over:
            self.tally.ended(t)

    def settle(self, task_id: str, place: TaskState, t: float, queue: str = "") -> None:
        """The broker tells where a task's message is, whatever became of its deliveries before `t`."""
        task = self._tasks.get(task_id) or self._task(task_id)
        for receipt in task.receipts:
            if receipt.t < t and receipt.open:
                receipt.close()
        for attempt in task.attempts:
            if not attempt.state:
                return  # it runs: that is known better
        self.tell(task_id, place, t, queue)

    def touch(self, task: Task) -> None:
        """Something about a task changed that is no line's."""
        self._changed[task.id] = task

    def replace(self, task: Task) -> None:
        """Count a task where all that is known of it says that it is."""
        place, holder = place_of(task, self.processes.dead, self._clock)
        self._changed[task.id] = task
        if place.over:
            if not task.over or task.place is not place:
                self._over(task, place, _ended_at(task))
            return
        cell = self.places.cell(task.queue or "", holder[0] if holder else "")
        if cell is task.cell and place is task.place:
            task.holder = holder
            return
        if task.over and task.load is not None:
            self.loads[task.load].ended -= 1
        if place is WAITING:
            cell.came += 1
        task.holder = holder
        task.ended = None
        self.places.move(task, place, cell)

    def _over(self, task: Task, place: TaskState, t: float) -> None:
        task.ended = t
        if not task.over and task.load is not None:
            self.loads[task.load].ended += 1
        self.places.move(task, place, None)

    def _task(self, task_id: str) -> Task:
        task = self.kept.find(task_id)
        if task is None:
            task = self._tasks[task_id] = Task(task_id)
            self.places.known += 1
        return task

    def _queue(self, queue: str) -> Cell:
        cell = self._waiting[queue] = self.places.cell(queue)
        return cell

    def _cell(self, process: Process, queue: str) -> Cell:
        cell = process.cells[queue] = self.places.cell(queue, process.source.service)
        return cell

    def _cut(self, attempt: Attempt, t: float) -> None:
        attempt.state, attempt.ended = CUT, max(t, attempt.started)
        self.tally.by_state[CUT] += 1
        self.tally.running -= 1
        task = self._tasks.get(attempt.task_id)
        if task is not None:
            self.replace(task)


def _waited(task: Task) -> float | None:
    """Seconds from when a task could have run to its first start; None when it ran before."""
    if len(task.attempts) != 1:
        return None
    since = task.received if task.sent is None else task.sent
    if since is None:
        return None
    if task.receipts and task.receipts[0].eta is not None:
        since = max(since, task.receipts[0].eta)
    return max(task.attempts[0].started - since, 0.0)


def _ended_at(task: Task) -> float:
    ends = [attempt.ended for attempt in task.attempts if attempt.ended is not None]
    return max([*ends, task.told[0]] if task.told is not None else ends, default=0.0)


def read(folder: Path) -> Account:
    """The whole account of a run that is over, or of one as far as it is written."""
    tail, account = Tail(folder), Account()
    try:
        while lines := tail.poll():
            account.take(lines)
    finally:
        tail.close()
    return account


__all__ = ["Account", "Beat", "Holder", "Source", "read"]
