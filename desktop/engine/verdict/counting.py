"""Counting the tasks of a record: columns for the mass, whole tasks for those that something befell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from desktop.engine.api import Account, RunInfo, TaskState
from desktop.engine.ledger.records import CUT, Task
from desktop.engine.record.moment import MOMENT, balance_of
from desktop.engine.record.reading.filters import began
from desktop.engine.record.reading.table import Mask, Table
from desktop.engine.record.schema import CODES, OVER, STATES, TWICE
from desktop.engine.verdict.gaps import gaps_of
from desktop.engine.verdict.reading import ids_of, meta_of, tasks_of

if TYPE_CHECKING:
    from desktop.engine.record.reading.jobs import Hand
    from desktop.engine.record.reading.questions import Reading

# How an attempt that is no end of its task ended: Celery or the broker runs it once more, or nobody knows.
_NO_END = frozenset({"", CUT, "RETRY", "UNKNOWN"})
_OTHERWISE = (TaskState.REVOKED, TaskState.REJECTED, TaskState.IGNORED, TaskState.PURGED)


def counted(reading: Reading, hand: Hand, info: RunInfo, since: float | None, until: float | None) -> Account:
    """The account of the tasks that were first heard of in a span."""
    with reading.table(hand) as table:
        chosen = _chosen(table, since, until)
        states, twice = table.flat("state"), (table.flat("flags") & np.uint8(TWICE)) != 0
        twice &= chosen
        lost = chosen & (states == CODES[TaskState.LOST])
        failed = chosen & (states == CODES[TaskState.FAILURE])
        attempts = table.flat("attempts")[chosen].astype(np.int64)
        by_state = np.bincount(states[chosen], minlength=len(STATES))
        failures, ran_twice, lost_ones = _numbers(failed), _numbers(twice), _numbers(lost)
        retried = int(np.count_nonzero(chosen & ~twice & (table.flat("attempts") > 1)))
        once = _numbers(chosen & (table.flat("attempts") == 1) & (lost | ~over_of(table)))
    ran_more = tasks_of(hand, ran_twice)
    ends = [task for task in ran_more if task.place is not TaskState.LOST and ends_of(task) > 1]
    more = Counter(task.place for task in ends)
    ended_more = {task.row for task in ends}
    count = {state: int(by_state[code]) - more[state] for state, code in CODES.items()}
    return Account(
        submitted=len(attempts),
        ended_once=count[TaskState.SUCCESS],
        ended_more=tuple(task.id for task in ends),
        failed=_with_reasons(hand, (row for row in failures if row not in ended_more)),
        lost=ids_of(hand, lost_ones),
        otherwise={state.value: count[state] for state in _OTHERWISE if count[state]},
        still={state.value: count[state] for state in STATES if not state.over and count[state]},
        unknown=count[TaskState.UNKNOWN],
        ran_twice=tuple(task.id for task in ran_more),
        retried=retried + sum(map(_asked_again, ran_more)) + _asked_and_wait(hand, once),
        attempts=int(attempts.sum()),
        copies=_copies(hand),
        gaps=gaps_of(hand, info),
    )


def ends_of(task: Task) -> int:
    """How often a task came to an end: runs after which Celery owed it nothing more."""
    return sum(1 for run in task.attempts if run.state not in _NO_END and not run.requeued)


def _chosen(table: Table, since: float | None, until: float | None) -> Mask:
    """The tasks that were sent, else first heard of, in the span."""
    if since is None and until is None:
        return np.ones(table.rows, np.bool_)
    sent = table.column("sent")
    at = table.flattened(np.where(np.isnan(sent), began(table), sent))
    chosen = np.ones(table.rows, np.bool_)
    if since is not None:
        chosen &= at >= since
    if until is not None:
        chosen &= at < until
    return chosen


def over_of(table: Table) -> Mask:
    """Which tasks are over."""
    return np.asarray((table.flat("flags") & np.uint8(OVER)) != 0)


def _numbers(mask: Mask) -> list[int]:
    found: list[int] = (np.flatnonzero(mask) + 1).tolist()
    return found


def _with_reasons(hand: Hand, numbers: Iterable[int]) -> tuple[tuple[str, str], ...]:
    """(id, why) of tasks that failed."""
    wanted = list(numbers)
    text, found = hand.recall.text, []
    for first in range(0, len(wanted), 500):
        hand.check()
        some = wanted[first : first + 500]
        marks = ",".join("?" * len(some))
        found += hand.connection.execute(
            f"SELECT row, error FROM task WHERE row IN ({marks}) ORDER BY row", some
        ).fetchall()
    return tuple(zip(ids_of(hand, wanted), (text(error) or "" for _, error in found), strict=True))


def _asked_again(task: Task) -> bool:
    return any(run.state == "RETRY" for run in task.attempts)


def _asked_and_wait(hand: Hand, numbers: list[int]) -> int:
    """How many of these tasks, which ran once, asked for another run."""
    return sum(map(_asked_again, tasks_of(hand, numbers)))


def _copies(hand: Hand) -> int:
    """Messages of tasks that are over, in the broker at the last moment that was told of."""
    balance = balance_of(meta_of(hand, MOMENT))
    return balance.copies if balance is not None else 0
