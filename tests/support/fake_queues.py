"""Queues, their messages and the sum over them, as `FakeDesk` shows them: they add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from desktop.engine.api import Balance, Held, Message, MessagePage, QueueSnapshot, Totals, WorkerSnapshot

MOST = 900  # messages that wait in a queue at the height of its wave
_NAMES = ("tasks.cpu.count_primes", "tasks.io.fetch", "tasks.trouble.flaky", "tasks.basic.noop")


def waiting_of(now: float, at: int) -> int:
    """How many wait in the queue of that place."""
    return int(MOST * math.sin(now / 61 + 7 + at) ** 2)


def queue_of(name: str, at: int, now: float, workers: Sequence[WorkerSnapshot]) -> QueueSnapshot:
    """A queue: what waits follows a wave, what is held is the share of each of its consumers."""
    waiting = waiting_of(now, at)
    low = waiting // 5 if at % 2 == 0 else 0
    held = tuple(_held(worker, name) for worker in workers if name in worker.queues)
    return QueueSnapshot(
        name,
        waiting=waiting,
        by_priority={0: waiting - low, 6: low} if low else {0: waiting} if waiting else {},
        consumers=tuple(w.name for w in workers if name in w.queues),
        reserved=sum(h.reserved for h in held),
        active=sum(h.active for h in held),
        scheduled=sum(h.scheduled for h in held),
        held=held,
        oldest_since=now - waiting / 42 if waiting else None,
        rate_in=21.0 + 14 * math.sin(now / 61 + at),
        rate_out=24.0 - 9 * math.sin(now / 61 + at),
    )


def _held(worker: WorkerSnapshot, queue: str) -> Held:
    """All of a worker's is of its first queue."""
    if worker.queues[0] != queue:
        return Held(worker.name)
    return Held(worker.name, worker.reserved, worker.busy, worker.scheduled)


def stranded(
    queue: QueueSnapshot, worker: str, count: int, back_at: float, all_back_at: float
) -> QueueSnapshot:
    """The queue, with messages that a dead worker took with it."""
    lost = Held(worker, stranded=count, back_at=back_at, all_back_at=all_back_at)
    held = (*(h for h in queue.held if h.worker != worker), lost)
    return replace(queue, held=held, stranded=queue.stranded + count)


def balance_of(
    queues: Sequence[QueueSnapshot], totals: Totals, missing: int = 0, exact: bool = True
) -> Balance:
    """The sum over queues: what was submitted is all that is anywhere, and `missing` more."""
    waiting, reserved, active, scheduled, stuck = (
        sum(getattr(queue, place) for queue in queues)
        for place in ("waiting", "reserved", "active", "scheduled", "stranded")
    )
    ended = totals.succeeded + totals.failed
    return Balance(
        submitted=waiting + reserved + active + scheduled + stuck + ended + missing,
        waiting=waiting,
        reserved=reserved,
        active=active,
        scheduled=scheduled,
        stranded=stuck,
        ended=ended,
        exact=exact,
    )


def messages_of(queue: str, first: int, count: int, total: int, now: float) -> MessagePage:
    """Part of a queue; every tenth message has an ETA, every fifth a lower priority."""
    some = range(first, min(first + count, total))
    return MessagePage(queue, first, tuple(_message(queue, at, now) for at in some), total)


def _message(queue: str, at: int, now: float) -> Message:
    name = _NAMES[at % len(_NAMES)]
    return Message(
        position=at,
        id=f"{queue[:4]:0<4}{at:04d}-5a0e-4b0c-9a2f-77cd0a1e{at:04x}",
        task=name,
        args=f"({20_000 + at},)" if at % 4 == 0 else "()",
        kwargs=f"{{'seconds': 0.{at % 9 + 1}, 'url': 'http://localhost/{at}'}}" if at % 4 == 1 else "{}",
        priority=6 if at % 5 == 4 else 0,
        eta=now + 40 + at if at % 10 == 3 else None,
        retries=1 if at % 4 == 2 else 0,
        sent_at=now - 12 + at / 42,
        size=820 + 7 * (at % 13),
        origin="gen4711@laptop",
    )
