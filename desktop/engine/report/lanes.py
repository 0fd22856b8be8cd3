"""The time line of one task as it is drawn: a lane for the broker and each process that had it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from desktop.engine.api import TaskDetail
from desktop.engine.report import words
from desktop.engine.report.model import Story
from desktop.engine.report.plot import Tick, chips
from desktop.engine.report.story import AFTER, BEFORE, moments_of, sent_at

_LANES = 24
_BREAK = 0.6  # a gap that takes more of the whole than this is drawn shorter
_BROKEN = 0.22  # the share of the width that it then takes
_MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Bar:
    """A run, from and to in percent of the width."""

    left: float
    width: float
    state: str  # "good", "bad", "warn", "busy"
    text: str
    short: str  # what fits onto it


@dataclass(frozen=True, slots=True)
class Pin:
    """A moment in a lane."""

    at: float
    kind: str  # "sent", "received", "again"
    text: str


@dataclass(frozen=True, slots=True)
class Lane:
    """What one process had to do with the task."""

    label: str
    bars: tuple[Bar, ...] = ()
    pins: tuple[Pin, ...] = ()


@dataclass(frozen=True, slots=True)
class Fall:
    """A fault on the time line."""

    left: float
    width: float  # 0 for one that is over in a moment
    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Lanes:
    """The whole time line."""

    lanes: tuple[Lane, ...]
    falls: tuple[Fall, ...]
    ticks: tuple[Tick, ...]
    chips: tuple[Tick, ...]  # the faults' numbers
    breaks: tuple[Tick, ...]  # where time is drawn shorter, and how long that was
    left_out: int = 0


class BrokenAxis:
    """Time on a width of 100: evenly, but for the one gap in which nothing runs and that takes most of it.

    A message that comes back after an hour would else leave its two runs a pixel each.
    """

    def __init__(self, moments: Sequence[float], runs: Sequence[tuple[float, float]] = ()) -> None:
        """`runs`: from when to when something ran."""
        known = sorted(set(moments)) or [0.0]
        self._first, self._last = known[0], max(known[-1], known[0] + 1e-3)
        gaps = [(after - before, before, after) for before, after in pairwise(known)]
        gaps = [gap for gap in gaps if not any(a < gap[2] and b > gap[1] for a, b in runs)]
        longest = max(gaps, default=(0.0, 0.0, 0.0))
        span = self._last - self._first
        self.gap = longest[1:] if longest[0] > _BREAK * span and len(known) > 2 else None

    def share(self, t: float) -> float:
        """In percent, within a margin."""
        t = min(max(t, self._first), self._last)
        if self.gap is None:
            part = (t - self._first) / (self._last - self._first)
        else:
            part = self._broken(t, *self.gap)
        return round((_MARGIN + part * (1 - 2 * _MARGIN)) * 100.0, 2)

    def _broken(self, t: float, before: float, after: float) -> float:
        rest = (self._last - self._first) - (after - before)
        scale = (1.0 - _BROKEN) / rest if rest > 0 else 0.0
        left = (before - self._first) * scale
        if t <= before:
            return (t - self._first) * scale
        if t < after:
            return left + _BROKEN * (t - before) / (after - before)
        return left + _BROKEN + (t - after) * scale


@dataclass(slots=True)
class _Open:
    bars: list[Bar] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)


def lanes_of(story: Story) -> Lanes:
    """The time line of a task."""
    task = story.task
    moments = moments_of(task)
    of_faults = (one for fault in story.faults for one in (fault.landed_at, fault.ended_at))
    first, end = min(moments, default=0.0), max(moments, default=0.0)
    near = [t for t in of_faults if t is not None and first - BEFORE <= t <= end + AFTER]
    last = max([*moments, *near], default=0.0)
    runs = [(one.started, last if one.ended is None else one.ended) for one in task.attempts]
    axis = BrokenAxis([*moments, *near], runs)
    lanes: dict[str, _Open] = {"broker": _Open()}
    if (sent := sent_at(task)) is not None:
        lanes["broker"].pins.append(Pin(axis.share(sent), "sent", "sent"))
    for number, delivery in enumerate(task.deliveries):
        again = bool(number) or delivery.redelivered
        text = f"received{' again' if again else ''} {words.offset(delivery.t, story.zero)}"
        pin = Pin(axis.share(delivery.t), "again" if again else "received", text)
        lanes.setdefault(delivery.worker, _Open()).pins.append(pin)
    _add_bars(lanes, task, axis, last)
    found = [Lane(label, tuple(lane.bars), tuple(lane.pins)) for label, lane in lanes.items()]
    found = [lane for lane in found if lane.bars or lane.pins]
    falls = _falls(story, axis)
    return Lanes(
        lanes=tuple(found[:_LANES]),
        falls=falls,
        ticks=_ticks(moments, axis, story.zero),
        chips=chips((fall.left, fall.number) for fall in falls),
        breaks=_breaks(axis),
        left_out=max(len(found) - _LANES, 0),
    )


def _add_bars(lanes: dict[str, _Open], task: TaskDetail, axis: BrokenAxis, last: float) -> None:
    for number, attempt in enumerate(task.attempts, 1):
        left = axis.share(attempt.started)
        right = axis.share(attempt.ended if attempt.ended is not None else last)
        state, word = _STATES.get(attempt.state, ("bad", attempt.state))
        text = f"Run {number}: {word}"
        bar = Bar(left, round(max(right - left, 0.4), 2), state, text, f"{number} · {word}")
        lanes.setdefault(f"{attempt.worker} · pid {attempt.pid}", _Open()).bars.append(bar)


_STATES = {
    "SUCCESS": ("good", "SUCCESS"),
    "CUT": ("bad", "cut off"),
    "RETRY": ("warn", "RETRY"),
    "": ("busy", "runs"),
    "REVOKED": ("warn", "REVOKED"),
    "REJECTED": ("warn", "REJECTED"),
    "IGNORED": ("warn", "IGNORED"),
}


def _falls(story: Story, axis: BrokenAxis) -> tuple[Fall, ...]:
    found = []
    for fault in story.faults:
        if fault.landed_at is None:
            continue
        left = axis.share(fault.landed_at)
        lasting = fault.ended_at is not None and fault.ended_at - fault.landed_at > 0.5
        right = axis.share(fault.ended_at) if lasting and fault.ended_at is not None else left
        found.append(Fall(left, round(right - left, 2), fault.id, fault.text or fault.spec.kind.value))
    return tuple(found)


def _ticks(moments: Sequence[float], axis: BrokenAxis, zero: float) -> tuple[Tick, ...]:
    """At the moments of the task itself, as far as there is room for their labels."""
    found: list[Tick] = []
    for moment in sorted(set(moments)):
        at = axis.share(moment)
        if not found or at - found[-1].at >= 11.0:
            found.append(
                Tick(at, words.offset(moment, zero) if moment != zero else "0 s", len(found) % 2 == 1)
            )
    return tuple(found)


def _breaks(axis: BrokenAxis) -> tuple[Tick, ...]:
    if axis.gap is None:
        return ()
    before, after = axis.gap
    middle = (axis.share(before) + axis.share(after)) / 2
    return (Tick(round(middle, 2), words.seconds(after - before)),)
