"""The present moment of the engine's clock, as the window knows it."""

from __future__ import annotations

import time

from desktop.bridge import Bridge


class Present:
    """Goes on while the bridge keeps an old snapshot, because nothing but the time is new in it."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._seen, self._at = bridge.snapshot, time.monotonic()

    def now(self) -> float:
        """Seconds since the epoch; call it at least at each new snapshot."""
        snapshot = self._bridge.snapshot
        if snapshot is not self._seen:
            self._seen, self._at = snapshot, time.monotonic()
        return snapshot.t + time.monotonic() - self._at
