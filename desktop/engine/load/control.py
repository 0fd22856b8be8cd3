"""What the panel asks of a load generator while it runs: lines on stdin, and the end of stdin."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable


class Control:
    """Reads control lines in a thread of its own and keeps what was asked.

    The end of the stream is a cancel: the panel is gone. `wait` and `sleep` are for the one
    thread that obeys.
    """

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._rest = b""
        self._changed = threading.Condition()
        self._changes = 0
        self._seen = 0
        self._on_cancel: Callable[[], None] | None = None
        self.paused = False
        self.cancelled = False

    def first_line(self) -> bytes:
        """The line with the plan; empty when the stream ended before."""
        while b"\n" not in self._rest:
            part = os.read(self._stream, 65536)
            if not part:
                return b""
            self._rest += part
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def listen(self, on_cancel: Callable[[], None]) -> None:
        """Start the thread. `on_cancel` is called once, in another thread, when a cancel comes."""
        self._on_cancel = on_cancel
        threading.Thread(target=self._read, name="control", daemon=True).start()

    def cancel(self) -> None:
        """Ask for the end, from any thread or a signal handler."""
        first = not self.cancelled
        self._set(cancelled=True)
        if first and self._on_cancel is not None:
            threading.Thread(target=self._on_cancel, name="cancel", daemon=True).start()

    def wait(self, seconds: float | None) -> None:
        """Sleep, but not when something was asked since the last wait, and no longer than until it is."""
        until = None if seconds is None else time.monotonic() + seconds
        with self._changed:
            while self._changes == self._seen and not self.cancelled:
                left = None if until is None else until - time.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            self._seen = self._changes

    def sleep(self, seconds: float) -> None:
        """Sleep so long, whatever is asked but a cancel."""
        until = time.monotonic() + seconds
        while not self.cancelled and time.monotonic() < until:
            self.wait(until - time.monotonic())

    def _read(self) -> None:
        while not self.cancelled:
            while b"\n" in self._rest:
                line, _, self._rest = self._rest.partition(b"\n")
                self._obey(line)
            part = b"" if self.cancelled else os.read(self._stream, 4096)
            if not part:
                self.cancel()
            self._rest += part

    def _obey(self, line: bytes) -> None:
        try:
            what = json.loads(line)["do"]
        except (ValueError, LookupError, TypeError):
            return  # not a control line
        if what == "pause":
            self._set(paused=True)
        elif what == "resume":
            self._set(paused=False)
        elif what == "cancel":
            self.cancel()

    def _set(self, paused: bool | None = None, cancelled: bool = False) -> None:
        with self._changed:
            self.paused = self.paused if paused is None else paused
            self.cancelled = self.cancelled or cancelled
            self._changes += 1
            self._changed.notify_all()
