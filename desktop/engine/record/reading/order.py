"""Orders of tasks: the part of one that a page shows, without sorting all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from desktop.engine.api import TaskColumn
from desktop.engine.record.reading.table import Array, Rows, Table

_FEW = 20_000  # tasks that are simply sorted
_WORDS = {TaskColumn.NAME: "name", TaskColumn.QUEUE: "queue", TaskColumn.WORKER: "worker"}
_PLAIN = {
    TaskColumn.STATE: "state",
    TaskColumn.SENT: "sent",
    TaskColumn.RECEIVED: "received",
    TaskColumn.STARTED: "started",
    TaskColumn.ENDED: "ended",
    TaskColumn.WAIT: "wait",
    TaskColumn.RUN: "run",
    TaskColumn.CPU: "cpu",
    TaskColumn.ATTEMPTS: "attempts",
}


@dataclass(slots=True)
class Ordered:
    """Tasks and what they are sorted by. Equal ones are in the order of their numbers, either way.

    Those of which it is not known come last, either way. `places` and `unknown` ascend.
    """

    places: Rows  # known
    keys: Array | None  # None: the order of the numbers
    unknown: Rows
    sorted: Rows | None = None  # all of `places`, sorted by key

    def __len__(self) -> int:
        return len(self.places) + len(self.unknown)

    def page(self, first: int, count: int, descending: bool) -> Rows:
        """Places `first` … `first + count` of the order."""
        known = len(self.places)
        low, high = min(first, known), min(first + count, known)
        if descending:
            found = self._ascending(known - high, known - low)[::-1]
            tail = self.unknown[::-1][max(0, first - known) : max(0, first + count - known)]
        else:
            found = self._ascending(low, high)
            tail = self.unknown[max(0, first - known) : max(0, first + count - known)]
        return np.concatenate((found, tail))

    def position(self, place: int, descending: bool) -> int:
        """Where a task stands; -1 when it is not among them."""
        at = int(np.searchsorted(self.places, place))
        known = len(self.places)
        if at < known and self.places[at] == place:
            rank = at
            if self.keys is not None:
                key = self.keys[at]
                rank = int((self.keys < key).sum()) + int((self.keys[:at] == key).sum())
            return known - 1 - rank if descending else rank
        at = int(np.searchsorted(self.unknown, place))
        if at < len(self.unknown) and self.unknown[at] == place:
            return known + (len(self.unknown) - 1 - at if descending else at)
        return -1

    def sort(self) -> None:
        """Sort all of it, for many pages."""
        if self.keys is not None and self.sorted is None:
            self.sorted = self.places[np.argsort(self.keys, kind="stable")]

    def _ascending(self, low: int, high: int) -> Rows:
        if low >= high:
            return self.places[:0]
        if self.keys is None:
            return self.places[low:high]
        if self.sorted is not None:
            return self.sorted[low:high]
        if len(self.keys) <= _FEW:
            return self.places[np.argsort(self.keys, kind="stable")[low:high]]
        return self.places[_selected(self.keys, low, high)]


def _selected(keys: Array, low: int, high: int) -> NDArray[np.intp]:
    """What a stable sort would have at [low:high], by finding the keys at both ends first."""
    both = np.partition(keys, (low, high - 1))
    smallest, largest = both[low], both[high - 1]
    below = int((keys < smallest).sum())
    equal = np.flatnonzero(keys == smallest)[low - below :]
    if smallest == largest:
        return equal[: high - low]
    between = np.flatnonzero((keys > smallest) & (keys < largest))
    between = between[np.argsort(keys[between], kind="stable")]
    left = high - low - len(equal) - len(between)
    return np.concatenate((equal, between, np.flatnonzero(keys == largest)[:left]))


def ordered(table: Table, order: TaskColumn, places: Rows | None, words: Sequence[str]) -> Ordered:
    """The tasks at these places (None: all) in an order."""
    everything = np.arange(table.rows, dtype=np.int32) if places is None else places
    nothing = everything[:0]
    if order is TaskColumn.NUMBER:
        return Ordered(everything, None, nothing)
    if order in _WORDS:
        numbers = table.take(_WORDS[order], places)
        keys, known = _ranks(words)[numbers], numbers != 0
    else:
        keys = table.take(_PLAIN[order], places)
        known = keys == keys  # NaN is not
    if order in (TaskColumn.STATE, TaskColumn.ATTEMPTS) or known.all():
        return Ordered(everything, keys, nothing)
    return Ordered(everything[known], keys[known], everything[~known])


def _ranks(words: Sequence[str]) -> NDArray[np.uint32]:
    """The place of each word in the alphabet."""
    ranks = np.zeros(max(len(words), 65_536), np.uint32)
    ranks[sorted(range(len(words)), key=lambda number: words[number])] = np.arange(len(words))
    return ranks
