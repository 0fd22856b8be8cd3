"""Reads series of a record for the charts: one question at a time, the newest next, and the live tail."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from desktop.bridge import Bridge
from desktop.engine.api import Band, Desk, DeskError, Record
from desktop.ui.widgets.chart_series import Samples

PAD = 0.3  # of the stretch, read beyond both its ends: a small move asks for nothing
LEAST_PAD = 5.0  # seconds: a stretch of one second still has lines that reach its ends
FINE = 1.6  # buckets may be so much wider than wanted before they are read anew
_RAW = 0.6  # seconds: finer buckets than the samples tell nothing more
_SOON, _PATIENCE = 40, 0.3  # ms until a wish is asked; seconds after which an old question is given up
_TAIL = 0.25  # of the stretch that may be live tail before all is read anew,
_TAIL_LIMITS = (120.0, 300.0)  # but at least and at most so many seconds


@dataclass(frozen=True, slots=True)
class Wish:
    """What the charts want to draw."""

    names: tuple[str, ...]
    since: float
    until: float
    buckets: int

    @property
    def width(self) -> float:
        """Seconds of a bucket."""
        return (self.until - self.since) / self.buckets

    def padded(self) -> Wish:
        """With what lies beside it, in buckets as wide."""
        pad = max(PAD * (self.until - self.since), LEAST_PAD)
        since, until = self.since - pad, self.until + pad
        return Wish(self.names, since, until, max(1, round((until - since) / self.width)))

    def served_by(self, other: Wish) -> bool:
        """Whether what was read for `other` draws this one as well."""
        covered = other.since <= self.since and self.until <= other.until
        fine = other.width <= max(FINE * self.width, _RAW) and (self.width <= 3 * FINE * other.width)
        return covered and fine and set(self.names) <= set(other.names)


class SeriesReader(QObject):
    """`came` tells that there is something new in `samples`."""

    came = Signal()
    failed = Signal(object)  # DeskError

    def __init__(self, bridge: Bridge, parent: QObject) -> None:
        super().__init__(parent)
        self._bridge = bridge
        self._record: Record | None = None
        self._wish: Wish | None = None
        self._asked: Wish | None = None
        self._got: Wish | None = None
        self._future: Future[Any] | None = None
        self._since_asked = 0.0
        self._number = 0
        self._read_end = 0.0  # the last moment that was read, not appended
        self.samples: dict[str, Samples] = {}
        self._timer = QTimer(self, singleShot=True, interval=_SOON)
        self._timer.timeout.connect(self._ask)

    def take(self, record: Record | None) -> None:
        """Read another record from now on; what was read of the one before is forgotten."""
        self.drop()
        self._record = record
        self.samples, self._got, self._wish = {}, None, None

    def drop(self) -> None:
        """Give up what is being read."""
        self._timer.stop()
        self._number += 1
        if self._future is not None:
            self._future.cancel()
        self._future = self._asked = None

    def want(self, wish: Wish, anew: bool = False) -> None:
        """Read what is needed for this, soon; `anew`: also what is there already."""
        self._wish = wish
        if anew:
            self._got = None
        if self._got is not None and wish.served_by(self._got):
            return
        waits = time.monotonic() - self._since_asked
        if self._asked is not None and waits > _PATIENCE and not wish.served_by(self._asked):
            self.drop()
        if self._asked is None and not self._timer.isActive():
            self._timer.start()

    @property
    def reading(self) -> bool:
        """Whether a question is under way or about to be asked."""
        return self._asked is not None or self._timer.isActive()

    def _ask(self) -> None:
        if self._record is None or self._wish is None or not self._wish.names:
            return
        asked = self._asked = self._wish.padded()
        self._number += 1
        self._since_asked = time.monotonic()
        self._future = self._record.series(asked.names, asked.since, asked.until, asked.buckets)
        show, fail = partial(self._show, self._number, asked), partial(self._fail, self._number)
        self._bridge.run(self._future, show, fail, self)

    def _show(self, number: int, asked: Wish, bands: Mapping[str, Band]) -> None:
        if number != self._number:
            return  # given up meanwhile
        self._future = self._asked = None
        self._got = asked
        self._read_end = asked.until
        self.samples = {name: Samples.of(band) for name, band in bands.items()}
        ends = [one.end for one in self.samples.values() if len(one.t)]
        self._read_end = min(asked.until, max(ends, default=asked.since))
        self.came.emit()
        if self._wish is not None:
            self.want(self._wish)

    def _fail(self, number: int, error: DeskError) -> None:
        if number == self._number:
            self._future = self._asked = None
            self.failed.emit(error)

    # the live tail

    def append(self, desk: Desk, now: float) -> None:
        """Take what the engine still has in memory behind what was read; call it twice a second."""
        if self._got is None or self._wish is None or self._wish.until < self._read_end:
            return
        least, most = _TAIL_LIMITS
        allowed = min(max(_TAIL * (self._wish.until - self._wish.since), least), most)
        if now - self._read_end > allowed and not self.reading:
            self._timer.start()
        seconds = now - self._read_end + 5.0
        tails = {name: desk.series(name, seconds) for name in self._got.names}
        grown = {
            name: self.samples.get(name, Samples(width=self._got.width)).extended(tail, self._read_end)
            for name, tail in tails.items()
        }
        if any(grown[name] is not self.samples.get(name) for name in grown):
            self.samples = {**self.samples, **grown}
            self.came.emit()
        self._got = Wish(self._got.names, self._got.since, max(self._got.until, now), self._buckets(now))

    def _buckets(self, now: float) -> int:
        got = self._got
        assert got is not None
        return max(1, round((max(got.until, now) - got.since) / got.width))
