"""The panels that can be shown of a run: which series each draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from desktop.ui.widgets.chart_line import Line, LineStyle, queue_tone
from desktop.ui.widgets.chart_scale import Unit

MOST = 12  # lines of a panel: more cannot be told apart


@dataclass(frozen=True, slots=True)
class Names:
    """What was recorded: services and queues in the order of the stack, and every series."""

    workers: tuple[str, ...]
    queues: tuple[str, ...]
    series: frozenset[str]
    known: tuple[str, ...]  # workers that have a colour of their own now

    def tone(self, worker: str) -> str:
        """A worker's colour; one that is no part of the stack any more takes that of its place."""
        return f"worker:{worker}" if worker in self.known else f"slot:{self.workers.index(worker)}"


@dataclass(frozen=True, slots=True)
class Panel:
    """One chart: its title, what it counts, and its lines for a run."""

    key: str
    title: str
    unit: Unit
    subtitle: str | None
    all_lines: Callable[[Names], Sequence[Line]]
    first: bool = True  # shown until a person chooses
    short: str = ""  # of the title, for its button

    @property
    def word(self) -> str:
        """The word of its button."""
        return self.short or self.title

    def lines(self, names: Names) -> tuple[Line, ...]:
        """The lines of which something was recorded."""
        return tuple(line for line in self.all_lines(names) if line.key in names.series)[:MOST]


def names_of(series: Sequence[str], workers: Sequence[str], queues: Sequence[str]) -> Names:
    """What a run recorded; those of the living stack first, in its order."""
    of_workers = _behind(series, ("size", "busy"), workers)
    of_queues = _behind(series, ("depth", "in", "out", "stranded"), queues)
    return Names(of_workers, of_queues, frozenset(series), tuple(workers))


def _behind(series: Sequence[str], kinds: tuple[str, ...], first: Sequence[str]) -> tuple[str, ...]:
    found = dict.fromkeys(
        name for kind, _, name in (s.partition(":") for s in series) if kind in kinds and name
    )
    return (*(name for name in first if name in found), *(name for name in found if name not in first))


def _ended(names: Names) -> Sequence[Line]:
    return (Line("ended:", "ended", "accent"), Line("failed:", "failed", "bad"))


def _of_queues(kind: str) -> Callable[[Names], Sequence[Line]]:
    def lines(names: Names) -> Sequence[Line]:
        return [Line(f"{kind}:{queue}", queue, queue_tone(at)) for at, queue in enumerate(names.queues)]

    return lines


def _waits(names: Names) -> Sequence[Line]:
    return (Line("wait95:", "p95", "warn"), Line("wait50:", "p50", "accent"))


def _runs(names: Names) -> Sequence[Line]:
    return (
        Line("run99:", "p99", "bad"),
        Line("run95:", "p95", "warn"),
        Line("run50:", "p50", "accent"),
    )


def _of_workers(kind: str, style: LineStyle = LineStyle.LINE) -> Callable[[Names], Sequence[Line]]:
    def lines(names: Names) -> Sequence[Line]:
        return [Line(f"{kind}:{worker}", worker, names.tone(worker), style) for worker in names.workers]

    return lines


def _processes(kind: str) -> Callable[[Names], Sequence[Line]]:
    """Of every worker, and of the broker."""
    workers = _of_workers(kind)

    def lines(names: Names) -> Sequence[Line]:
        return (*workers(names), Line(f"{kind}:broker", "broker", "muted"))

    return lines


def _depths(names: Names) -> Sequence[Line]:
    return (*_of_queues("depth")(names), Line("unacked:", "unacked", "muted"))


PANELS = (
    Panel("ended", "Throughput", Unit.RATE, "tasks ended a second", _ended),
    Panel("in", "Into queues", Unit.RATE, "messages a second", _of_queues("in"), False, "In"),
    Panel("out", "Out of queues", Unit.RATE, "messages a second", _of_queues("out"), False, "Out"),
    Panel("wait", "Wait", Unit.SECONDS, "from sent to started", _waits),
    Panel("run", "Run time", Unit.SECONDS, "of the tasks that ended", _runs),
    Panel("cpu", "CPU", Unit.PERCENT, None, _processes("cpu")),
    Panel("memory", "Memory", Unit.BYTES, None, _processes("memory")),
    Panel("size", "Pool size", Unit.SLOTS, None, _of_workers("size", LineStyle.STEP), first=False),
    Panel(
        "busy", "Busy", Unit.SLOTS, "slots that run a task", _of_workers("busy", LineStyle.STEP), first=False
    ),
    Panel("depth", "Waiting in queues", Unit.TASKS, "messages", _depths, short="Depth"),
    Panel(
        "stranded", "Stranded", Unit.TASKS, "messages of dead workers", _of_queues("stranded"), first=False
    ),
)
FIRST = tuple(panel.key for panel in PANELS if panel.first)
