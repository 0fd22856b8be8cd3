"""The recorder's end of the pipes: messages of the panel come in, answers and states go out."""

from __future__ import annotations

import os
import select
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

from desktop.engine.record.told import Unpacker, packed

_READ = 256 * 1024


class Pipe:
    """Never waits for the panel: a state is left out while the one before has not been taken."""

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._in, self._out = incoming, outgoing
        self._unpacker = Unpacker()
        self._left = b""
        self._heard: deque[Any] = deque()
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_in, False)
        os.set_blocking(self._wake_out, False)
        os.set_blocking(outgoing, False)
        self.ended = False  # the panel is gone, or let us go

    def wake(self) -> None:
        """End a `wait`; from any thread."""
        try:
            os.write(self._wake_out, b"!")
        except BlockingIOError:
            pass  # it is awake

    def first(self) -> Any:
        """The first message; None when the panel has gone. Those that came with it are kept for `wait`."""
        while not self.ended and not self._heard:
            self._heard.extend(self.wait(60.0))
        return self._heard.popleft() if self._heard else None

    def wait(self, seconds: float) -> Iterator[Any]:
        """Messages that came within this time; ends early when one has come, or at a `wake`."""
        while self._heard:
            yield self._heard.popleft()
            seconds = 0.0
        writing = [self._out] if self._left else []
        ready, writable, _ = select.select([self._in, self._wake_in], writing, [], max(seconds, 0.0))
        if writable:
            self._flush()
        if self._wake_in in ready:
            os.read(self._wake_in, 64)
        if self._in in ready:
            data = os.read(self._in, _READ)
            if not data:
                self.ended = True
            yield from self._unpacker.feed(data)

    @property
    def free(self) -> bool:
        """Everything that was said has been taken."""
        return not self._left

    def say(self, message: Any) -> None:
        """Send a message, now or when there is room."""
        self._left += packed(message)
        self._flush()

    def drain(self, seconds: float) -> None:
        """Wait until everything was taken, at most so long."""
        until = time.monotonic() + seconds
        while self._left and not self.ended and time.monotonic() < until:
            select.select([], [self._out], [], 0.05)
            self._flush()

    def _flush(self) -> None:
        try:
            while self._left:
                self._left = self._left[os.write(self._out, self._left) :]
        except BlockingIOError:
            pass
        except OSError:
            self.ended, self._left = True, b""
