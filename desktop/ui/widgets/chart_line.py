"""What a chart is asked to draw."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto

from PySide6.QtGui import QColor

from desktop.ui.theme import Theme

_QUEUE_TONES = ("accent", "slot:7", "slot:4", "slot:5", "slot:2", "slot:6")


class LineStyle(Enum):
    """How a series is drawn."""

    LINE = auto()  # a value that varies: CPU, memory, depth
    STEP = auto()  # a count that jumps: pool size
    LOW = auto()  # lower edge of a band; belongs to the HIGH of the same label
    HIGH = auto()


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a chart: its name in `Desk.series`, and how people know it.

    `tone` names a colour that follows the theme: "worker:<name>", "slot:<index of a worker colour>",
    or a token of the theme.
    """

    key: str
    label: str
    tone: str
    style: LineStyle = LineStyle.LINE

    @property
    def colour(self) -> QColor:
        """Its colour in the theme of this moment."""
        kind, _, name = self.tone.partition(":")
        if kind == "worker":
            return Theme.current.color_of(name)
        if kind == "slot":
            return Theme.current.worker_color(int(name))
        return Theme.current.color(self.tone)


def worker_lines(prefix: str, workers: Iterable[str]) -> tuple[Line, ...]:
    """One line a worker of a series such as "cpu"."""
    return tuple(Line(f"{prefix}:{name}", name, f"worker:{name}") for name in workers)


def queue_tone(index: int) -> str:
    """The tone of a queue by its place in the stack: never the colours that the first workers have."""
    return _QUEUE_TONES[index % len(_QUEUE_TONES)]


def queue_lines(queues: Iterable[str]) -> tuple[Line, ...]:
    """Depth of each queue, and what is delivered but not acknowledged."""
    depths = tuple(Line(f"depth:{name}", name, queue_tone(i)) for i, name in enumerate(queues))
    return (*depths, Line("unacked:", "unacked", "muted"))


def pool_lines(worker: str, label: str = "", bounds: bool = True) -> tuple[Line, ...]:
    """Pool size of a worker as a step line, inside the band of its autoscaler's bounds if wanted."""
    tone, label = f"worker:{worker}", label or worker
    size = Line(f"size:{worker}", label, tone, LineStyle.STEP)
    low = Line(f"min:{worker}", label, tone, LineStyle.LOW)
    high = Line(f"max:{worker}", label, tone, LineStyle.HIGH)
    return (low, high, size) if bounds else (size,)
