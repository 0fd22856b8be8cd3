"""Units, ticks and the y range of a chart: what the numbers on its edges are.

No Qt and no numpy here, so that it can be reasoned about (and tested) alone.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from enum import Enum

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_WHOLE_STEPS = (1.0, 2.0, 5.0, 10.0)
LEFT, RIGHT = 64, 148  # px beside the lines of a chart: words of the y axis, read-out
_MIB = 1024.0**2
_GIB = 1024.0**3


class Unit(Enum):
    """What a chart counts. `floor` is the smallest top of its y axis, in the unit of the values."""

    PERCENT = ("% of one core", 100.0, False)
    BYTES = ("whole process tree", 100 * _MIB, False)
    TASKS = ("tasks", 4.0, True)
    SLOTS = ("processes, threads or greenlets", 2.0, True)
    RATE = ("tasks a second", 4.0, False)
    THREADS = ("threads", 4.0, True)
    SECONDS = ("seconds", 0.1, False)

    def __init__(self, words: str, floor: float, whole: bool) -> None:
        self.words = words
        self.floor = floor
        self.whole = whole

    def format(self, value: float) -> str:
        """A value for people, as it stands in read-outs: "41 %", "212 MiB", "1,204"."""
        if math.isnan(value):
            return "–"
        if self is Unit.BYTES:
            return _bytes(value)
        if self is Unit.PERCENT:
            return f"{value:.0f} %"
        if self is Unit.SECONDS:
            return _seconds(value)
        if self is Unit.RATE:
            return f"{value:.1f}/s" if value < 100 else f"{value:,.0f}/s"
        return f"{value:,.0f}"

    def tick(self, value: float, step: float) -> str:
        """A value at the y axis, with no more digits than the step needs."""
        if value == 0:
            return "0"
        if self is Unit.BYTES:
            return f"{value / _GIB:.3g} GiB" if step >= _GIB / 4 else f"{value / _MIB:,.0f} MiB"
        if self is Unit.PERCENT:
            return f"{value:,.0f} %"
        if self is Unit.SECONDS:
            return f"{value * 1000:g} ms" if step * 3 < 1 and value < 1 else f"{value:,.4g} s"
        if value >= 10_000:
            return f"{value / 1000:,.3g}k"
        return f"{value:,.0f}" if self.whole or step >= 1 else f"{value:.2g}"


def _seconds(value: float) -> str:
    if value < 0.9995:
        return f"{value * 1000:.0f} ms" if value >= 0.0095 else f"{value * 1000:.1f} ms"
    return f"{value:.2f} s" if value < 10 else f"{value:,.0f} s"


def _bytes(value: float) -> str:
    if value >= 10 * _GIB:
        return f"{value / _GIB:.1f} GiB"
    if value >= _GIB:
        return f"{value / _GIB:.2f} GiB"
    return f"{value / _MIB:,.0f} MiB"


def nice_step(top: float, lines: int, unit: Unit) -> float:
    """The smallest round step that reaches `top` in at most `lines` lines."""
    base = 1.0
    if unit is Unit.BYTES:
        base = _GIB if top >= 2 * _GIB else _MIB
    raw = max(top / base / max(1, lines), 1e-9)
    if unit.whole:
        raw = max(raw, 1.0)
    power = 10.0 ** math.floor(math.log10(raw))
    for step in _WHOLE_STEPS if unit.whole else _STEPS:
        if step * power >= raw * (1 - 1e-9):
            return step * power * base
    return 10 * power * base


@dataclass(slots=True)
class YScale:
    """The top of a y axis that starts at 0: grows at once, shrinks only after a while, in round steps."""

    unit: Unit
    lines: int = 3
    top: float = 0.0
    step: float = 1.0
    patience: float = 8.0  # seconds for which the values must stay low before it shrinks
    _low_since: float | None = None

    def follow(self, highest: float, now: float) -> bool:
        """Take the highest value shown now; True when the axis changed."""
        need = max(self.unit.floor, 0.0 if math.isnan(highest) else highest * 1.04)
        step = nice_step(need, self.lines, self.unit)
        top = step * math.ceil(need / step - 1e-9)
        if top >= self.top or self.top == 0:
            self._low_since = None
            return self._take(top, step)
        if top > self.top * 0.6:
            self._low_since = None
            return False
        if self._low_since is None:
            self._low_since = now
        if now - self._low_since < self.patience:
            return False
        self._low_since = None
        return self._take(top, step)

    def relayout(self, lines: int) -> bool:
        """Take another number of grid lines (the chart was resized); True when the axis changed."""
        if lines == self.lines:
            return False
        self.lines = lines
        if self.top == 0:
            return False
        step = nice_step(self.top, lines, self.unit)
        return self._take(step * math.ceil(self.top / step - 1e-9), step)

    def ticks(self) -> list[tuple[float, str]]:
        """Value and text of each grid line, from 0 to the top."""
        if self.top == 0:
            return [(0.0, "0")]
        count = round(self.top / self.step)
        return [(i * self.step, self.unit.tick(i * self.step, self.step)) for i in range(count + 1)]

    def _take(self, top: float, step: float) -> bool:
        changed = (top, step) != (self.top, self.step)
        self.top, self.step = top, step
        return changed


def time_ticks(span: float, most: int) -> list[tuple[float, str]]:
    """Grid lines of a time axis that ends now: seconds (0 down to -span) and their words."""
    steps = (5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
    step = next((s for s in steps if span / s <= max(1, most)), steps[-1])
    return [(-float(ago), ago_text(ago)) for ago in range(0, int(span) + 1, step)]


def ago_text(seconds: float) -> str:
    """How long ago, as it stands at the time axis: "now", "−30 s", "−2 min", "−1:24"."""
    whole = round(seconds)
    if whole <= 0:
        return "now"
    if whole < 60:
        return f"−{whole} s"
    if whole % 60 == 0:
        return f"−{whole // 60} min"
    return f"−{whole // 60}:{whole % 60:02d}"


_CLOCK_STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800)
_CLOCK_HOURS = (1, 2, 3, 6, 12, 24, 48, 168, 720)


def clock_ticks(since: float, until: float, most: int) -> list[tuple[float, str]]:
    """Round moments of the day between two times, and their words: at most about `most` of them."""
    every = (*_CLOCK_STEPS, *(hours * 3600 for hours in _CLOCK_HOURS))
    step = next((s for s in every if (until - since) / s <= max(1, most)), every[-1])
    shift = time.localtime(since).tm_gmtoff  # round in the day of the reader, not in Greenwich's
    number = math.ceil((since + shift) / step - 1e-9)
    ticks = []
    while (t := number * step - shift) <= until:
        ticks.append((t, _clock_word(t, step)))
        number += 1
    return ticks


def past_ticks(end: float, span: float, most: int) -> list[tuple[float, str]]:
    """Grid lines of a time axis that ended at `end`, as `time_ticks` gives them, with times of the day."""
    room = span / most  # seconds under a word: the last one, which is exact, has no other too near
    words = [(t - end, word) for t, word in clock_ticks(end - span, end, most) if t < end - room]
    return [*words, (0.0, time.strftime("%H:%M:%S", time.localtime(end)))]


def _clock_word(t: float, step: float) -> str:
    moment = time.localtime(t + 1e-6)
    if step < 1:
        return time.strftime("%H:%M:%S", moment) + f".{round(t % 1 * 10) % 10}"
    if step < 60:
        return time.strftime("%H:%M:%S", moment)
    if step < 86400 and (moment.tm_hour or moment.tm_min):
        return time.strftime("%H:%M", moment)
    return time.strftime("%d %b", moment).lstrip("0")
