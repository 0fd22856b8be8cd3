"""What a process that is measured takes."""

from __future__ import annotations

import time

import psutil


class WatchedProcess:
    """Base of those that start one; they set `_seen` and call it `name`."""

    name = "the process"
    idle = 0.1  # seconds of CPU a second, below which it is done
    _seen: psutil.Process

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        times = self._seen.cpu_times()
        return times.user + times.system

    @property
    def rss(self) -> float:
        """MiB of memory."""
        return self._seen.memory_info().rss / 2**20

    def settled(self, within: float = 600.0) -> float:
        """Its CPU time when it had dealt with everything: when it takes less than `idle`."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            before = self.cpu
            time.sleep(1.0)
            if self.cpu - before < self.idle:
                return before
        raise RuntimeError(f"{self.name} was not done within {within:g} s")
