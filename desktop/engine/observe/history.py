"""The last minutes of every series, in memory that does not grow."""

from __future__ import annotations

import math
import threading
from array import array
from bisect import bisect_left

from desktop.engine.api import Series

_NAN = math.nan


class _Ring:
    """A ring of (time, value), each written twice so that any stretch of it lies in one piece."""

    __slots__ = ("_capacity", "_count", "_next", "_t", "_v", "last")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._t = array("d", bytes(16 * capacity))
        self._v = array("d", bytes(16 * capacity))
        self.clear()

    def clear(self) -> None:
        self._next = 0
        self._count = 0
        self.last = -math.inf

    def add(self, t: float, v: float) -> None:
        at, capacity = self._next, self._capacity
        self._t[at] = self._t[at + capacity] = t
        self._v[at] = self._v[at + capacity] = v
        self._next = (at + 1) % capacity
        self._count = min(self._count + 1, capacity)
        self.last = t

    def since(self, t: float) -> Series:
        end = self._next + (self._capacity if self._count > self._next else 0)
        start = bisect_left(self._t, t, end - self._count, end)
        return Series(self._t[start:end], self._v[start:end])


class History:
    """A ring per series, under the names that `api.py` lists. Safe to use from any thread.

    `capacity` points are kept of each series (1200: ten minutes at two a second). Where more than
    `gap` seconds lie between two points, a NaN between them breaks the line. At most `max_series`
    series are kept; one more pushes out the one that was longest without a point.
    """

    def __init__(self, capacity: int = 1200, gap: float = 2.0, max_series: int = 512) -> None:
        self._capacity = capacity
        self._gap = gap
        self._max_series = max_series
        self._rings: dict[str, _Ring] = {}
        self._lock = threading.Lock()

    def add(self, name: str, t: float, v: float) -> None:
        """Append a point; NaN is a gap.

        Times of a series always grow. After the clock was set back by up to `gap` seconds, points
        are left out until it has caught up; after a larger step the series begins anew.
        """
        with self._lock:
            ring = self._rings.get(name)
            if ring is None:
                ring = self._new_ring(name)
            if t <= ring.last:
                if ring.last - t <= self._gap:
                    return
                ring.clear()
            elif t - ring.last > self._gap and ring.last > 0.0:
                ring.add((ring.last + t) / 2, _NAN)
            ring.add(t, v)

    def _new_ring(self, name: str) -> _Ring:
        if len(self._rings) >= self._max_series:
            del self._rings[min(self._rings, key=lambda known: self._rings[known].last)]
        ring = self._rings[name] = _Ring(self._capacity)
        return ring

    def read(self, name: str, seconds: float = math.inf) -> Series:
        """The last `seconds` of a series, counted back from its own last point; a copy.

        Empty when there is no series of that name.
        """
        with self._lock:
            ring = self._rings.get(name)
            if ring is None:
                return Series(array("d"), array("d"))
            return ring.since(ring.last - seconds)

    def names(self) -> tuple[str, ...]:
        """The series there are."""
        with self._lock:
            return tuple(self._rings)

    def drop(self, name: str) -> None:
        """Forget a series; it need not exist."""
        with self._lock:
            self._rings.pop(name, None)

    def forget(self, subject: str) -> None:
        """Forget every series of a service or queue that was removed: all of `…:<subject>`."""
        with self._lock:
            for name in [n for n in self._rings if n.partition(":")[2] == subject]:
                del self._rings[name]
