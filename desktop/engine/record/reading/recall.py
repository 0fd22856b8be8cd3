"""Reading whole tasks back, as the ledger's account knows them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any

from desktop.engine.api import TaskState
from desktop.engine.ledger.records import Attempt, Receipt, Task
from desktop.engine.record import ids
from desktop.engine.record.schema import (
    ARGS_CUT,
    ATTEMPT_BITS,
    CODES,
    KIN,
    OPEN,
    OVER,
    PART_BITS,
    STATES,
    TWICE,
)
from desktop.engine.record.writing.texts import TextReader

_TASK = """row, id, name, queue, state, ending, holder, holder_start, sent, received, received_by,
received_start, ended, back_at, attempts, flags, load, args, kwargs, error"""
_ATTEMPT = """row, name, worker, start, pid, received, started, ended, state, retries, run, cpu, error,
traceback, result, requeued"""
_WAITING = CODES[TaskState.WAITING]


class Words:
    """The words of a database by their numbers; read when one is asked for that is not known yet."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._words: list[str] = [""]

    def __getitem__(self, number: int | None) -> str:
        if number is None:
            return ""
        if number >= len(self._words):
            self.refresh()
        return self._words[number] if number < len(self._words) else ""

    def refresh(self) -> Sequence[str]:
        """All of them; "" is at 0."""
        self._words += [
            text
            for (text,) in self._connection.execute(
                "SELECT text FROM word WHERE id >= ? ORDER BY id", (len(self._words),)
            )
        ]
        return self._words


class Recall:
    """Whole tasks from a run's database. Not for several threads at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.words = Words(connection)
        self._texts = TextReader(connection)
        self._part = 0  # where the last one was found: those that are asked for lie together

    def row_of(self, task_id: str) -> int | None:
        """The number of a task; None when the run does not know it."""
        stored = ids.packed(task_id)
        hashed = ids.hash_of(stored)
        last = (self._connection.execute("SELECT max(row) FROM task").fetchone()[0] or 0) >> PART_BITS
        for part in (self._part, *range(last, self._part, -1), *range(min(self._part, last + 1) - 1, -1, -1)):
            for (row,) in self._connection.execute(
                "SELECT by_id.task FROM by_id JOIN task ON task.row = by_id.task"
                " WHERE part = ? AND hash = ? AND task.id = ?",
                (part, hashed, stored),
            ):
                self._part = part
                return int(row)
        return None

    def text(self, number: int | None) -> str | None:
        """A text by its number."""
        return self._texts.text(number)

    def task(self, row: int) -> Task | None:
        """A task by its number, with all its attempts and receipts."""
        found = self._connection.execute(f"SELECT {_TASK} FROM task WHERE row = ?", (row,)).fetchone()
        return self._task(found) if found else None

    def unfinished(self) -> Iterator[Task]:
        """The tasks that are not over, in the order of their numbers."""
        return self._tasks(f"flags & {OVER} = 0")

    def waiting(self, queue: str) -> Iterator[Task]:
        """The tasks that wait in a queue, in the order of their numbers."""
        return self._tasks("state = ? AND queue = (SELECT id FROM word WHERE text = ?)", _WAITING, queue)

    def only_sent(self, row: int, count: int) -> Iterator[Task]:
        """Of the `count` tasks after this one, those of which only their sender has told (`SENT`)."""
        words = self.words
        found = self._connection.execute(
            "SELECT row, id, name, queue, sent, load FROM task"
            " WHERE row > ? AND row <= ? AND ending IS NULL AND state = ? ORDER BY row",
            (row, row + count, _WAITING),
        )
        for number, stored, name, queue, sent, load in found.fetchall():
            named = None if queue is None else words[queue]
            yield Task(ids.unpacked(stored), words[name], named, sent, load=load, row=number)

    def _tasks(self, where: str, *values: Any) -> Iterator[Task]:
        cursor = self._connection.execute(f"SELECT {_TASK} FROM task WHERE {where} ORDER BY row", values)
        while rows := cursor.fetchmany(1000):
            yield from map(self._task, rows)

    def attempts(self, task_id: str, row: int) -> list[Attempt]:
        """The attempts of a task, in the order they were read."""
        found = self._connection.execute(
            f"SELECT {_ATTEMPT} FROM attempt WHERE row BETWEEN ? AND ? ORDER BY row",
            (row << ATTEMPT_BITS, (row + 1 << ATTEMPT_BITS) - 1),
        )
        return [self._attempt(task_id, values) for values in found]

    def _task(self, found: tuple[Any, ...]) -> Task:
        (row, stored, name, queue, state, ending, holder, holder_start, sent, received, received_by) = found[
            :11
        ]
        (received_start, ended, back_at, attempts, flags, load, args, kwargs, error) = found[11:]
        words, text = self.words, self._texts.text
        task = Task(
            ids.unpacked(stored),
            words[name],
            queue=None if queue is None else words[queue],
            sent=sent,
            received=received,
            state=words[ending],
            error=text(error),
            over=bool(flags & OVER),
            twice=bool(flags & TWICE),
            load=load,
            args=text(args),
            kwargs=text(kwargs),
            place=STATES[state] if state < len(STATES) else TaskState.UNKNOWN,
            holder=None if holder is None else (words[holder], holder_start),
            back_at=back_at,
            ended=ended,
            args_cut=bool(flags & ARGS_CUT),
            row=row,
        )
        if flags & KIN:
            self._add_kin(task)
        if attempts:
            task.attempts = self.attempts(task.id, row)
        if received_by is not None:
            task.receipts = [Receipt(received, words[received_by], received_start, open=bool(flags & OPEN))]
        elif received is not None:
            task.receipts = self._receipts(row)
        return task

    def _add_kin(self, task: Task) -> None:
        found = self._connection.execute(
            "SELECT root, parent FROM kin WHERE task = ?", (task.row,)
        ).fetchone()
        task.root, task.parent = (None if one is None else ids.unpacked(one) for one in found)

    def _receipts(self, row: int) -> list[Receipt]:
        found = self._connection.execute(
            "SELECT t, worker, start, redelivered, retries, eta, open FROM delivery WHERE task = ?"
            " ORDER BY n",
            (row,),
        )
        return [
            Receipt(
                t,
                self.words[worker],
                start,
                bool(redelivered),
                retries,
                eta,
                bool(waits & 1),
                bool(waits & 2),
            )
            for t, worker, start, redelivered, retries, eta, waits in found
        ]

    def _attempt(self, task_id: str, values: tuple[Any, ...]) -> Attempt:
        row, name, worker, start, pid, received, started, ended, state, retries, run, cpu = values[:12]
        error, traceback, result = map(self._texts.text, values[12:15])
        return Attempt(
            task_id,
            self.words[name],
            self.words[worker],
            start,
            pid,
            started,
            retries,
            ended=ended,
            state=self.words[state],
            run=run,
            cpu=cpu,
            error=error,
            requeued=bool(values[15]),
            received=received,
            result=result,
            traceback=traceback,
            row=row,
        )
