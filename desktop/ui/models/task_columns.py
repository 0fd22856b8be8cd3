"""The columns of a task list: heads, what they can be sorted by, how their cells are written. No Qt."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from desktop.engine.api import TaskColumn, TaskRow, TaskState
from desktop.ui.states import word_of
from desktop.ui.words import duration

UNKNOWN = "–"
_NUMBER = "The order in which the tasks were first heard of"
_FIRST = "When a worker first took it"
_LAST = "Of the last attempt"
_WAIT = "From sent, or from its ETA, to the first start"
_CPU = "Processor time of the last attempt"
_ATTEMPTS = "How often it ran; loud where it ran again without having asked for it"


@dataclass(frozen=True, slots=True)
class Column:
    """`text(row, now)` is the cell; `order` what a click on the head sorts by, None: nothing."""

    key: str
    head: str
    width: int
    text: Callable[[TaskRow, float], str]
    order: TaskColumn | None = None
    right: bool = False  # figures stand at the right
    shown: bool = True  # until a person says otherwise
    about: str = ""  # what the head's tool tip says
    falls: bool = False  # sorted from the largest down at the first click


def fine(seconds: float | None) -> str:
    """A duration: "0.3 ms", "184 ms", "1.24 s", "12.4 s", "4 min 12 s"; unknown: a dash."""
    if seconds is None:
        return UNKNOWN
    if seconds < 0.9995:
        thousandths = max(seconds, 0.0) * 1000
        return f"{thousandths:.1f} ms" if thousandths < 9.95 else f"{thousandths:.0f} ms"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < 59.95 else duration(max(seconds, 60.0))


def clock(t: float | None, thousandths: bool = True) -> str:
    """A moment of the day: "14:03:22.184"; unknown: a dash."""
    if t is None:
        return UNKNOWN
    text = time.strftime("%H:%M:%S", time.localtime(t))
    return f"{text}.{int(t % 1 * 1000):03d}" if thousandths else text


def moment(t: float) -> str:
    """A moment with its day: "22 Nov 14:03:22.184"."""
    return f"{time.strftime('%d %b', time.localtime(t)).lstrip('0')} {clock(t)}"


def waited(row: TaskRow, now: float) -> float | None:
    """How long it waited, or has waited so far."""
    if row.wait is not None or row.state.over:
        return row.wait
    begun = row.sent if row.sent is not None else row.received
    return None if begun is None else max(0.0, now - begun)


def ran(row: TaskRow, now: float) -> float | None:
    """How long its last attempt ran, or has run so far."""
    if row.run is not None or row.state is not TaskState.ACTIVE or row.started is None:
        return row.run
    return max(0.0, now - row.started)


def so_far(row: TaskRow, key: str) -> bool:
    """Whether a duration still grows."""
    if key == "wait":
        return row.wait is None and not row.state.over
    return key == "run" and row.run is None and row.state is TaskState.ACTIVE


def attempts(row: TaskRow) -> str:
    """How often it ran: loud where nobody asked for the second time."""
    if row.ran_twice:
        return f"{row.attempts}×, ran twice" if row.attempts == 2 else f"{row.attempts}×, ran again"
    return f"{row.attempts}×" if row.attempts else UNKNOWN


def _column(key: str, head: str, width: int, text: Callable[[TaskRow, float], str], **more: Any) -> Column:
    order = next((order for order in TaskColumn if order.value == key), None)
    return Column(key, head, width, text, order, **more)


_TIME: dict[str, Any] = {"right": True, "falls": True}

COLUMNS = (
    _column("state", "State", 98, lambda row, now: word_of(row.state)),
    _column("name", "Name", 230, lambda row, now: row.name),
    _column("id", "Id", 280, lambda row, now: row.id, shown=False),
    _column("queue", "Queue", 80, lambda row, now: row.queue),
    _column(
        "worker", "Worker", 96, lambda row, now: row.worker, about="Of the last attempt, or who holds it"
    ),
    _column("number", "No.", 84, lambda row, now: f"{row.number:,}", shown=False, about=_NUMBER, **_TIME),
    _column("sent", "Sent", 106, lambda row, now: clock(row.sent), **_TIME),
    _column(
        "received", "Received", 108, lambda row, now: clock(row.received), shown=False, about=_FIRST, **_TIME
    ),
    _column(
        "started", "Started", 108, lambda row, now: clock(row.started), shown=False, about=_LAST, **_TIME
    ),
    _column("ended", "Ended", 106, lambda row, now: clock(row.ended), shown=False, **_TIME),
    _column("wait", "Wait", 74, lambda row, now: fine(waited(row, now)), about=_WAIT, **_TIME),
    _column("run", "Run", 74, lambda row, now: fine(ran(row, now)), about=_LAST, **_TIME),
    _column("cpu", "CPU", 74, lambda row, now: fine(row.cpu), about=_CPU, **_TIME),
    _column("attempts", "Attempts", 120, lambda row, now: attempts(row), about=_ATTEMPTS, **_TIME),
    _column("error", "Error", 160, lambda row, now: row.error),
)
BY_KEY = {column.key: place for place, column in enumerate(COLUMNS)}


def sentence(row: TaskRow, now: float) -> str:
    """A row in one sentence, for screen readers."""
    told = [row.name, word_of(row.state)]
    told += [f"on {row.worker}"] if row.worker else []
    told += [f"ran {fine(row.run)}"] if row.run is not None else []
    told += [attempts(row)] if row.attempts > 1 else []
    return ", ".join([*told, *([row.error] if row.error else [])])
