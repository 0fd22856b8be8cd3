"""Stretches of time in which a process could not write what its tasks did."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from desktop.engine.ledger.records import Task

ONE = 10.0  # seconds between two such stretches of a worker that are shown as one
_WHY = {
    "ENOSPC": "its disk was full",
    "EDQUOT": "its quota of the disk was used up",
    "EFBIG": "its file had reached the size that is allowed",
}


@dataclass(slots=True)
class Dropped:
    """Lines that a worker's processes could not write. `service` is empty where nobody could."""

    service: str
    start: int
    since: float
    until: float
    count: int
    why: str = ""  # the name of the error, as in `errno`

    def sentence(self) -> str:
        """For people."""
        since, until = (time.strftime("%H:%M:%S", time.localtime(t)) for t in (self.since, self.until))
        when = f"at {since}" if since == until else f"between {since} and {until}"
        if not self.service:
            return f"The run folder could not be written {when}: what tasks did meanwhile may be missing."
        lines = "1 line" if self.count == 1 else f"{self.count:,} lines"
        why = _WHY.get(self.why) or (f"the system said {self.why}" if self.why else "")
        return f"{self.service} could not write {lines} {when}{why and f': {why}'}."


class Drops:
    """Everything of the kind that is known of a run."""

    def __init__(self) -> None:
        self._all: list[Dropped] = []

    def __iter__(self) -> Iterator[Dropped]:
        return iter(self._all)

    def __bool__(self) -> bool:
        return bool(self._all)

    def add(self, one: Dropped) -> None:
        """What overlaps with, or follows at once on, what is known of the same worker is one with it."""
        for known in self._all:
            near = one.since - ONE <= known.until and known.since <= one.until + ONE
            if near and (known.service, known.start) == (one.service, one.start):
                known.since, known.until = min(known.since, one.since), max(known.until, one.until)
                known.count += one.count
                known.why = known.why or one.why
                return
        self._all.append(one)

    def until(self, service: str, start: int) -> float:
        """Until when lines of this worker may be missing; 0.0 where none is."""
        mine = ((service, start), ("", 0))
        return max((one.until for one in self._all if (one.service, one.start) in mine), default=0.0)

    def may_concern(self, task: Task) -> bool:
        """Whether a task may have gone on, since it was last heard of, and nobody could write it."""
        if not self._all:
            return False
        heard = max((receipt.t for receipt in task.receipts), default=task.sent or 0.0)
        heard = max([heard, *(attempt.started for attempt in task.attempts)])
        return any(one.until >= heard for one in self._all)

    def sentences(self) -> tuple[str, ...]:
        """For people, in the order of time."""
        return tuple(one.sentence() for one in sorted(self._all, key=lambda one: one.since))

    def saved(self) -> list[dict[str, Any]]:
        """As JSON can hold it."""
        return [asdict(one) for one in self._all]

    def restore(self, saved: Iterable[Mapping[str, Any]]) -> None:
        """Go on from what `saved` gave."""
        self._all = [Dropped(**one) for one in saved]
