"""When tasks are due, and which."""

from __future__ import annotations

import random
from itertools import accumulate

from desktop.engine.api import TaskShare

BATCH_FROM = 200.0  # tasks a second: above, several go out together
TICK = 0.02  # seconds between two such batches
CHUNK = 250  # tasks that go out together at most: some 30 ms of work, so a pause is not felt to lag
FORGIVEN = 0.25  # seconds behind, beyond which what was missed is not made up for


class Pace:
    """Tells how many tasks are due. Times are of a monotonic clock, in seconds.

    Small delays are made up for, so the rate holds on average; a stall is not, so there is no
    burst after it.
    """

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._next = 0.0
        self._gap = TICK if rate is not None and rate > BATCH_FROM else 0.0

    @property
    def batched(self) -> bool:
        """True where tasks are sent several at once."""
        return self._rate is None or self._rate > BATCH_FROM

    def restart(self, now: float) -> None:
        """The next task is due now: at the start, and after a pause."""
        self._next = now

    def due(self, now: float) -> int:
        """How many may be sent now."""
        if self._rate is None:
            return CHUNK
        if now < self._next:
            return 0
        if now - self._next > FORGIVEN:
            self._next = now
        return min(CHUNK, int((now - self._next) * self._rate) + 1)

    def sent(self, number: int) -> None:
        """So many were sent."""
        if self._rate is not None:
            self._next += number / self._rate

    def wait(self, now: float) -> float:
        """Seconds until the next task, or the next batch, is due."""
        return 0.0 if self._rate is None else max(0.0, self._next + self._gap - now)


class Stopwatch:
    """Time that counts: it stands still while the load is paused or waits."""

    def __init__(self) -> None:
        self._before = 0.0
        self._since: float | None = None

    def run(self, now: float) -> None:
        """Time counts from now on."""
        if self._since is None:
            self._since = now

    def halt(self, now: float) -> None:
        """Time no longer counts."""
        self._before = self.read(now)
        self._since = None

    def read(self, now: float) -> float:
        """Seconds that counted so far."""
        return self._before + (now - self._since if self._since is not None else 0.0)


class Mix:
    """Draws from the shares of a mix by their weights: the same order for the same seed."""

    def __init__(self, shares: tuple[TaskShare, ...], seed: int) -> None:
        self._draw = random.Random(seed)
        self._shares = range(len(shares))
        self._weights = list(accumulate(share.weight for share in shares))

    def draw(self, number: int) -> list[int]:
        """The next shares, as indexes. It makes no difference in how many calls they are drawn."""
        return self._draw.choices(self._shares, cum_weights=self._weights, k=number)
