"""Rows of a page, and a task's own page."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from desktop.engine.api import (
    AttemptRow,
    Delivery,
    DeskError,
    Relative,
    TaskDetail,
    TaskRow,
    TaskState,
)
from desktop.engine.ledger.records import Attempt, Task
from desktop.engine.record import ids
from desktop.engine.record.reading.recall import Recall
from desktop.engine.record.schema import PART_BITS, STATES, TWICE

CHILDREN = 200
_LINE = 300  # characters of an error in a list
_ROW = """task.row, task.id, task.name, task.state, task.queue, coalesce(task.holder, attempt.worker),
task.sent, task.received, attempt.started, task.ended, task.wait, attempt.run, attempt.cpu, task.attempts,
task.flags, task.error FROM task LEFT JOIN attempt ON attempt.row = task.last"""


class Details:
    """Reads what is shown of single tasks. Not for several threads at once."""

    def __init__(self, connection: sqlite3.Connection, recall: Recall) -> None:
        self._connection = connection
        self._recall = recall

    def rows(self, numbers: Iterable[int]) -> tuple[TaskRow, ...]:
        """Rows of a list, in the order of the numbers that were given."""
        wanted = list(numbers)
        marks = ",".join("?" * len(wanted))
        found = self._connection.execute(f"SELECT {_ROW} WHERE task.row IN ({marks})", wanted).fetchall()
        by_number = {values[0]: values for values in found}
        return tuple(self._row(by_number[number]) for number in wanted)

    def _row(self, values: tuple[Any, ...]) -> TaskRow:
        number, stored, name, state, queue, worker, sent, received, started, ended, wait, run, cpu = values[
            :13
        ]
        attempts, flags, error = values[13:]
        words = self._recall.words
        return TaskRow(
            number,
            ids.unpacked(stored),
            words[name],
            _state(state),
            words[queue],
            words[worker],
            sent,
            received,
            started,
            ended,
            wait,
            run,
            cpu,
            attempts,
            bool(flags & TWICE),
            _line(self._recall.text(error)),
        )

    def detail(self, task_id: str) -> TaskDetail:
        """A task's own page. Raises DeskError for an id that the run does not know."""
        number = self._recall.row_of(task_id)
        task = self._recall.task(number) if number is not None else None
        if task is None or number is None:
            raise DeskError(f"This run knows no task {task_id}.", "It may belong to another run.")
        etas = [receipt.eta for receipt in task.receipts if receipt.eta is not None]
        return TaskDetail(
            row=self.rows([number])[0],
            args=task.args or "",
            kwargs=task.kwargs or "",
            args_cut=task.args_cut,
            eta=etas[-1] if etas else None,
            attempts=tuple(map(_attempt, sorted(task.attempts, key=lambda attempt: attempt.started))),
            deliveries=_deliveries(task),
            root=self._relative(task.root) if task.root not in (None, task.id) else None,
            parent=self._relative(task.parent),
            children=self._children(task.id, number),
            load=task.load,
            back_at=task.back_at,
        )

    def _relative(self, task_id: str | None) -> Relative | None:
        if task_id is None:
            return None
        number = self._recall.row_of(task_id)
        return self._relatives([number])[0] if number else Relative(task_id, "", TaskState.UNKNOWN, None)

    def _relatives(self, numbers: Iterable[int]) -> tuple[Relative, ...]:
        return tuple(Relative(row.id, row.name, row.state, row.number) for row in self.rows(numbers))

    def _children(self, task_id: str, number: int) -> tuple[Relative, ...]:
        """Those whose parent it is, in the order of their numbers."""
        stored = ids.packed(task_id)
        hashed = ids.hash_of(stored)
        last = self._connection.execute("SELECT max(row) FROM task").fetchone()[0]
        found: list[int] = []
        for part in range((last >> PART_BITS) + 1):
            found += [
                row
                for (row,) in self._connection.execute(
                    "SELECT kin.task FROM by_kin JOIN kin USING (task)"
                    " WHERE part = ? AND hash = ? AND kin.parent = ? LIMIT ?",
                    (part, hashed, stored, CHILDREN),
                )
            ]
        return self._relatives(found[:CHILDREN])


def _attempt(attempt: Attempt) -> AttemptRow:
    return AttemptRow(
        attempt.service,
        attempt.start,
        attempt.pid,
        attempt.started,
        attempt.received,
        attempt.ended,
        attempt.state,
        attempt.retries,
        attempt.run,
        attempt.cpu,
        attempt.error or "",
        attempt.traceback or "",
        attempt.result or "",
        attempt.requeued,
    )


def _deliveries(task: Task) -> tuple[Delivery, ...]:
    return tuple(
        Delivery(one.t, one.service, one.start, one.redelivered, one.retries, one.eta)
        for one in sorted(task.receipts, key=lambda one: one.t)
    )


def _state(code: int) -> TaskState:
    return STATES[code] if code < len(STATES) else TaskState.UNKNOWN


def _line(text: str | None) -> str:
    if not text:
        return ""
    line = text.strip().partition("\n")[0]
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"
