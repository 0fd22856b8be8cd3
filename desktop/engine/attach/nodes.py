"""What Celery's events say of one worker process: when it was heard, what it holds, how much it has run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from desktop.engine.ledger.lines import Source

HEARTBEAT = 2.0  # seconds: Celery's own default
SKEW = 1.0  # seconds by which a worker's clock may differ from ours before its times are shifted
_SKEW_HEARTBEATS = 3  # as many are compared: one may have waited on its way


class Received(NamedTuple):
    """A task that a worker has, and has not started."""

    name: str
    retries: int
    eta: float | None
    asked: bool = False  # known from the worker's answer, not from its event


class Running(NamedTuple):
    """A task that a worker runs."""

    name: str
    retries: int
    started: float
    asked: bool = False  # as above


class Short(NamedTuple):
    """Tasks that a worker counted and that no event told of. Times are by our clock."""

    tasks: int
    since: float
    until: float


@dataclass(slots=True)
class Counter:
    """Compares the worker's own count of started tasks with the events that were seen.

    A heartbeat's `processed` counts each task that was started before it, and its own time stamp says which
    those are. Events of one worker arrive in their order, but a batch may be behind the heartbeat: so the
    count of a heartbeat is settled at the next one, and a difference counts when it is still there at the
    one after (a thread may be between counting and telling at that moment).
    """

    base: int | None = None  # tasks before the first heartbeat
    told: int = 0  # that were missed and said so
    seen: int = 0  # task events of any kind
    _floor: float = 0.0
    _at: float = 0.0
    _earlier: tuple[float, float] = (0.0, 0.0)  # the two heartbeats before the last
    _processed: int = 0
    _before: int = 0
    _after: int = 0
    _short: int = 0

    def started(self, t: float) -> None:
        """A `task-started` with this time stamp of the worker was seen."""
        if t <= self._floor or self.base is None:
            return
        if t <= self._at:
            self._before += 1
        else:
            self._after += 1

    def heartbeat(self, t: float, processed: int) -> Short | None:
        """A heartbeat was seen: what is known to be missed since the last one that told so."""
        if self.base is None:
            self.base, self._floor, self._at, self._processed = processed, t, t, processed
            self._earlier = (t, t)
            return None
        short = self._processed - self.base - self._before
        missed = min(short, self._short) - self.told
        self._short = short
        since, until = self._earlier
        self._earlier = until, self._at
        self._before, self._after = self._before + self._after, 0
        self._at, self._processed = t, processed
        if missed <= 0:
            return None
        self.told += missed
        return Short(missed, since, until)

    def anew(self) -> None:
        """Count from the next heartbeat on."""
        self.base, self._before, self._after, self._short, self.told = None, 0, 0, 0, 0


@dataclass(slots=True)
class Node:
    """One process of a worker, from its first event to its last."""

    source: Source
    first: float  # by our clock, like `heard`
    heard: float
    freq: float = HEARTBEAT
    active: int | None = None  # as its last heartbeat says
    processed: int | None = None
    version: str = ""
    closing: bool = False  # it said goodbye; its last tasks may still end
    gone: bool = False  # its process has ended: that is proved
    mute: bool = False  # runs tasks and sends no events of them
    queue: str | None = None  # the one that it consumes, where it is only one
    shift: float = 0.0  # seconds to add to its times: its clock is not ours
    received: dict[str, Received] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    counter: Counter = field(default_factory=Counter)
    too_many: int = 0  # heartbeats in a row that count fewer active tasks than we do
    _drifts: list[float] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Its node name, "w1@host"."""
        return self.source.service

    def compare_clocks(self, theirs: float, ours: float) -> bool:
        """Take the time stamp of a heartbeat; True when the shift changed."""
        if len(self._drifts) >= _SKEW_HEARTBEATS:
            return False
        self._drifts.append(ours - theirs)
        if len(self._drifts) < _SKEW_HEARTBEATS:
            return False
        # The least delay is the nearest to the truth, where the clock is behind ours as where it is ahead.
        drift = min(self._drifts)
        self.shift = drift if abs(drift) > SKEW else 0.0
        return self.shift != 0.0

    def scheduled(self, now: float) -> int:
        """How many of the received ones wait for their time."""
        return sum(1 for task in self.received.values() if task.eta is not None and task.eta > now)
