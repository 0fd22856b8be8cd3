"""One direction of one connection: passed on at once, or late, or slowly, and always in order."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

from desktop.engine.relay.conditions import CLEAR, Conditions, Way

MOST_QUEUED = 1 << 20  # bytes of one direction that wait here; beyond that its source is not read
PIECE_SECONDS = 0.02  # a slow line passes as much at once as it takes so long for
MOST_AT_ONCE = 65_536  # bytes

_END = b""  # stands in the queue where the source said that nothing more comes


class Lane:
    """One direction of one worker's network: what its connections share."""

    def __init__(self, way: Way) -> None:
        self.way = way
        self.passed = 0  # bytes
        self.conditions = CLEAR
        self.slow = False
        self.held = False
        self.clear = True
        self._free_at = 0.0

    def take(self, conditions: Conditions) -> None:
        """From now on it is like this."""
        self.conditions = conditions
        self.slow = conditions.slows(self.way)
        self.held = conditions.half_open
        self.clear = not self.slow and not self.held
        self._free_at = 0.0

    def delay(self) -> float:
        """Seconds for the next piece."""
        if not self.slow:
            return 0.0
        conditions = self.conditions
        return max(0.0, conditions.delay + random.uniform(-conditions.jitter, conditions.jitter))

    @property
    def longest_delay(self) -> float:
        """Seconds that a piece may take."""
        return self.conditions.delay + self.conditions.jitter if self.slow else 0.0

    def wait(self, now: float) -> float:
        """Seconds until the line is free."""
        return self._free_at - now if self.slow and self.conditions.rate else 0.0

    def at_once(self, size: int) -> int:
        """How much of so many bytes passes now."""
        rate = self.conditions.rate
        if not self.slow or not rate:
            return size
        return min(size, MOST_AT_ONCE, max(1, int(rate * PIECE_SECONDS)))

    def pass_on(self, size: int, now: float) -> None:
        """So many bytes pass."""
        self.passed += size
        if self.slow and self.conditions.rate:
            self._free_at = max(now, self._free_at) + size / self.conditions.rate


class Flow:
    """From one socket to the other.

    Bounded: the source is read only while fewer than `MOST_QUEUED` bytes wait here and the sink takes what
    it is given. `ended` is called once the source's end was passed on.
    """

    def __init__(self, lane: Lane, source: asyncio.Transport, ended: Callable[[], None]) -> None:
        """The source is paused: it is read from `open` on."""
        self._lane = lane
        self._source = source
        self._sink: asyncio.Transport | None = None
        self._ended = ended
        self._queue: deque[tuple[float, bytes]] = deque()
        self._queued = 0
        self._choked = False  # the sink takes no more for now
        self._reading = False
        self._all_read = False
        self._due = 0.0  # of the last piece
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def open(self, sink: asyncio.Transport) -> None:
        """There is somewhere to pass it on to."""
        self._sink = sink
        self._balance()

    def close(self) -> None:
        """The connection is over; what waits is dropped."""
        self._sink = None
        self._queue.clear()
        self._cancel()

    def received(self, data: bytes) -> None:
        """The source sent this."""
        lane = self._lane
        if lane.clear and not self._queue and not self._choked and self._sink is not None:
            lane.passed += len(data)
            self._sink.write(data)
            return
        self._wait(data)
        self._queued += len(data)
        self._pump()

    def source_ended(self) -> None:
        """The source sends nothing more."""
        self._all_read = True
        self._wait(_END)
        self._pump()

    def choke(self, choked: bool) -> None:
        """The sink takes no more, or takes again."""
        self._choked = choked
        self._pump()

    def changed(self) -> None:
        """The lane's conditions are others: what waits never waits longer than they say."""
        latest = self._loop.time() + self._lane.longest_delay
        self._due = min(self._due, latest)
        self._queue = deque((min(due, latest), data) for due, data in self._queue)
        self._pump()

    def _wait(self, data: bytes) -> None:
        self._due = max(self._due, self._loop.time() + self._lane.delay())
        self._queue.append((self._due, data))

    def _pump(self) -> None:
        self._cancel()
        while self._queue and self._sink is not None and not self._choked and not self._lane.held:
            now = self._loop.time()
            due, data = self._queue[0]
            wait = max(due - now, self._lane.wait(now))
            if wait > 0:
                self._timer = self._loop.call_later(wait, self._pump)
                break
            self._queue.popleft()
            if data is _END:
                self._finish()
                return
            self._write(data, due, now)
        self._balance()

    def _write(self, data: bytes, due: float, now: float) -> None:
        assert self._sink is not None
        size = self._lane.at_once(len(data))
        if size < len(data):
            self._queue.appendleft((due, data[size:]))
            data = data[:size]
        self._queued -= size
        self._lane.pass_on(size, now)
        self._sink.write(data)

    def _finish(self) -> None:
        assert self._sink is not None
        try:
            self._sink.write_eof()
        except OSError:
            self._sink.abort()  # it was gone already: both are over
        else:
            self._ended()

    def _balance(self) -> None:
        wanted = (
            self._sink is not None and not self._choked and not self._lane.held and self._queued < MOST_QUEUED
        )
        if wanted != self._reading and not self._all_read and not self._source.is_closing():
            self._reading = wanted
            if wanted:
                self._source.resume_reading()
            else:
                self._source.pause_reading()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
