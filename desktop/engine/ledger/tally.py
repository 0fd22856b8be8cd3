"""What is counted of attempts: how many ended how, how fast, how long they waited and ran."""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from desktop.engine.ledger.records import CUT

RATE_SECONDS = 5
_BUCKETS = 2  # a second, for the rate
_MOST = 20_000  # durations that are kept of one beat


@dataclass(frozen=True, slots=True)
class Beat:
    """Percentiles of the tasks that ended in one beat, in seconds; None where none did.

    A wait is from the moment that a task was sent (received, where that is not known; due, where that is
    later) to its first start; a run is that of the attempt that ended.
    """

    t: float = 0.0
    wait50: float | None = None
    wait95: float | None = None
    run50: float | None = None
    run95: float | None = None
    run99: float | None = None


class Tally:
    """Counters that only grow, but for corrections."""

    def __init__(self) -> None:
        self.by_state = dict.fromkeys(
            ("SUCCESS", "FAILURE", "RETRY", "REVOKED", "REJECTED", "IGNORED", CUT), 0
        )
        self.received = 0  # tasks
        self.started = 0  # attempts
        self.running = 0
        self.twice = 0  # tasks
        self.done: dict[str, int] = {}
        self._ends: dict[int, int] = {}
        self._waits = array("d")
        self._runs = array("d")

    def ended(self, t: float) -> None:
        """A task came to an end at `t`, perhaps not its last one."""
        bucket = int(t * _BUCKETS)
        ends = self._ends
        ends[bucket] = ends.get(bucket, 0) + 1
        if len(ends) > 60 * _BUCKETS:
            for old in sorted(ends)[: 30 * _BUCKETS]:
                del ends[old]

    def took(self, wait: float | None, run: float) -> None:
        """How long the attempt that ended waited and ran."""
        if len(self._runs) < _MOST:
            self._runs.append(run)
            if wait is not None:
                self._waits.append(wait)

    def rate(self, now: float | None = None) -> float:
        """Tasks that came to an end a second, over the 5 s before `now`."""
        last = int((time.time() if now is None else now) * _BUCKETS)
        span = RATE_SECONDS * _BUCKETS
        return sum(self._ends.get(bucket, 0) for bucket in range(last - span, last)) / RATE_SECONDS

    def beat(self, now: float) -> Beat:
        """The percentiles of what ended since the last call."""
        waits, runs = sorted(self._waits), sorted(self._runs)
        del self._waits[:], self._runs[:]
        return Beat(
            now,
            _percentile(waits, 0.50),
            _percentile(waits, 0.95),
            _percentile(runs, 0.50),
            _percentile(runs, 0.95),
            _percentile(runs, 0.99),
        )

    def saved(self) -> dict[str, Any]:
        """For a recorder that goes on, as JSON can hold it; runs under way are found with their tasks."""
        return {
            "states": self.by_state,
            "received": self.received,
            "started": self.started,
            "twice": self.twice,
            "done": self.done,
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `saved` gave."""
        self.by_state.update(saved["states"])
        self.received, self.started = saved["received"], saved["started"]
        self.twice = saved["twice"]
        self.done = dict(saved["done"])


def _percentile(ordered: list[float], share: float) -> float | None:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else None
