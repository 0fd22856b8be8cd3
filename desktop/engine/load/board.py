"""Where a load stands, and the lines on stdout that tell it."""

from __future__ import annotations

import json
import os
import threading
import time
from collections import deque

from desktop.engine.api import LoadState

EVERY = 0.2  # seconds between two lines
_OF_LATE = 2.0  # seconds that the rate is taken over
_SLOW_ANSWER = 1.0  # seconds without an answer, after which the load is said to wait

_FINAL = frozenset({LoadState.DONE, LoadState.CANCELLED, LoadState.FAILED})


class Board:
    """State and counts, set by the one thread that sends, told by a thread of its own."""

    def __init__(self, stream: int) -> None:
        self._stream = stream
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._over = False
        self._teller = threading.Thread(target=self._tell_on, name="board", daemon=True)
        self._lately: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._handing_since: float | None = None
        self._told: dict[str, object] = {}
        self.state = LoadState.STARTING
        self.detail = ""
        self.sent = 0
        self.in_doubt = 0

    def start(self) -> None:
        """Begin to tell."""
        self._teller.start()

    def say(self, state: LoadState, detail: str = "") -> None:
        """A change of state is told at once."""
        with self._lock:
            if state is LoadState.SENDING and self.state is not LoadState.SENDING:
                self._lately = deque([(time.monotonic(), self.sent)])
            self.state, self.detail = state, detail
        self._wake.set()

    def handing(self, now: float | None) -> None:
        """Tasks are being handed over since `now`; None: the broker has answered."""
        self._handing_since = now

    def count(self, sent: int = 0, in_doubt: int = 0) -> None:
        """So many more were sent, so many more (or, below 0, fewer) are in doubt."""
        with self._lock:
            self.sent += sent
            self.in_doubt += in_doubt

    def finish(self, state: LoadState, detail: str, rate: float) -> None:
        """Tell the last line: `rate` is that of the whole load."""
        self._over = True
        self._wake.set()
        if self._teller.is_alive():
            self._teller.join()
        self.state, self.detail = state, detail
        self._write({**self._now(time.monotonic()), "rate": round(rate, 1)})

    def _tell_on(self) -> None:
        while not self._over:
            with self._lock:
                told = self._now(time.monotonic())
            if told != self._told:
                self._told = told
                self._write(told)
            self._wake.wait(EVERY)
            self._wake.clear()

    def _now(self, now: float) -> dict[str, object]:
        state, detail, since = self.state, self.detail, self._handing_since
        if state is LoadState.SENDING and since is not None and now - since > _SLOW_ANSWER:
            state, detail = LoadState.WAITING, f"The broker has not answered for {now - since:.0f} s."
        return {
            "state": state.value,
            "sent": self.sent,
            "in_doubt": self.in_doubt,
            "rate": round(self._rate(now), 1) if state is LoadState.SENDING else 0.0,
            "detail": detail,
        }

    def _rate(self, now: float) -> float:
        self._lately.append((now, self.sent))
        while len(self._lately) > 2 and now - self._lately[1][0] >= _OF_LATE:
            self._lately.popleft()
        since, before = self._lately[0]
        return (self.sent - before) / (now - since) if now - since > 0.05 else 0.0

    def _write(self, told: dict[str, object]) -> None:
        try:
            os.write(self._stream, json.dumps({"t": time.time(), **told}).encode() + b"\n")
        except OSError:
            pass  # nobody listens any more: the end of stdin says so too
