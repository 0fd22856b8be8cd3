"""What a record must answer, worked out one task after the other in plain Python."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from desktop.engine.api import (
    Facets,
    Spread,
    TaskColumn,
    TaskFilter,
    TaskGroup,
    TaskQuery,
    TaskRow,
    TaskState,
    TextIn,
)
from desktop.engine.ledger.records import Attempt, Task
from desktop.engine.record.schema import STATES

_UNKNOWN_LAST = (
    *(TaskColumn.NAME, TaskColumn.QUEUE, TaskColumn.WORKER, TaskColumn.SENT, TaskColumn.RECEIVED),
    *(TaskColumn.STARTED, TaskColumn.ENDED, TaskColumn.WAIT, TaskColumn.RUN, TaskColumn.CPU),
)


def single(value: float) -> float:
    """Durations are sorted and grouped as 32-bit numbers."""
    return float(struct.unpack("<f", struct.pack("<f", value))[0])


def last_of(task: Task) -> Attempt | None:
    return max(task.attempts, key=lambda attempt: attempt.started) if task.attempts else None


def row_of(task: Task) -> TaskRow:
    """A task as a list shows it."""
    last = last_of(task)
    wait = None
    since = task.sent if task.sent is not None else task.received
    if last is not None and since is not None:
        eta = task.receipts[0].eta if task.receipts else None
        wait = max(0.0, min(a.started for a in task.attempts) - max(since, eta or since))
    holder = task.holder[0] if task.holder and not task.over else None
    return TaskRow(
        number=task.row,
        id=task.id,
        name=task.name,
        state=task.place,
        queue=task.queue or "",
        worker=holder or (last.service if last else ""),
        sent=task.sent,
        received=task.received,
        started=last.started if last else None,
        ended=task.ended if task.over else None,
        wait=wait,
        run=last.run if last else None,
        cpu=last.cpu if last else None,
        attempts=len(task.attempts),
        ran_twice=task.twice,
        error=(task.error or "").partition("\n")[0],
    )


class Oracle:
    """Answers from whole tasks."""

    def __init__(self, tasks: Iterable[Task]) -> None:
        self.tasks = sorted(tasks, key=lambda task: task.row)
        self.rows = {task.row: row_of(task) for task in self.tasks}

    def matching(self, chosen: TaskFilter, upto: int | None = None) -> list[Task]:
        return [
            task for task in self.tasks if (upto is None or task.row <= upto) and self._passes(task, chosen)
        ]

    def _passes(self, task: Task, chosen: TaskFilter) -> bool:
        row = self.rows[task.row]
        begins = [t for t in (task.sent, task.received, row.started, row.ended) if t is not None]
        return (
            (not chosen.states or row.state in chosen.states)
            and (not chosen.names or row.name in chosen.names)
            and (not chosen.workers or row.worker in chosen.workers)
            and (not chosen.queues or row.queue in chosen.queues)
            and (not chosen.ran_twice or task.twice)
            and (not chosen.retried or len(task.attempts) > 1)
            and (chosen.load is None or task.load == chosen.load)
            and (chosen.until is None or bool(begins and min(begins) <= chosen.until))
            and (chosen.since is None or row.ended is None or row.ended >= chosen.since)
            and any(chosen.text.lower() in text.lower() for text in _texts(task, chosen.text_in))
        )

    def ordered(self, query: TaskQuery) -> list[TaskRow]:
        rows = [self.rows[task.row] for task in self.matching(query.filter, query.upto)]
        known = [row for row in rows if _key(row, query.order) is not None]
        unknown = [row for row in rows if _key(row, query.order) is None]
        known.sort(key=lambda row: (_key(row, query.order), row.number), reverse=query.descending)
        return known + (unknown[::-1] if query.descending else unknown)

    def groups(self, chosen: TaskFilter) -> tuple[TaskGroup, ...]:
        by_name: dict[str, list[TaskRow]] = {}
        for task in self.matching(chosen):
            by_name.setdefault(task.name, []).append(self.rows[task.row])
        groups = [
            TaskGroup(
                name=name,
                count=len(rows),
                over=sum(row.state.over for row in rows),
                failures=sum(row.state in (TaskState.FAILURE, TaskState.LOST) for row in rows),
                ran_twice=sum(row.ran_twice for row in rows),
                wait=spread([row.wait for row in rows]),
                run=spread([row.run for row in rows]),
                cpu=sum(row.cpu or 0.0 for row in rows),
            )
            for name, rows in by_name.items()
        ]
        return tuple(sorted(groups, key=lambda group: (-group.count, group.name)))

    def facets(self) -> Facets:
        rows = list(self.rows.values())
        times = [t for row in rows for t in (row.sent, row.received, row.started, row.ended) if t is not None]
        return Facets(
            states=_counted([row.state for row in rows], STATES),
            names=_counted([row.name for row in rows]),
            workers=_counted([row.worker for row in rows if row.worker]),
            queues=_counted([row.queue for row in rows if row.queue]),
            ran_twice=sum(row.ran_twice for row in rows),
            first=min(times),
            last=max(times),
        )


def spread(values: Sequence[float | None]) -> Spread:
    known = sorted(single(value) for value in values if value is not None)
    if not known:
        return Spread()
    return Spread(*(known[math.ceil(share * len(known) / 100) - 1] for share in (50, 95, 99)), known[-1])


def _counted(values: Sequence[Any], order: Sequence[Any] = ()) -> tuple[tuple[Any, int], ...]:
    """Most frequent first; the tests compare those of the same count as sets."""
    counts = {value: values.count(value) for value in set(values)}
    return tuple(sorted(counts.items(), key=lambda item: -item[1]))


def _key(row: TaskRow, order: TaskColumn) -> Any:
    if order is TaskColumn.STATE:
        return STATES.index(row.state)
    value = getattr(row, order.value)
    if order in (TaskColumn.WAIT, TaskColumn.RUN, TaskColumn.CPU) and value is not None:
        return single(value)
    return None if order in _UNKNOWN_LAST and value in (None, "") else value


def _texts(task: Task, where: TextIn) -> list[str]:
    """What is searched; "" is always among it, so that no text passes all."""
    parts = {
        TextIn.ID: [task.id],
        TextIn.ARGS: [task.args, task.kwargs],
        TextIn.RESULT: [attempt.result for attempt in task.attempts],
        TextIn.ERROR: [task.error, *(a.error for a in task.attempts), *(a.traceback for a in task.attempts)],
    }
    parts[TextIn.ANYWHERE] = [text for texts in parts.values() for text in texts]
    return ["", *(text for text in parts[where] if text is not None)]
