"""When a stack has come to rest: nothing of it moves, and nothing of it will within the drill's limit."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from desktop.engine.api import Balance, FaultState, LoadSnapshot, StackSnapshot, State
from desktop.engine.drills.conditions import LOAD_OVER
from desktop.engine.supervise.outcome import duration, plural

STEADY = 0.6  # seconds for which nothing may move: longer than the recorder needs to tell of something
STILL = 3.0  # seconds after which what did not move by the limit counts as standing still
_UNSETTLED = (State.STARTING, State.STOPPING, State.BACKING_OFF)
_COUNTED = ("waiting", "reserved", "active", "scheduled", "stranded", "ended", "copies")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a stack is not at rest. `stays`: at the limit it is taken as something that stays as it is."""

    text: str
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found."""

    since: float | None = None  # at rest since then
    reasons: tuple[Reason, ...] = ()

    @property
    def text(self) -> str:
        """What is waited for, for people."""
        return self.reasons[0].text if self.reasons else "nothing moves"


class Rest:
    """Looks at a stack until it rests."""

    def __init__(self) -> None:
        self._known: object = None
        self._same_since = 0.0

    def look(
        self, moment: StackSnapshot, loads: Sequence[LoadSnapshot], sent_before: int, deadline: float
    ) -> Look:
        """At rest or not. `sent_before`: tasks of the run that were there before `loads` were submitted."""
        now = moment.t
        signature = _signature(moment, loads)
        if signature != self._known:
            self._known, self._same_since = signature, now
        reasons = tuple(_reasons(moment, loads, sent_before, deadline))
        if not reasons and now - self._same_since >= STEADY:
            return Look(self._same_since)
        return Look(None, reasons)

    def given_up(self, look: Look) -> str:
        """At the limit: why the stack is not at rest; "" when what is left stands still."""
        stays = all(reason.stays for reason in look.reasons)
        if stays and time.time() - self._same_since >= STILL:
            return ""
        return look.text if look.reasons else "tasks still move"


def _signature(moment: StackSnapshot, loads: Sequence[LoadSnapshot]) -> object:
    balance, totals = moment.balance, moment.totals
    return (
        tuple(getattr(balance, name) for name in _COUNTED) if balance is not None else None,
        (totals.submitted, totals.received, totals.started, totals.running),
        tuple((worker.name, worker.service.state, worker.service.pid) for worker in moment.workers),
        tuple((load.id, load.sent, load.state) for load in loads),
        tuple((fault.id, fault.state) for fault in moment.faults),
    )


def _reasons(
    moment: StackSnapshot, loads: Sequence[LoadSnapshot], sent_before: int, deadline: float
) -> Iterator[Reason]:
    """What moves or will, most telling first."""
    for load in loads:
        if load.state not in LOAD_OVER:
            yield Reason(f"the workload is {load.state.value} ({load.sent:,} sent)")
    for fault in moment.faults:
        if fault.state is FaultState.UNDER_WAY and fault.spec.seconds != 0:
            yield Reason(f"{fault.spec.kind} is under way")
    yield from _services(moment)
    balance = moment.balance
    if balance is not None:
        yield from _places(moment, balance, deadline)
    if balance is None or not balance.exact:
        yield Reason("the broker is being looked into")
    elif balance.submitted < sent_before + sum(load.sent for load in loads):
        yield Reason("the record is being written")
    elif balance.difference:
        yield Reason(f"the sum of all places is off by {balance.difference}")


def _services(moment: StackSnapshot) -> Iterator[Reason]:
    broker = (moment.broker.service,) if moment.broker is not None else ()
    for service in (*broker, *(worker.service for worker in moment.workers)):
        if service.state in _UNSETTLED:
            yield Reason(f"{service.name} is {service.state.value}")


def _places(moment: StackSnapshot, balance: Balance, deadline: float) -> Iterator[Reason]:
    if balance.active:
        yield Reason(f"{plural(balance.active, 'task')} still {'runs' if balance.active == 1 else 'run'}")
    if balance.reserved:
        yield Reason(f"{plural(balance.reserved, 'task')} {_are(balance.reserved)} reserved", stays=True)
    if balance.scheduled:
        yield Reason(f"{plural(balance.scheduled, 'task')} {_are(balance.scheduled)} scheduled", stays=True)
    living = _consumed(moment)
    waiting = sum(queue.waiting for queue in moment.queues if queue.name in living)
    if waiting:
        yield Reason(f"{plural(waiting, 'task')} {'waits' if waiting == 1 else 'wait'} to be run", stays=True)
    coming = _coming_back(moment, deadline) if balance.stranded else None
    if coming is not None:
        left = max(0.0, coming - moment.t)
        after = f"back in {duration(left)}" if left else "due to be delivered again"
        yield Reason(
            f"{plural(balance.stranded, 'task')} {_are(balance.stranded)} stranded, {after}", stays=True
        )


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _consumed(moment: StackSnapshot) -> frozenset[str]:
    """Queues that a living worker consumes."""
    living = (worker for worker in moment.workers if worker.service.state in (State.READY, State.SILENT))
    return frozenset(queue for worker in living for queue in worker.queues)


def last_back(moment: StackSnapshot) -> float | None:
    """When the last of the stranded messages may be delivered again; None where none is, or nobody knows."""
    held = (one for queue in moment.queues for one in queue.held if one.stranded)
    return max((one.all_back_at for one in held if one.all_back_at is not None), default=None)


def _coming_back(moment: StackSnapshot, deadline: float) -> float | None:
    """When the last of the stranded messages that come back before the deadline does; None: none does."""
    held: Iterable[float] = (
        back
        for queue in moment.queues
        for one in queue.held
        if one.stranded and (back := one.back_at if one.back_at is not None else moment.t) <= deadline
    )
    return max(held, default=None)
