"""A series over a stretch of a run, as it is drawn: what was read, and the live tail behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from PySide6.QtGui import QPolygonF

from desktop.engine.api import Band, Series
from desktop.ui.widgets.chart_arrays import Floats, polygon, steps

SAMPLE = 1.0  # seconds: no series is sampled more seldom while its service runs
_HOLE = 2.5  # samples or buckets without a value are a gap; a single bucket may be empty by rounding


@dataclass(slots=True)
class Stroke:
    """One line of a series as it is painted, in seconds since `Samples.origin`: a stretch without a gap."""

    line: QPolygonF
    high: QPolygonF | None  # edges of the band; None where each bucket has one value
    low: QPolygonF | None
    body: QPolygonF | None  # of the band: up and down through each bucket
    single: tuple[float, float] | None = None  # a value that stands alone


@dataclass(slots=True)
class Samples:
    """The buckets of a series that have a value, oldest first. `width`: of a bucket, in seconds."""

    t: Floats = field(default_factory=lambda: np.empty(0))
    low: Floats = field(default_factory=lambda: np.empty(0))
    high: Floats = field(default_factory=lambda: np.empty(0))
    last: Floats = field(default_factory=lambda: np.empty(0))
    width: float = 0.0

    @classmethod
    def of(cls, band: Band) -> Samples:
        """What a record answered."""
        width = float(band.t[1] - band.t[0]) if len(band.t) > 1 else 0.0
        t, low, high, last = (np.frombuffer(part) for part in (band.t, band.low, band.high, band.last))
        known = np.isfinite(last)
        return cls(t[known], low[known], high[known], last[known], width)

    def extended(self, tail: Series, since: float) -> Samples:
        """With the samples of a live series that are younger than `since` and than its own last one."""
        count = min(len(tail.t), len(tail.v))
        if not count:
            return self
        t, v = np.frombuffer(tail.t, count=count), np.frombuffer(tail.v, count=count)
        after = max(since, float(self.t[-1]) + 1e-6 if len(self.t) else -math.inf)
        begin = int(np.searchsorted(t, after))
        t, v = t[begin:], v[begin:]
        known = np.isfinite(v)
        t, v = t[known], v[known]
        if not len(t):
            return self
        return Samples(
            np.concatenate((self.t, t)),
            np.concatenate((self.low, v)),
            np.concatenate((self.high, v)),
            np.concatenate((self.last, v)),
            self.width,
        )

    @property
    def end(self) -> float:
        """When its last value was taken; minus infinity where it has none."""
        return float(self.t[-1]) if len(self.t) else -math.inf

    def within(self, since: float, until: float) -> slice:
        """The values of a stretch."""
        return slice(int(np.searchsorted(self.t, since)), int(np.searchsorted(self.t, until, "right")))

    def highest(self, since: float, until: float) -> float:
        """The largest value of a stretch; NaN where it has none."""
        values = self.high[self.within(since, until)]
        return float(values.max()) if len(values) else math.nan

    def at(self, t: float) -> tuple[float, float, float]:
        """Last, low and high of the bucket at a moment; NaN in a gap."""
        if not len(self.t):
            return math.nan, math.nan, math.nan
        i = int(np.searchsorted(self.t, t))
        near = [k for k in (i - 1, i) if 0 <= k < len(self.t)]
        k = min(near, key=lambda k: abs(self.t[k] - t))
        if abs(self.t[k] - t) > self._hole():
            return math.nan, math.nan, math.nan
        return float(self.last[k]), float(self.low[k]), float(self.high[k])

    def strokes(self, origin: float, step: bool) -> list[Stroke]:
        """What is painted, a stroke for each stretch without a gap."""
        if not len(self.t):
            return []
        joined = np.diff(self.t) <= self._hole()
        starts = np.flatnonzero(np.concatenate(([True], ~joined)))
        ends = np.append(starts[1:], len(self.t))
        return [self._stroke(slice(int(a), int(b)), origin, step) for a, b in zip(starts, ends, strict=True)]

    def _hole(self) -> float:
        return _HOLE * max(self.width, SAMPLE)

    def _stroke(self, part: slice, origin: float, step: bool) -> Stroke:
        x, last, low, high = self.t[part] - origin, self.last[part], self.low[part], self.high[part]
        single = None
        if len(x) == 1:
            half = self.width / 2  # a bucket that stands alone is as wide as it is
            single = float(x[0]), float(last[0])
            x = np.array([x[0] - half, x[0] + half])
            last, low, high = np.repeat(last, 2), np.repeat(low, 2), np.repeat(high, 2)
        line = polygon(*(steps(x, last) if step else (x, last)))
        if not (high > low).any():
            return Stroke(line, None, None, None, single)
        return Stroke(line, polygon(x, high), polygon(x, low), _zigzag(x, low, high), single)


def _zigzag(x: Floats, low: Floats, high: Floats) -> QPolygonF:
    """Low, high, high, low, low, …: buckets are about a pixel wide, so this fills the band at the cost of a
    line, a twentieth of that of a filled area.
    """
    y = np.empty((len(x), 2))
    y[::2, 0], y[::2, 1] = low[::2], high[::2]
    y[1::2, 0], y[1::2, 1] = high[1::2], low[1::2]
    return polygon(np.repeat(x, 2), y.ravel())
