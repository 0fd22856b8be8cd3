"""The questions about many tasks and long series, answered in the reader's threads."""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np

from desktop.engine.api import (
    Band,
    Facets,
    TaskColumn,
    TaskDetail,
    TaskFilter,
    TaskGroup,
    TaskPage,
    TaskQuery,
)
from desktop.engine.record import ids
from desktop.engine.record.reading.bands import BandReader
from desktop.engine.record.reading.detail import Details
from desktop.engine.record.reading.filters import mask_of
from desktop.engine.record.reading.groups import facets_of, groups_of
from desktop.engine.record.reading.jobs import Hand
from desktop.engine.record.reading.order import Ordered, ordered
from desktop.engine.record.reading.search import Search
from desktop.engine.record.reading.table import Mask, Rows, Table

_ORDERS = 3  # that are remembered; each is up to 20 bytes a task
_PAGES = 2  # after so many pages of an order that stands still, all of it is sorted


@dataclass(slots=True)
class _Known:
    ordered: Ordered
    pages: int = 0


class Reading:
    """What the reader's threads share: the table of all tasks, and what was worked out over it last."""

    def __init__(self, later: Callable[[Callable[[Hand], None]], object]) -> None:
        self._later = later
        self._table = Table()
        self._search = Search()
        self._searching = threading.Lock()
        self._orders: OrderedDict[tuple[TaskFilter, TaskColumn, int | None], _Known] = OrderedDict()
        self._orders_version = 0
        self._facets: tuple[int, Facets] | None = None

    def tasks(self, hand: Hand, query: TaskQuery, first: int, count: int) -> TaskPage:
        """A page of the tasks that match, in an order."""
        first, count = max(first, 0), max(count, 0)
        details = Details(hand.connection, hand.recall)
        if query.filter.empty and query.order is TaskColumn.NUMBER:
            return self._plain_page(hand, details, query, first, count)
        with self._ordered(hand, query) as (known, total):
            known.pages += 1
            if known.pages == _PAGES and len(known.ordered) > count:
                self._later(lambda _: known.ordered.sort())
            numbers = known.ordered.page(first, count, query.descending) + 1
            matching = len(known.ordered)
        return TaskPage(details.rows(numbers.tolist()), first, matching, total, total)

    def _plain_page(self, hand: Hand, details: Details, query: TaskQuery, first: int, count: int) -> TaskPage:
        """All tasks by their numbers: nothing needs to be known of them for that."""
        total = _rows(hand.connection)
        upto = total if query.upto is None else max(0, min(query.upto, total))
        if query.descending:
            numbers = range(upto - first, max(0, upto - first - count), -1)
        else:
            numbers = range(first + 1, min(first + count, upto) + 1)
        return TaskPage(details.rows(numbers), first, upto, total, total)

    def position(self, hand: Hand, query: TaskQuery, number: int) -> int:
        """Where a task stands in an order; -1 when it does not match."""
        with self._ordered(hand, query) as (known, _):
            return known.ordered.position(number - 1, query.descending)

    def groups(self, hand: Hand, chosen: TaskFilter) -> tuple[TaskGroup, ...]:
        """By name, most tasks first."""
        found = self._text_mask(hand, chosen)
        with self._fresh(hand):
            words = hand.recall.words.refresh()
            return groups_of(self._table, self._places(chosen, found, words, None), words)

    def facets(self, hand: Hand) -> Facets:
        """What there is to filter by."""
        with self._fresh(hand):
            table = self._table
            if self._facets is None or self._facets[0] != table.version:
                self._facets = table.version, facets_of(table, hand.recall.words.refresh())
            return self._facets[1]

    def task(self, hand: Hand, task_id: str) -> TaskDetail:
        """A task's own page."""
        return Details(hand.connection, hand.recall).detail(task_id)

    def ids(self, hand: Hand, chosen: TaskFilter, limit: int) -> tuple[str, ...]:
        """Ids of the tasks that match, in the order of their numbers."""
        with self._ordered(hand, TaskQuery(chosen, TaskColumn.NUMBER, False)) as (known, _):
            numbers = (known.ordered.page(0, max(limit, 0), False) + 1).tolist()
        found: list[str] = []
        for start in range(0, len(numbers), 500):
            hand.check()
            some = numbers[start : start + 500]
            marks = ",".join("?" * len(some))
            rows = hand.connection.execute(f"SELECT id FROM task WHERE row IN ({marks}) ORDER BY row", some)
            found += [ids.unpacked(stored) for (stored,) in rows]
        return tuple(found)

    def series(
        self, hand: Hand, names: Sequence[str], since: float, until: float, buckets: int
    ) -> Mapping[str, Band]:
        """Series over a span."""
        return BandReader(hand.connection).bands(names, since, until, buckets, hand.check)

    @contextmanager
    def table(self, hand: Hand) -> Iterator[Table]:
        """The columns of all tasks, as the hand's transaction sees them, for as long as the lock is held."""
        with self._fresh(hand):
            yield self._table

    @contextmanager
    def _fresh(self, hand: Hand) -> Iterator[None]:
        """The table as the hand's transaction sees it, for as long as the lock is held."""
        with self._table.lock:
            # Transactions begin with their first read: a table that another thread has just brought up to
            # date may be newer than ours. Then ours begins anew.
            if hand.connection.in_transaction:
                hand.connection.execute("COMMIT")
            hand.connection.execute("BEGIN")
            self._table.refresh(hand.connection, hand.check)
            yield

    @contextmanager
    def _ordered(self, hand: Hand, query: TaskQuery) -> Iterator[tuple[_Known, int]]:
        """The tasks that match in an order, and how many tasks there are; kept for the next page."""
        found = self._text_mask(hand, query.filter)
        looked_at = _newest(hand.connection) if found is not None else 0
        with self._fresh(hand):
            table = self._table
            if self._orders_version != table.version:
                self._orders.clear()
                self._orders_version = table.version
            key = (query.filter, query.order, query.upto)
            known = self._orders.pop(key, None)
            if known is None:
                words = hand.recall.words.refresh()
                places = self._places(query.filter, found, words, query.upto)
                known = _Known(ordered(table, query.order, places, words))
            if found is None or looked_at == table.seen:  # else tasks came after the search
                self._orders[key] = known
            while len(self._orders) > _ORDERS:
                self._orders.popitem(last=False)
            yield known, table.rows

    def _text_mask(self, hand: Hand, chosen: TaskFilter) -> Mask | None:
        """What has the filter's text. Not under the table's lock: it takes longest, and may be cancelled."""
        if not chosen.text:
            return None
        with self._searching:
            rows = _rows(hand.connection)
            if not rows:
                return None
            return self._search.mask(hand.connection, chosen.text, chosen.text_in, rows, hand.check).copy()

    def _places(
        self, chosen: TaskFilter, found: Mask | None, words: Sequence[str], upto: int | None
    ) -> Rows | None:
        """The tasks that match, ascending; None for all of them."""
        mask = mask_of(self._table, replace(chosen, text=""), words)
        if found is not None:
            # Tasks that came after the search are left for the next one.
            mask = np.ones(self._table.rows, np.bool_) if mask is None else mask.copy()
            mask[: len(found)] &= found
            mask[len(found) :] = False
        if mask is None and upto is None:
            return None
        upto = self._table.rows if upto is None else max(0, min(upto, self._table.rows))
        if mask is None:
            return np.arange(upto, dtype=np.int32)
        return np.flatnonzero(mask[:upto]).astype(np.int32)


def _newest(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(version), 0) FROM facts").fetchone()[0])


def _rows(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(row), 0) FROM task").fetchone()[0])
