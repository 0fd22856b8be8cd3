"""The tasks that are kept in memory; the others lie in the database and are recalled when they come up."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable

from desktop.engine.api import TaskState
from desktop.engine.ledger.places import Places
from desktop.engine.ledger.records import CUT, Task

KEPT_OVER = 5_000  # tasks that are over; lines about those may still come
KEPT = 30_000  # tasks that are not over, beyond which those that wait are forgotten

# Gives a task that was written, None for one that never was. A "no" must be cheap: each new id is asked for.
Recall = Callable[[str], Task | None]


class Kept:
    """Without `recall` every task is kept. With it, what is written may be forgotten, and comes back."""

    def __init__(self, places: Places, recall: Recall | None = None) -> None:
        self.tasks: dict[str, Task] = {}
        self._places = places
        self._recall = recall
        self._over: deque[str] = deque()
        self._idle: deque[str] = deque()  # tasks that wait, and were recalled

    def find(self, task_id: str) -> Task | None:
        """A task that was heard of before."""
        task = self.tasks.get(task_id)
        if task is None and self._recall is not None:
            task = self._recall(task_id)
            if task is not None:
                self._take_back(task)
                (self._over if task.over else self._idle).append(task_id)
        return task

    def adopt(self, task: Task) -> None:
        """A task that the database knows and the places count already."""
        self._take_back(task)
        if task.place is not TaskState.WAITING and not task.over:
            _reopen(task)
        if task.place is TaskState.STRANDED:
            self._places.stranded[task.id] = task

    @property
    def bounded(self) -> bool:
        """Whether tasks may be forgotten."""
        return self._recall is not None

    def forget(self, written: Iterable[Task], changed: Iterable[str] = ()) -> None:
        """These lie in the database as they are, but for those in `changed`."""
        if self._recall is None:
            return
        changed = changed if isinstance(changed, dict | set) else set(changed)
        tasks, over = self.tasks, self._over
        for task in written:
            if task.id in changed or task.id not in tasks:
                continue
            if task.over:
                over.append(task.id)
            elif task.place is TaskState.WAITING and len(tasks) - len(over) > KEPT:
                del tasks[task.id]
        self._shrink(over, changed, over=True)
        self._shrink(self._idle, changed, over=False)

    def _shrink(self, ids: deque[str], changed: Container[str], over: bool) -> None:
        """Let go of the first ones that are `over` still, or wait still."""
        tasks, oldest = self.tasks, ids.popleft
        for _ in range(len(ids) - KEPT_OVER):
            task_id = oldest()
            known = tasks.get(task_id)
            if known is None or task_id in changed:
                continue
            if known.over if over else known.place is TaskState.WAITING:
                del tasks[task_id]

    def _take_back(self, task: Task) -> None:
        place = task.place
        task.over = place.over
        for receipt in task.receipts:
            if receipt.open:
                receipt.close()
        last = task.attempts[-1].state if task.attempts else ""
        if last != place.value if place.over else (place is TaskState.WAITING and last == CUT):
            task.told = (_last_heard(task), place)
        if not place.over:
            task.cell = self._places.cell(task.queue or "", task.holder[0] if task.holder else "")
        self.tasks[task.id] = task


def _reopen(task: Task) -> None:
    """The delivery that its holder has not answered."""
    answered = {attempt.received for attempt in task.attempts}
    for receipt in task.receipts:
        if receipt.t in answered:
            receipt.open = receipt.closed = False
        else:
            receipt.open = (receipt.service, receipt.start) == task.holder
            receipt.closed = not receipt.open


def _last_heard(task: Task) -> float:
    received = max((receipt.t for receipt in task.receipts), default=0.0)
    return max(received, max((a.ended or a.started for a in task.attempts), default=0.0))
