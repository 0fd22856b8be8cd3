"""Asking a record: its columns for the mass of tasks, whole tasks for the few that something befell."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from desktop.engine.api import Record, TaskState
from desktop.engine.ledger.records import Attempt, Receipt, Task
from desktop.engine.record import ids
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.schema import ATTEMPT_BITS, OPEN, OVER, STATES, TWICE

if TYPE_CHECKING:
    from desktop.engine.record.reading.jobs import Hand
    from desktop.engine.record.reading.questions import Reading

T = TypeVar("T")
_AT_ONCE = 2_000  # tasks that are read with one statement
_TASK = """SELECT row, task.id, name, state, sent, received, received_by, received_start, ended, flags, error
FROM json_each(?) AS wanted CROSS JOIN task ON task.row = wanted.value"""
_ATTEMPT = f"""SELECT attempt.row, worker, start, pid, received, started, ended, state, retries, requeued,
error, traceback FROM json_each(?) AS wanted CROSS JOIN attempt
ON attempt.row BETWEEN wanted.value << {ATTEMPT_BITS} AND (wanted.value + 1 << {ATTEMPT_BITS}) - 1"""
_DELIVERY = """SELECT task, t, worker, start, redelivered, retries, eta, open
FROM json_each(?) AS wanted CROSS JOIN delivery ON delivery.task = wanted.value ORDER BY task, n"""


class Death(NamedTuple):
    """A worker's process came to its end."""

    t: float
    gave_back: bool  # by itself: what it held is back in its queues


def ask(record: Record, work: Callable[[Reading, Hand], T]) -> T:
    """Do it on one state of the record, and wait for it. Raises DeskError where the record cannot be read."""
    if isinstance(record, RunReader):
        return record.ask(work).result()
    info = record.info
    reader = RunReader.open(info.folder, info.live)
    try:
        return reader.ask(work).result()
    finally:
        reader.close()


def meta_of(hand: Hand, key: str) -> Any:
    """What the recorder put down under a key; None where it did not."""
    found = hand.connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if found is None else json.loads(found[0])


def deaths_of(hand: Hand) -> Mapping[tuple[str, int], Death]:
    """The ends of workers, by service and number of its start, as the recorder was told of them."""
    account = meta_of(hand, "account") or {}
    dead = account.get("processes", {}).get("dead", ())
    return {(service, start): Death(t, bool(back)) for service, start, back, t in dead}


def ids_of(hand: Hand, rows: Iterable[int]) -> tuple[str, ...]:
    """The ids of tasks by their numbers, in the order of these."""
    found: list[str] = []
    wanted = sorted(rows)
    for first in range(0, len(wanted), _AT_ONCE):
        hand.check()
        some = json.dumps(wanted[first : first + _AT_ONCE])
        stored = hand.connection.execute(
            "SELECT task.id FROM json_each(?) AS wanted CROSS JOIN task ON task.row = wanted.value", (some,)
        )
        found += [ids.unpacked(one) for (one,) in stored]
    return tuple(found)


def tasks_of(hand: Hand, rows: Iterable[int]) -> list[Task]:
    """Whole tasks by their numbers, in the order of these: without arguments, results and kin."""
    found: list[Task] = []
    wanted = sorted(rows)
    for first in range(0, len(wanted), _AT_ONCE):
        hand.check()
        some = json.dumps(wanted[first : first + _AT_ONCE])
        tasks = {task.row: task for task in _tasks(hand, some)}
        _add_attempts(hand, some, tasks)
        _add_deliveries(hand, some, tasks)
        found += tasks.values()
    return found


def _tasks(hand: Hand, wanted: str) -> Iterable[Task]:
    words, text = hand.recall.words, hand.recall.text
    for values in hand.connection.execute(_TASK, (wanted,)).fetchall():
        row, stored, name, state, sent, received, by, by_start, ended, flags, error = values
        task = Task(
            ids.unpacked(stored),
            words[name],
            sent=sent,
            received=received,
            error=None if error is None else text(error),
            over=bool(flags & OVER),
            twice=bool(flags & TWICE),
            place=STATES[state] if state < len(STATES) else TaskState.UNKNOWN,
            ended=ended,
            row=row,
        )
        if by is not None:
            task.receipts.append(Receipt(received, words[by], by_start, open=bool(flags & OPEN)))
        yield task


def _add_attempts(hand: Hand, wanted: str, tasks: Mapping[int, Task]) -> None:
    words, text = hand.recall.words, hand.recall.text
    for values in hand.connection.execute(_ATTEMPT, (wanted,)).fetchall():
        row, worker, start, pid, received, started, ended, state, retries, requeued, error, trace = values
        task = tasks[row >> ATTEMPT_BITS]
        attempt = Attempt(task.id, task.name, words[worker], start, pid, started, retries or 0, ended)
        attempt.state, attempt.requeued, attempt.received = words[state], bool(requeued), received
        attempt.row = row
        if error is not None:
            attempt.error = text(error)
            attempt.traceback = None if trace is None else text(trace)
        task.attempts.append(attempt)


def _add_deliveries(hand: Hand, wanted: str, tasks: Mapping[int, Task]) -> None:
    words = hand.recall.words
    for number, t, worker, start, again, retries, eta, waits in hand.connection.execute(_DELIVERY, (wanted,)):
        receipt = Receipt(
            t, words[worker], start, bool(again), retries, eta, bool(waits & 1), bool(waits & 2)
        )
        tasks[number].receipts.append(receipt)
