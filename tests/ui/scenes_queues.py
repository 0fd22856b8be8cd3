"""Queues that are hard to draw: crowded ones, stranded messages, nobody who consumes, a sum that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PySide6.QtCore import Qt

from desktop.engine.api import Balance, Held, QueueSnapshot, StackSnapshot, WorkerSnapshot
from tests.support.fake_queues import balance_of, messages_of, stranded


def crowded(names: Sequence[str], workers: Sequence[WorkerSnapshot], now: float) -> tuple[QueueSnapshot, ...]:
    """Millions that wait, every place filled, many consumers."""
    return tuple(_crowded(name, at, workers, now) for at, name in enumerate(names))


def _crowded(name: str, at: int, workers: Sequence[WorkerSnapshot], now: float) -> QueueSnapshot:
    waiting = 1_204_331 // (at + 1) ** 3
    consumers = [w for w in workers if name in w.queues]
    held = tuple(
        Held(w.name, 12_345, 4, 1_204, 64 * (k == 2), now + 3_000, now + 3_540)
        for k, w in enumerate(consumers)
    )
    steps = (0, 3, 6, 9) if at % 2 == 0 else (0,)
    return QueueSnapshot(
        name,
        waiting=waiting,
        by_priority={step: waiting // len(steps) for step in steps},
        consumers=tuple(w.name for k, w in enumerate(consumers) if k != 2),
        reserved=sum(h.reserved for h in held),
        active=sum(h.active for h in held),
        scheduled=sum(h.scheduled for h in held),
        stranded=sum(h.stranded for h in held),
        held=held,
        oldest_since=now - 90_000 / (at + 1),
        rate_in=1_204.3 / (at + 1),
        rate_out=1_102.9 / (at + 1) ** 2,
    )


def crowded_sum(queues: Sequence[QueueSnapshot]) -> Balance:
    """The sum of a long run, as it moves."""
    places = ("waiting", "reserved", "active", "scheduled", "stranded")
    known = {place: sum(getattr(q, place) for q in queues) for place in places}
    ended = 1_103_204
    return Balance(sum(known.values()) + ended, **known, ended=ended, lost=1_044, exact=False)


def troubled(snapshot: StackSnapshot) -> StackSnapshot:
    """A dead worker took messages with it, and one queue is consumed by nobody; three are missing."""
    first, *rest = snapshot.queues
    first = stranded(first, "reports", 16, snapshot.t + 52.4, snapshot.t + 58.1)
    first = stranded(first, "w2", 2, snapshot.t - 1.0, snapshot.t + 8.0)
    last = replace(rest[-1], consumers=(), held=(), reserved=0, active=0, scheduled=0, rate_out=0.0)
    queues = (first, *rest[:-1], last)
    balance = balance_of(queues, snapshot.totals, missing=3)
    return replace(snapshot, queues=queues, balance=replace(balance, lost=2))


def purge(window: Any) -> None:
    """The question before a purge."""
    window.commands[f"queue.purge:{window.page.list.current}"].trigger()


def restore(window: Any) -> None:
    """The question before stranded messages are brought back."""
    window.commands[f"queue.restore:{window.page.list.current}"].trigger()


def message(window: Any) -> object:
    """A waiting message, whole."""
    waiting = messages_of("mail", 0, 4, 4, window.bridge.snapshot.t).messages[-1]
    return window.page.detail.messages.open_message(waiting)


def unserved(window: Any) -> None:
    """The queue that nobody consumes."""
    window.page.list.choose(list(window.page.list.rows)[-1])


def below(window: Any) -> None:
    """The end of the chosen queue's details."""
    bar = window.page.detail.verticalScrollBar()
    bar.setValue(bar.maximum())


def focused(window: Any) -> None:
    """The keyboard is on the list of queues."""
    rows = window.page.list.rows
    rows[window.page.list.current].setFocus(Qt.FocusReason.TabFocusReason)
