"""Where the message of each task is, and how many are where: by queue and by worker."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from desktop.engine.api import TaskState

if TYPE_CHECKING:
    from desktop.engine.ledger.records import Attempt, Receipt, Task

WAITING, RESERVED, ACTIVE = TaskState.WAITING, TaskState.RESERVED, TaskState.ACTIVE
SCHEDULED, STRANDED = TaskState.SCHEDULED, TaskState.STRANDED
HELD = (RESERVED, ACTIVE, SCHEDULED)
_UNSTARTED = frozenset({RESERVED, SCHEDULED})

Holder = tuple[str, int]  # (service, start) of a worker


class Cell:
    """How many messages of one queue one worker has; with the service "" those that no worker has.

    `came` counts messages that came into the queue, `went` those that workers took (of the service "" only).
    `taken`: the tasks that the worker has and did not start, with the moment of their delivery, oldest first.
    """

    __slots__ = ("came", "counts", "queue", "service", "taken", "went")

    def __init__(self, queue: str, service: str) -> None:
        self.queue = queue
        self.service = service
        self.counts = {WAITING: 0, RESERVED: 0, ACTIVE: 0, SCHEDULED: 0, STRANDED: 0}
        self.came = 0
        self.went = 0
        self.taken: dict[str, float] = {}


class Places:
    """The counts. Nothing here looks at all tasks: each move takes one out of one count and into another."""

    def __init__(self) -> None:
        self.cells: dict[tuple[str, str], Cell] = {}
        self.known = 0  # tasks that were ever heard of
        self.moves = 0  # grows with each move
        self.ends: dict[TaskState, int] = {}  # tasks that are over, by how they ended
        self.stranded: dict[str, Task] = {}

    def cell(self, queue: str, service: str = "") -> Cell:
        """The counts of one worker in one queue."""
        cell = self.cells.get((queue, service))
        if cell is None:
            cell = self.cells[queue, service] = Cell(queue, service)
        return cell

    def move(self, task: Task, place: TaskState, cell: Cell | None) -> None:
        """Count a task elsewhere. `cell` is None for an end."""
        self.moves += 1
        old = task.cell
        if old is not None:
            was = task.place
            old.counts[was] -= 1
            if was is STRANDED:
                self.stranded.pop(task.id, None)
                task.back_at = None
            elif was in _UNSTARTED and (old is not cell or place not in _UNSTARTED):
                old.taken.pop(task.id, None)
        elif task.over:
            self.ends[task.place] -= 1
        if cell is not None:
            cell.counts[place] += 1
            if place is STRANDED:
                self.stranded[task.id] = task
            elif place in _UNSTARTED and task.receipts:
                cell.taken[task.id] = task.receipts[-1].t
        else:
            self.ends[place] = self.ends.get(place, 0) + 1
        task.cell = cell
        task.place = place
        task.over = cell is None

    def count(self, place: TaskState) -> int:
        """How many tasks are at a place, all queues together."""
        return sum(cell.counts[place] for cell in self.cells.values())

    @property
    def ended(self) -> int:
        """How many tasks are over."""
        return sum(self.ends.values())

    def queues(self) -> Iterator[Cell]:
        """One for each queue: those that no worker has."""
        return (cell for (_, service), cell in list(self.cells.items()) if not service)

    # for a recorder that goes on where another one ended

    def saved(self) -> dict[str, Any]:
        """The counts, as JSON can hold them."""
        return {
            "known": self.known,
            "ends": {place.value: count for place, count in self.ends.items()},
            "cells": [
                [cell.queue, cell.service, list(cell.counts.values()), cell.came, cell.went]
                for cell in self.cells.values()
            ],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `saved` gave."""
        self.known = saved["known"]
        self.ends = {TaskState(place): count for place, count in saved["ends"].items()}
        for queue, service, counts, came, went in saved["cells"]:
            cell = self.cell(queue, service)
            cell.counts.update(zip(cell.counts, counts, strict=True))
            cell.came, cell.went = came, went


def place_of(task: Task, dead: Mapping[Holder, bool], now: float) -> tuple[TaskState, Holder | None]:
    """Where a task is, by all that is known of its deliveries and runs, in whatever order it was read.

    `dead`: workers that ended, and whether they gave their messages back. A run that is under way goes
    before a delivery that waits for one, and that before how the last run ended.
    """
    last = _latest(task.attempts)
    if last is not None and last.state:
        last = next((attempt for attempt in task.attempts if not attempt.state), last)
    if last is not None and not last.state:
        return ACTIVE, (last.service, last.start)
    held = _held(task.receipts, dead)
    if held is not None:
        holder = (held.service, held.start)
        if holder in dead:
            return STRANDED, holder
        return (SCHEDULED if held.eta is not None and held.eta > now else RESERVED), holder
    return _at_rest(task, last)


def match(task: Task) -> None:
    """Find the delivery that each run answers: the first to its worker that no earlier run answers.

    Made anew each time, so that it is the same in whatever order they were read.
    """
    free = sorted(task.receipts, key=lambda receipt: receipt.t)
    for receipt in free:
        receipt.open = not receipt.closed
    for attempt in sorted(task.attempts, key=lambda attempt: attempt.started):
        attempt.received = None
        for receipt in free:
            if receipt.t > attempt.started:
                break
            if (receipt.service, receipt.start, receipt.retries) == (
                attempt.service,
                attempt.start,
                attempt.retries,
            ):
                receipt.open, attempt.received = False, receipt.t
                free.remove(receipt)
                break


def _latest(attempts: Iterable[Attempt]) -> Attempt | None:
    return max(attempts, key=lambda attempt: attempt.started, default=None)


def _held(receipts: Sequence[Receipt], dead: Mapping[Holder, bool]) -> Receipt | None:
    """The latest delivery to a living worker that no run has answered, or to a dead one, if none came later.

    A later delivery is that of the same message: it lies with its first holder no more.
    """
    last = max(receipts, key=lambda receipt: receipt.t, default=None)
    living = [one for one in receipts if one.open and (one.service, one.start) not in dead]
    if living:
        return max(living, key=lambda receipt: receipt.t)
    return last if last is not None and last.open else None


def _at_rest(task: Task, last: Attempt | None) -> tuple[TaskState, Holder | None]:
    """No worker has it."""
    taken = max((receipt.t for receipt in task.receipts), default=0.0)
    ran = 0.0
    if last is not None:
        ran = last.started if last.state == "CUT" else max(last.started, last.ended or 0.0)
    if task.told is not None and task.told[0] >= max(taken, ran):
        return _as_told(task, task.told[1], taken)
    if last is None or taken > last.started:  # given back, or never taken
        return WAITING, None
    if last.state == "CUT":
        return STRANDED, (last.service, last.start)
    if last.state == "RETRY" or last.requeued:
        return WAITING, None
    return TaskState(last.state), (last.service, last.start)


def _as_told(task: Task, place: TaskState, taken: float) -> tuple[TaskState, Holder | None]:
    """Others than its worker tell. Of a task that had ended, a message that is gone was a second one.

    So is one that waits, unless it was delivered (at `taken`) after that end.
    """
    if place is STRANDED:
        latest = max(task.receipts, key=lambda receipt: receipt.t, default=None)
        return STRANDED, (latest.service, latest.start) if latest is not None else None
    ends = [one for one in task.attempts if one.state not in ("", "CUT", "RETRY") and not one.requeued]
    if ends:
        last = max(ends, key=lambda attempt: attempt.started)
        if place.over or (taken <= last.started and last.state != "UNKNOWN"):
            return TaskState(last.state), (last.service, last.start)
    return place, None
