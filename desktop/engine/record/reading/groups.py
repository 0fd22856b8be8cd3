"""Counts and percentiles over many tasks."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from numpy.typing import NDArray

from desktop.engine.api import Facets, Spread, TaskGroup, TaskState
from desktop.engine.record.layout import MOST
from desktop.engine.record.reading.filters import began
from desktop.engine.record.reading.table import Array, Rows, Table
from desktop.engine.record.schema import CODES, OVER, STATES, TWICE

_FAILED = [CODES[TaskState.FAILURE], CODES[TaskState.LOST]]


def groups_of(table: Table, places: Rows | None, words: Sequence[str]) -> tuple[TaskGroup, ...]:
    """Tasks by name, most first.

    Percentiles are of those that have the duration: the smallest value that so many percent do not exceed.
    """
    names = table.take("name", places)
    order = np.argsort(names, kind="stable")
    counts = np.bincount(names, minlength=1)
    states, flags = table.take("state", places), table.take("flags", places)
    over = np.bincount(names, weights=(flags & np.uint8(OVER)) > 0)
    twice = np.bincount(names, weights=(flags & np.uint8(TWICE)) > 0)
    failed = np.bincount(names, weights=np.isin(states, _FAILED))
    cpu = np.bincount(names, weights=np.nan_to_num(table.take("cpu", places).astype("f8")))
    wait, run = table.take("wait", places)[order], table.take("run", places)[order]
    ends = np.cumsum(counts)
    found = [
        TaskGroup(
            name=_word(words, int(number)),
            count=int(counts[number]),
            over=int(over[number]),
            failures=int(failed[number]),
            ran_twice=int(twice[number]),
            wait=spread_of(wait[ends[number] - counts[number] : ends[number]]),
            run=spread_of(run[ends[number] - counts[number] : ends[number]]),
            cpu=float(cpu[number]),
        )
        for number in np.flatnonzero(counts)
    ]
    return tuple(sorted(found, key=lambda group: (-group.count, group.name)))


def spread_of(values: Array) -> Spread:
    """Percentiles of the values that are known."""
    known = values[values == values]
    if not len(known):
        return Spread()
    ranks = [ceil(share * len(known) / 100) - 1 for share in (50, 95, 99)] + [len(known) - 1]
    parts = np.partition(known, sorted(set(ranks)))
    return Spread(*(float(parts[rank]) for rank in ranks))


def facets_of(table: Table, words: Sequence[str]) -> Facets:
    """What there is to choose from; the most frequent first."""
    first, last = None, None
    if table.rows:
        begins = began(table)
        known = begins[begins == begins]
        first = float(known.min()) if len(known) else None
        # The unused places at the end of the last chunk are NaN, as unknown times are.
        latest = [np.nanmax(column) for column in _times(table) if not np.isnan(column).all()]
        last = float(max(latest)) if latest else None
    return Facets(
        states=tuple((STATES[number], count) for number, count in _counts(table, "state")),
        names=_named(table, "name", words),
        workers=_named(table, "worker", words),
        queues=_named(table, "queue", words),
        ran_twice=int(np.count_nonzero(table.flat("flags") & np.uint8(TWICE))),
        first=first,
        last=last,
    )


def _times(table: Table) -> list[NDArray[np.float64]]:
    return [np.asarray(table.column(name), np.float64) for name in ("sent", "received", "started", "ended")]


def _counts(table: Table, column: str) -> list[tuple[int, int]]:
    counts = np.bincount(table.flat(column))
    found = [(int(number), int(counts[number])) for number in np.flatnonzero(counts)]
    return sorted(found, key=lambda one: -one[1])


def _named(table: Table, column: str, words: Sequence[str]) -> tuple[tuple[str, int], ...]:
    return tuple((_word(words, number), count) for number, count in _counts(table, column) if number)


def _word(words: Sequence[str], number: int) -> str:
    return words[number] if number < min(len(words), MOST) else "(others)"
