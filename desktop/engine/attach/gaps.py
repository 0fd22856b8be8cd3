"""What was missed: since when, until when, about how much, and why. Told, never passed over."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from desktop.engine.attach.nodes import Node, Short
from desktop.engine.attach.pipe import Opened
from desktop.engine.supervise.outcome import plural

JOIN = 10.0  # seconds: losses of one worker that lie nearer to each other are one
SETTLED = 15.0  # seconds after a break by which the workers' counters have told what was missed
KEPT = 200

SLOW = "the broker cut us off, because we read too slowly"
RESTARTED = "the broker was restarted"
BROKEN = "the connection to the broker broke"
COUNTED = "its events did not reach the broker, or some of its tasks send none"
UNREADABLE = "they are in a format that is not read: only JSON is"


@dataclass(slots=True, eq=False)
class Gap:
    """A stretch of which events are missing. `missed` counts the tasks that were started unseen."""

    number: int
    since: float
    until: float | None  # None: it lasts
    why: str
    node: str = ""  # one worker's; "": everybody's
    missed: int = 0
    settled: bool = False
    by_node: dict[str, int] = field(default_factory=dict)

    def sentence(self) -> str:
        """For people."""
        if self.node:
            when = _between(self.since, self.until)
            return f"{when}: {plural(self.missed, 'task')} of {self.node} started unseen; {self.why}."
        if self.until is None:
            return f"Since {_clock(self.since)} no events are heard: {self.why}."
        said = f"{_between(self.since, self.until)}: {self.why}"
        if self.missed:
            who = ", ".join(f"{count:,} of {node}" for node, count in sorted(self.by_node.items()))
            return f"{said}; at least {plural(self.missed, 'task')} started unseen ({who})."
        if self.settled:
            return f"{said}; by the workers' own counters no start was missed."
        return f"{said}; what was missed is being counted."

    def as_dict(self) -> dict[str, Any]:
        """For a record or a pipe."""
        return {
            "number": self.number,
            "since": self.since,
            "until": self.until,
            "why": self.why,
            "node": self.node,
            "missed": self.missed,
            "text": self.sentence(),
        }


class Gaps:
    """Every gap of one attachment, in their order."""

    def __init__(self) -> None:
        self.all: list[Gap] = []
        self.changed: list[Gap] = []  # since somebody last took them
        self._number = 0
        self._open: Gap | None = None
        self._last = 0.0
        self._cuts: int | None = None
        self._server = ""

    def broke(self, t: float, last: float) -> None:
        """The connection ended at `t`; the last event came through at the moment `last`."""
        self._last = last
        if self._open is None:
            self._open = self._new(t, None, BROKEN)

    def opened(self, opened: Opened) -> bool:
        """A connection stands; True when it is not the first."""
        gap, self._open = self._open, None
        if gap is not None:
            gap.until = opened.t
            if opened.server and self._server and opened.server != self._server:
                gap.why = RESTARTED
            elif opened.cuts is not None and self._cuts is not None and opened.cuts > self._cuts:
                gap.why, gap.since = SLOW, self._last  # what was kept for us then is gone
            self.changed.append(gap)
        self._cuts, self._server = opened.cuts, opened.server
        return gap is not None

    def short(self, node: Node, short: Short) -> None:
        """A worker has started more tasks than its events told of."""
        gap = self._of_break(short) or self._of_node(node.name, short)
        gap.missed += short.tasks
        gap.by_node[node.name] = gap.by_node.get(node.name, 0) + short.tasks
        self.changed.append(gap)

    def unreadable(self, now: float) -> None:
        """A message of events that we cannot read."""
        last = self.all[-1] if self.all else None
        if last is not None and last.why == UNREADABLE:
            last.until = now
            return
        self._new(now, now, UNREADABLE).settled = True

    def settle(self, now: float) -> None:
        """Gaps of which nothing more will be told are so from now on."""
        for gap in self.all[-20:]:
            if not gap.settled and gap.until is not None and now - gap.until > SETTLED:
                gap.settled = True
                self.changed.append(gap)

    def _of_break(self, short: Short) -> Gap | None:
        """The break that a loss falls into; by both clocks a second more or less is the same."""
        for gap in reversed(self.all[-20:]):
            until = gap.until if gap.until is not None else short.until
            if not gap.node and gap.since - 1.0 <= short.until and short.since - 1.0 <= until:
                return gap
        return None

    def _of_node(self, node: str, short: Short) -> Gap:
        for gap in reversed(self.all[-20:]):
            if gap.node == node and short.since - (gap.until or 0.0) < JOIN:
                gap.until = max(gap.until or 0.0, short.until)
                return gap
        gap = self._new(short.since, short.until, COUNTED, node)
        gap.settled = True
        return gap

    def _new(self, since: float, until: float | None, why: str, node: str = "") -> Gap:
        self._number += 1
        gap = Gap(self._number, since, until, why, node)
        self.all.append(gap)
        del self.all[:-KEPT]
        self.changed.append(gap)
        return gap


def _clock(t: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(t))


def _between(since: float, until: float | None) -> str:
    first, last = _clock(since), _clock(until if until is not None else since)
    return first if first == last else f"{first} – {last}"
