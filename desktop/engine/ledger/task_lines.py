"""Lines about tasks: received, started, ended."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from typing import Any

from desktop.engine.api import TaskState
from desktop.engine.ledger.books import Books
from desktop.engine.ledger.lines import payload_of
from desktop.engine.ledger.places import ACTIVE, RESERVED, SCHEDULED, match
from desktop.engine.ledger.records import CUT, Attempt, Process, Receipt, Task

_ENDS = {state.value: state for state in TaskState}  # a look into it takes a tenth of TaskState(…)


class TaskLines(Books):
    """Takes what workers write about tasks."""

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
        if self._restored and t < self._restored.get(task_id, 0.0):
            receipt.close()
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
        receipts = task.receipts
        one = not receipts or (len(receipts) == 1 and not receipts[0].open)
        if one and len(task.attempts) == 1 and task.told is None:
            self._over(task, _ENDS[state], t)
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


def _waited(task: Task) -> float | None:
    """Seconds from when a task could have run to its first start; None when it ran before."""
    if len(task.attempts) != 1:
        return None
    since = task.received if task.sent is None else task.sent
    if since is None:
        return None
    if task.receipts and task.receipts[0].eta is not None:
        since = max(since, task.receipts[0].eta)
    began = task.attempts[0].started
    return began - since if began > since else 0.0
