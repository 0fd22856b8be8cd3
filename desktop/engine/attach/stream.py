"""Celery's events, read cheaply and without a loss that is not told, in the form of the ledger's lines."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from desktop.engine.attach.answers import Answers
from desktop.engine.attach.gaps import Gaps
from desktop.engine.attach.local import Locals
from desktop.engine.attach.nodes import Node, Running
from desktop.engine.attach.options import AttachOptions
from desktop.engine.attach.pipe import Broke, Opened, Pipe
from desktop.engine.attach.translate import Translator
from desktop.engine.attach.wire import Frames, events_of
from desktop.engine.ledger.lines import Line, Source

ITSELF = Source("events", 1, 0)  # whose lines tell of the stream: its gaps
AT_ONCE = 2 * 1024 * 1024  # bytes taken apart in one poll
BEAT = 0.25  # seconds between two looks at everything but the events
MISSED_HEARTBEATS = 2  # after so many a worker is silent: Celery's own rule (celery.events.state)


class EventStream:
    """Tails the events of a broker as `ledger.Tail` tails a folder.

    A thread drains the connection at all times; `poll` takes apart what it brought. Not for several threads
    at once but for `close`. Nothing that it does changes anything at the workers: it asks them what they
    have when it comes, after a break, and where their counters and ours differ.
    """

    def __init__(self, options: AttachOptions, ask: bool = True) -> None:
        self.behind = False  # the last poll left something unread: poll again at once
        self.gaps = Gaps()
        self._pattern = options.pattern()
        self._translator = Translator()
        self._answers = Answers(options, self._translator) if ask else None
        self._locals = Locals(options)
        self._frames = Frames(self._pattern)
        self.since = time.time()  # what happened before it was not heard
        self._last = self.since  # when the newest event came through
        self._opened_at = 0.0
        self._reading = False
        self._beat_at = 0.0
        self._pipe = Pipe(options, self._pattern)

    @property
    def connected(self) -> bool:
        """Events are heard now."""
        return self._pipe.connected

    @property
    def problem(self) -> str:
        """A sentence: why none are; empty while they are."""
        return self._pipe.problem

    @property
    def events(self) -> int:
        """How many were read."""
        return self._translator.count

    @property
    def nodes(self) -> Mapping[str, Node]:
        """The newest process of each worker."""
        return self._translator.nodes

    def poll(self) -> list[Line]:
        """What happened since the last call."""
        items = self._pipe.take(AT_ONCE if self._may_read() else 0)
        data: list[bytes] = []
        arrived = 0.0
        for item in items:
            if isinstance(item, Opened | Broke):
                self._read(data, arrived)
                data = []
                self._turn(item)
            else:
                data.append(item.data)
                arrived = item.t
        self._read(data, arrived)
        self.behind = self._pipe.waiting and self._reading
        now = time.monotonic()
        if now >= self._beat_at and not self.behind:
            self._beat_at = now + BEAT
            self._beat()
        return self._lines()

    def _may_read(self) -> bool:
        """Not before the workers had the time to say what they consume: their events do not tell it."""
        self._reading = self._reading or self._answers is None or self._answers.settled
        return self._reading

    def sources(self) -> Iterator[Source]:
        """The process of each worker that was heard, as the lines name it."""
        return (node.source for node in self.nodes.values())

    def remember(self, source: Source) -> None:
        """An earlier stream heard this worker: what it is called goes on."""
        self._translator.remember(source)

    def expect(self, node: str, pid: int, running: Mapping[str, Running]) -> None:
        """By what an earlier stream told, this process runs these."""
        self._translator.expected[node, pid] = dict(running)

    def some_are_mute(self) -> bool:
        """Some worker tells of no task."""
        hidden = self._answers is not None and bool(self._answers.hidden)
        return hidden or any(node.mute and not node.gone for node in self.nodes.values())

    def close(self) -> None:
        """End the threads and the connections."""
        if self._answers is not None:
            self._answers.close()
        self._pipe.close()

    def told(self) -> dict[str, Any]:
        """Everything but the tasks, for the panel: as JSON can hold it."""
        now = time.time()
        return {
            "connected": self.connected,
            "listening": self._opened_at > 0.0,
            "problem": self.problem,
            "events": self.events,
            "unknown": self._answers.unknown if self._answers is not None else 0,
            "nodes": [self._node(node, now) for node in self.nodes.values()],
            "gaps": [gap.as_dict() for gap in self.gaps.all],
            "doubled": sorted(self._translator.doubled),
            "answered": self._answers.answered if self._answers is not None else 0,
            "hidden": self._answers.hidden if self._answers is not None else [],
        }

    def _node(self, node: Node, now: float) -> dict[str, Any]:
        return {
            "name": node.name,
            "start": node.source.start,
            "pid": node.source.pid,
            "first": node.first,
            "heard": node.heard,
            "freq": node.freq,
            "active": node.active,
            "reserved": len(node.received),
            "processed": node.processed,
            "version": node.version,
            "closing": node.closing,
            "gone": node.gone,
            "mute": node.mute,
            "shift": node.shift,
            "local": self._locals.known(node),
            "silent": self._silent(node, now),
        }

    def _silent(self, node: Node, now: float) -> bool:
        """It was not heard for longer than it should, although it would have been."""
        since = max(node.heard, self._opened_at)
        return self.connected and now - since > MISSED_HEARTBEATS * node.freq + GRACE

    def _read(self, data: list[bytes], arrived: float) -> None:
        if not data:
            return
        try:
            payloads = self._frames.feed(b"".join(data))
        except ValueError:
            # Only a broken connection brings what is no RESP: what follows makes no sense either.
            self._frames = Frames(self._pattern)
            self.gaps.broke(arrived, self._last)
            return
        take = self._translator.take
        for payload in payloads:
            events = events_of(payload)
            if events is None:
                self.gaps.unreadable(arrived)
            else:
                take(events, arrived)
        if payloads:
            self._last = arrived

    def _turn(self, item: Opened | Broke) -> None:
        self._frames = Frames(self._pattern)
        if isinstance(item, Broke):
            self.gaps.broke(item.t, self._last)
            return
        self._opened_at = item.t
        if self.gaps.opened(item) and self._answers is not None:
            self._answers.again()

    def _beat(self) -> None:
        translator = self._translator
        for node, short in translator.shorts:
            self.gaps.short(node, short)
            if self._answers is not None:
                self._answers.again()
        translator.shorts.clear()
        if self._answers is not None:
            self._answers.beat()
        now = time.time()
        for node in (*self.nodes.values(), *translator.older.values()):
            if node.gone:
                continue
            if self._locals.ended(node):
                translator.gone(node, now, gave_back=node.closing)
            elif self._silent(node, now) and (node.closing or self.nodes[node.name] is not node):
                translator.gone(node, node.heard, gave_back=node.closing)
        self.gaps.settle(now)

    def _lines(self) -> list[Line]:
        lines = self._translator.lines()
        if self.gaps.changed:
            for gap in dict.fromkeys(self.gaps.changed):
                lines.append(Line(ITSELF, {"k": "gap", "t": time.time(), **gap.as_dict()}))
            self.gaps.changed.clear()
        return lines


GRACE = 0.5  # seconds: a heartbeat may be on its way
