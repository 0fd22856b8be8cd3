"""A task's life as stretches of time: where its message was, and who ran it. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from desktop.engine.api import AttemptRow, Delivery, Mark, MarkKind, TaskDetail, TaskState
from desktop.ui.models.task_columns import clock, fine
from desktop.ui.words import duration

_TIMES = {1: "once", 2: "twice"}
BROKER = ""  # the lane of the message while no living worker holds it
_CLOSE = 0.05  # seconds between a delivery and the attempt that answers it, where clocks differ
_TOLD = (MarkKind.KILLED, MarkKind.EXITED, MarkKind.SIGNAL, MarkKind.RECOVERED, MarkKind.STARTED)


class Phase(StrEnum):
    """What happens to a task in a stretch of time."""

    WAITING = "waiting"  # in the broker
    SCHEDULED = "scheduled"  # held by a worker until its ETA
    RESERVED = "reserved"  # held by a worker, not started
    RUNNING = "running"
    STRANDED = "stranded"  # with a worker that is gone, until it is delivered again


@dataclass(frozen=True, slots=True)
class Stretch:
    """`open`: it still goes on."""

    phase: Phase
    since: float
    until: float
    open: bool = False

    @property
    def lasted(self) -> float:
        """Seconds."""
        return self.until - self.since


@dataclass(slots=True)
class Lane:
    """The broker's lane, or that of one attempt. `end` is the attempt's state, "" while it runs."""

    worker: str
    label: str
    stretches: list[Stretch] = field(default_factory=list)
    end: str = ""


@dataclass(frozen=True, slots=True)
class Life:
    """Lanes from the top, the moments that they reach over, and what happened to services meanwhile."""

    lanes: tuple[Lane, ...]
    since: float
    until: float
    marks: tuple[Mark, ...] = ()
    back_at: float | None = None

    def phases(self) -> list[Phase]:
        """Those that occur, in the order of a life."""
        found = {stretch.phase for lane in self.lanes for stretch in lane.stretches}
        return [phase for phase in Phase if phase in found]


def life_of(detail: TaskDetail, now: float, marks: Sequence[Mark] = ()) -> Life | None:
    """The life of a task up to `now`; None where no moment of it is known."""
    broker = Lane(BROKER, f"Queue {detail.row.queue}".strip())
    lanes = [_lane(n, attempt, detail, now) for n, attempt in enumerate(detail.attempts, 1)]
    lanes += _unanswered(detail, now)
    _broker_stretches(broker, detail, now)
    every = [stretch for lane in (broker, *lanes) for stretch in lane.stretches]
    if not every:
        return None
    since, until = min(s.since for s in every), max(s.until for s in every)
    if detail.back_at is not None:
        until = max(until, detail.back_at)
    until = max(until, since + 0.001)
    workers = {attempt.worker for attempt in detail.attempts} | {d.worker for d in detail.deliveries}
    near = (until - since) * 0.02
    told = tuple(
        mark
        for mark in marks
        if mark.kind in _TOLD
        and since - near <= mark.t <= until + near
        and (mark.service in workers or mark.service == "broker")
    )
    shown = [lane for lane in (broker, *lanes) if lane.stretches]
    return Life(tuple(shown), since, until, told, detail.back_at)


def delivery_of(attempt: AttemptRow, deliveries: Sequence[Delivery]) -> Delivery | None:
    """The delivery that an attempt answers."""
    fit = [d for d in deliveries if d.worker == attempt.worker and d.t <= attempt.started + _CLOSE]
    if attempt.received is not None:
        received = attempt.received
        fit = sorted(fit, key=lambda d: -abs(d.t - received))
    return fit[-1] if fit else None


def _lane(number: int, attempt: AttemptRow, detail: TaskDetail, now: float) -> Lane:
    lane = Lane(attempt.worker, f"{number}  {attempt.worker}, process {attempt.pid}", end=attempt.state)
    delivery = delivery_of(attempt, detail.deliveries)
    received = delivery.t if delivery is not None else attempt.received
    if received is not None and received < attempt.started:
        _hold(lane, received, attempt.started, delivery.eta if delivery is not None else None)
    ended = attempt.ended
    lane.stretches.append(
        Stretch(
            Phase.RUNNING,
            attempt.started,
            max(attempt.started, now if ended is None else ended),
            ended is None,
        )
    )
    return lane


def _hold(lane: Lane, since: float, until: float, eta: float | None, still: bool = False) -> None:
    """A worker holds the message: until its ETA as scheduled, then reserved."""
    due = min(eta, until) if eta is not None and eta > since else since
    if due > since:
        lane.stretches.append(Stretch(Phase.SCHEDULED, since, due, still and due >= until))
    if until > due:
        lane.stretches.append(Stretch(Phase.RESERVED, due, until, still))


def _unanswered(detail: TaskDetail, now: float) -> list[Lane]:
    """Deliveries after which the task never started."""
    answered = {id(delivery_of(attempt, detail.deliveries)) for attempt in detail.attempts}
    lanes = []
    for at, delivery in enumerate(detail.deliveries):
        if id(delivery) in answered:
            continue
        later = [d.t for d in detail.deliveries[at + 1 :]] + [a.started for a in detail.attempts]
        later = [t for t in later if t > delivery.t]
        over = detail.row.ended if detail.row.state.over else None
        until = min(later) if later else over if over is not None else now
        lane = Lane(delivery.worker, f"{delivery.worker}, not started")
        still = not later and not detail.row.state.over
        if detail.row.state is TaskState.STRANDED and not later:
            lane.stretches.append(Stretch(Phase.STRANDED, delivery.t, max(until, delivery.t), True))
        else:
            _hold(lane, delivery.t, max(until, delivery.t), delivery.eta, still)
        lanes.append(lane)
    return lanes


def _broker_stretches(broker: Lane, detail: TaskDetail, now: float) -> None:
    """Where no worker holds it: before its first delivery, and between one attempt and the next delivery."""
    row = detail.row
    taken = [d.t for d in detail.deliveries] or [a.received or a.started for a in detail.attempts]
    first = min(taken, default=None)
    if row.sent is not None:
        until = first if first is not None else row.ended if row.ended is not None else now
        if until > row.sent:
            broker.stretches.append(
                Stretch(Phase.WAITING, row.sent, until, first is None and not row.state.over)
            )
    for attempt in detail.attempts:
        if attempt.ended is None or attempt.state not in ("CUT", "RETRY"):
            continue
        again = min((t for t in taken if t > attempt.ended - _CLOSE and t > attempt.started), default=None)
        phase = Phase.STRANDED if attempt.state == "CUT" else Phase.WAITING
        still = {Phase.STRANDED: TaskState.STRANDED, Phase.WAITING: TaskState.WAITING}[phase]
        if again is None and row.state is not still:
            continue
        until = again if again is not None else now
        if until > attempt.ended:
            broker.stretches.append(Stretch(phase, attempt.ended, until, again is None))


def story(detail: TaskDetail, now: float) -> str:
    """What is out of the ordinary about it, in sentences; empty: nothing."""
    row, attempts, said = detail.row, detail.attempts, []
    for at, attempt in enumerate(attempts):
        if attempt.state == "CUT" and attempt.ended is not None:
            said.append(
                f"{attempt.worker} died at {clock(attempt.ended)}, {fine(_ran(attempt))} into this task."
            )
            if at + 1 < len(attempts):
                later = attempts[at + 1]
                gap = duration((later.received or later.started) - attempt.ended)
                said.append(f"{gap} later its message came back, and {later.worker} ran it from the start.")
    if row.ran_twice and not said:
        said.append(f"It ran {row.attempts} times, and nobody asked for more than one.")
    retries = sum(1 for attempt in attempts if attempt.state == "RETRY")
    if retries:
        said.append(f"It asked to be retried {_TIMES.get(retries, f'{retries} times')}.")
    if row.state is TaskState.STRANDED:
        said.append(f"Its message was delivered to {row.worker or 'a worker'}, which is gone.")
        if detail.back_at is not None and detail.back_at > now:
            said.append(f"It may be delivered again in {duration(detail.back_at - now)}.")
        elif detail.back_at is not None:
            said.append("It is delivered again when a living worker next looks for such messages.")
    if row.state is TaskState.LOST:
        said.append("It is lost: it was acknowledged and will not run again, unless it is sent again.")
    return " ".join(said)


def _ran(attempt: AttemptRow) -> float | None:
    return None if attempt.ended is None else attempt.ended - attempt.started
