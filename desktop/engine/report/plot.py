"""The geometry of graphs: scales, ticks and the paths of curves.

A plot is drawn on a canvas of 1000 × 100 units that the page stretches to whatever room there is; words stand
beside it in the page, at the shares of its width and height that are given here, and so stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from desktop.engine.api import FaultRecord
from desktop.engine.report import words
from desktop.engine.report.model import Curve, Graph

WIDTH, HEIGHT = 1000.0, 100.0
_STEPS = (
    0.05,
    0.1,
    0.2,
    0.5,
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    14400,
    43200,
    86400,
)
_MOST_TICKS = 8
_GAP = 3.0  # seconds without a sample, or so many times the usual distance: the line breaks
_NEAR = 2.2  # percent of the width: fault numbers that are nearer share one label


@dataclass(frozen=True, slots=True)
class Tick:
    """A label at a share of an axis, in percent."""

    at: float
    text: str
    minor: bool = False  # left out where there is little room


@dataclass(frozen=True, slots=True)
class Shape:
    """A curve as it is drawn."""

    label: str
    color: str  # its class in the page's style
    dash: int
    line: str  # path
    band: str  # path from the smallest to the largest value; "" where they are the same
    peak: str


@dataclass(frozen=True, slots=True)
class Stretch:
    """A fault on the time axis, from and to in percent of the width."""

    left: float
    width: float
    lasting: bool
    title: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A graph as it is drawn."""

    title: str
    unit: str
    top: float  # the value at its upper edge
    ticks: tuple[Tick, ...]
    shapes: tuple[Shape, ...]
    summary: str  # the graph in words


@dataclass(frozen=True, slots=True)
class Axis:
    """The time axis that all graphs of a page share."""

    since: float
    until: float
    zero: float

    def share(self, t: float) -> float:
        """In percent of the width, within it."""
        return min(max((t - self.since) / (self.until - self.since or 1.0), 0.0), 1.0) * 100.0

    def ticks(self) -> tuple[Tick, ...]:
        """Round numbers of seconds since `zero`."""
        span = self.until - self.since
        step = next((step for step in _STEPS if span / step <= _MOST_TICKS), _STEPS[-1])
        first = math.ceil((self.since - self.zero) / step)
        last = min(math.floor((self.until - self.zero) / step), first + 50)
        return tuple(
            Tick(self.share(self.zero + number * step), _passed(number * step), bool(number % 2))
            for number in range(first, last + 1)
        )

    def stretches(self, faults: Sequence[FaultRecord]) -> tuple[Stretch, ...]:
        """Those that landed."""
        found = []
        for fault in faults:
            if fault.landed_at is None:
                continue
            left = self.share(fault.landed_at)
            right = self.share(fault.ended_at if fault.ended_at is not None else self.until)
            lasting = fault.ended_at is None or fault.ended_at - fault.landed_at > 0.5
            found.append(
                Stretch(
                    round(left, 2),
                    round(max(right - left, 0.0), 2) if lasting else 0.0,
                    lasting,
                    f"Fault {fault.id}, {fault.spec.kind}, {words.offset(fault.landed_at, self.zero)}",
                )
            )
        return tuple(found)

    def numbers(self, faults: Sequence[FaultRecord]) -> tuple[Tick, ...]:
        """The faults' numbers over the graphs; those that are too near to each other share one label."""
        return chips(
            (self.share(fault.landed_at), fault.id) for fault in faults if fault.landed_at is not None
        )


def chips(places: Iterable[tuple[float, int]]) -> tuple[Tick, ...]:
    """Numbers of faults at shares of a width; those that are too near to each other share one label."""
    groups: list[list[tuple[float, int]]] = []
    for place in sorted(places):
        if groups and place[0] - groups[-1][0][0] < _NEAR:
            groups[-1].append(place)
        else:
            groups.append([place])
    return tuple(Tick(round(group[0][0], 2), _span([number for _, number in group])) for group in groups)


def _span(numbers: Sequence[int]) -> str:
    if len(numbers) == 1:
        return str(numbers[0])
    if len(numbers) == 2 and numbers[1] != numbers[0] + 1:
        return f"{numbers[0]}, {numbers[1]}"
    runs = numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]}–{numbers[-1]}" if runs else f"{numbers[0]} +{len(numbers) - 1}"


def _passed(seconds: float) -> str:
    sign, size = ("−" if seconds < 0 else ""), abs(seconds)
    if size < 120:
        return f"{sign}{size:g} s"
    if size < 7200:
        minutes, rest = divmod(round(size), 60)
        return f"{sign}{minutes} min" if not rest else f"{sign}{minutes}:{rest:02d} min"
    return f"{sign}{size / 3600:g} h"


def plot_of(graph: Graph, axis: Axis) -> Plot:
    """A graph on that axis."""
    highest = max((v for curve in graph.curves for v in curve.high if not math.isnan(v)), default=0.0)
    top = _round_up(highest)
    shapes = tuple(_shape(curve, place, graph, axis, top) for place, curve in enumerate(graph.curves))
    told = "; ".join(f"{shape.label} at most {shape.peak}" for shape in shapes)
    return Plot(
        title=graph.title,
        unit=graph.unit,
        top=top,
        ticks=tuple(Tick(share, words.amount(top * share / 100.0)) for share in (0.0, 50.0, 100.0)),
        shapes=shapes,
        summary=f"{graph.title}, in {graph.unit}: {told}.",
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 8 times a power of ten; its half is as round."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10) if step * power >= value * 0.999999)


def _shape(curve: Curve, place: int, graph: Graph, axis: Axis, top: float) -> Shape:
    stretches = _stretches(curve, graph.t)
    xs = [axis.share(t) * WIDTH / 100.0 for t in graph.t]

    def points(places: Sequence[int], values: Sequence[float]) -> str:
        return " ".join(f"{xs[at]:.1f} {HEIGHT - values[at] / top * HEIGHT:.2f}" for at in places)

    # A stretch of one point is drawn too: the round end of a line without length.
    line = "".join(f"M{points(part * 2 if len(part) == 1 else part, curve.last)}" for part in stretches)
    band = "".join(
        f"M{points(part, curve.high)} {points(part[::-1], curve.low)}Z"
        for part in stretches
        if any(curve.high[at] > curve.low[at] for at in part)
    )
    peak = max((value for value in curve.high if not math.isnan(value)), default=0.0)
    return Shape(curve.label, _color(curve, place), place % 4, line, band, words.amount(peak))


def _color(curve: Curve, place: int) -> str:
    """A worker has its own in every graph; nothing else has a worker's."""
    if curve.worker is not None:
        return f"c{curve.worker % 8}"
    return "bad" if curve.label == "failed" else f"q{place % 4}"


def _stretches(curve: Curve, t: Sequence[float]) -> list[list[int]]:
    """The buckets with a value, in stretches without a hole that is one."""
    known = [at for at, value in enumerate(curve.last) if not math.isnan(value)]
    if not known:
        return []
    distances = sorted(t[b] - t[a] for a, b in pairwise(known))
    usual = distances[(len(distances) - 1) // 2] if distances else 0.0
    parts = [[known[0]]]
    for before, at in pairwise(known):
        if t[at] - t[before] > max(_GAP, usual * _GAP):
            parts.append([])
        parts[-1].append(at)
    return parts
