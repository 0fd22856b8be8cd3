"""Lines of those who send tasks, and of this desk: sent, purged, put back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from desktop.engine.api import TaskState
from desktop.engine.ledger.books import Books
from desktop.engine.ledger.places import WAITING
from desktop.engine.ledger.records import LoadCount, Process, Task


class SenderLines(Books):
    """Takes what load generators and the desk write."""

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
        """Its holder is dead, though perhaps nobody has said so, and its lines may be read only later."""
        t, queue = data["t"], data.get("queue") or ""
        for task_id in data["ids"]:
            task = self._tasks.get(task_id) or self._task(task_id)
            earlier = [receipt for receipt in task.receipts if receipt.t < t]
            if not earlier:
                self._restored[task_id] = t
            for receipt in earlier:
                if receipt.open:
                    receipt.close()
            if not task.over:
                self.tell(task_id, WAITING, t, queue)
