"""What the account knows, and how it changes: tasks, and where each of them is counted."""

from __future__ import annotations

from desktop.engine.api import TaskState
from desktop.engine.ledger.dropped import Dropped, Drops
from desktop.engine.ledger.kept import Kept, Recall
from desktop.engine.ledger.places import WAITING, Cell, Places, place_of
from desktop.engine.ledger.processes import Processes
from desktop.engine.ledger.records import CUT, Attempt, LoadCount, Process, Task
from desktop.engine.ledger.tally import Tally


class Books:
    """The state of an account."""

    def __init__(self, recall: Recall | None) -> None:
        self.places = Places()
        self.tally = Tally()
        self.processes = Processes()
        self.dropped = Drops()
        self.kept = Kept(self.places, recall)
        self.loads: dict[int, LoadCount] = {}
        self._tasks = self.kept.tasks
        self._changed: dict[str, Task] = {}
        self._waiting: dict[str, Cell] = {}
        self._due: list[tuple[float, str]] = []  # tasks that are scheduled, by their ETA
        self._restored: dict[str, float] = {}  # put back, when no earlier delivery was known
        self._clock = 0.0
        self.unsaved = False  # something that `saved` tells has changed, and perhaps no task

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

    def went_unwritten(self, told: Dropped) -> None:
        """What seemed lost since then may have run."""
        self.unsaved = True
        self.dropped.add(told)
        if not self.places.ends.get(TaskState.LOST):
            return
        for task in list(self._tasks.values()):
            if task.place is not TaskState.LOST or task.told is None or task.told[0] < told.since:
                continue
            if self.dropped.may_concern(task):
                self.tell(task.id, TaskState.UNKNOWN, task.told[0])

    def came_from(self, task: Task, queue: str) -> None:
        """Its queue, which no line has named: Celery's events do not."""
        task.queue = queue
        if task.cell is not None:
            self.places.move(task, task.place, self.places.cell(queue, task.cell.service))
        self._changed[task.id] = task

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


def _ended_at(task: Task) -> float:
    ends = [attempt.ended for attempt in task.attempts if attempt.ended is not None]
    return max([*ends, task.told[0]] if task.told is not None else ends, default=0.0)
