"""Tasks as they come and go: when the first was done after a moment, and how many were under way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from desktop.engine.api import TaskState
from desktop.engine.record.layout import MOST
from desktop.engine.record.reading.filters import began
from desktop.engine.record.schema import CODES

if TYPE_CHECKING:
    from desktop.engine.record.reading.jobs import Hand
    from desktop.engine.record.reading.questions import Reading

Times = NDArray[np.float64]
_SUCCESS = CODES[TaskState.SUCCESS]


def first_done(reading: Reading, hand: Hand, after: float, workers: Sequence[str]) -> float | None:
    """When the first task ended on one of these workers (none named: on any) after a moment.

    Of a task that ran more than once it is the last run. Only those that succeeded: what a dead process
    failed is told by others.
    """
    with reading.table(hand) as table:
        words = hand.recall.words.refresh()
        numbers = [min(number, MOST) for number, word in enumerate(words) if word in workers]
        chosen = (table.flat("state") == _SUCCESS) & (table.flat("ended") > after)
        if workers:
            chosen &= np.isin(table.flat("worker"), numbers)
        ended = table.flat("ended")[chosen]
        return float(ended.min()) if len(ended) else None


def backlog_after(reading: Reading, hand: Hand, before: float, since: float) -> float | None:
    """From when on, not before `since`, no more tasks were under way than just before `before`.

    Under way: sent, else first heard of, and not over; by the times of the tasks themselves. None: it did
    not come to that.
    """
    with reading.table(hand) as table:
        began_at = began(table).reshape(-1)[: table.rows]
        ended = np.asarray(table.flat("ended"), np.float64)
    began_at, ended = began_at[~np.isnan(began_at)], ended[~np.isnan(ended)]
    limit = _under_way(began_at, ended, before)
    now = _under_way(began_at, ended, since)
    if now <= limit:
        return since
    times = np.concatenate((began_at[began_at > since], ended[ended > since]))
    steps = np.concatenate((np.ones(int((began_at > since).sum())), -np.ones(int((ended > since).sum()))))
    order = np.lexsort((-steps, times))  # of one moment, what comes goes before what ends
    level = now + np.cumsum(steps[order])
    low = np.flatnonzero(level <= limit)
    return float(times[order][low[0]]) if len(low) else None


def _under_way(began_at: Times, ended: Times, t: float) -> int:
    return int((began_at <= t).sum()) - int((ended <= t).sum())
