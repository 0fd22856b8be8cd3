"""After a fault: how long until it was shown, until a new process started, until all was as before."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from desktop.engine.api import FaultKind, FaultRecord, Mark, MarkKind, Record, Recovery, ServiceEvent, State
from desktop.engine.verdict.reading import ask

if TYPE_CHECKING:
    from desktop.engine.record.reading.jobs import Hand
    from desktop.engine.record.reading.questions import Reading

BROKER = "broker"  # the target of a broker's fault
_SHOWN = frozenset({MarkKind.KILLED, MarkKind.EXITED})
_STARTED = frozenset({MarkKind.STARTED})
_ANSWERS = frozenset({MarkKind.READY, MarkKind.RECOVERED})
_BAD = frozenset({State.SILENT, State.EXITED, State.BACKING_OFF, State.CRASH_LOOP})
_FREEZES = frozenset({FaultKind.FREEZE_WORKER, FaultKind.FREEZE_BROKER})


def recovery_of(record: Record, fault: FaultRecord, events: Sequence[ServiceEvent] = ()) -> Recovery:
    """How long each stage took after a fault that landed, from the record. For a thread that may wait.

    A fault on several workers has come to a stage when the last of them has. `events`: what a caller heard
    of the services meanwhile; the record has no mark for a service that fell silent. Raises DeskError where
    the record cannot be read.
    """
    if fault.landed_at is None:
        return Recovery(fault.id)
    marks = record.marks()
    noticed = _slowest(fault, lambda service: _shown(fault, service, marks, events))
    new_process = _slowest(fault, lambda service: _first_mark(fault, service, marks, _STARTED))
    answers = _slowest(fault, lambda service: _answered(fault, service, marks, events))
    first_done, backlog = _tasks_again(record, fault, answers)
    return Recovery(fault.id, noticed, new_process, answers, first_done, backlog)


def _slowest(fault: FaultRecord, took: Callable[[str], float | None]) -> float | None:
    """Seconds until the last of the targets had come to it; None while one has not."""
    times = [took(service) for service in fault.targets]
    known = [t for t in times if t is not None]
    return max(known) if known and len(known) == len(times) else None


def _first_mark(
    fault: FaultRecord, service: str, marks: Iterable[Mark], kinds: Collection[MarkKind], text: str = ""
) -> float | None:
    landed = fault.landed_at or 0.0
    found = (
        m.t for m in marks if m.service == service and m.kind in kinds and m.t >= landed and text in m.text
    )
    first = min(found, default=None)
    return None if first is None else first - landed


def _first_event(
    fault: FaultRecord, service: str, events: Iterable[ServiceEvent], states: Collection[State], after: float
) -> float | None:
    landed = fault.landed_at or 0.0
    found = (one.t for one in events if one.service == service and one.state in states)
    first = min((t for t in found if t >= landed + after), default=None)
    return None if first is None else first - landed


def _shown(
    fault: FaultRecord, service: str, marks: Iterable[Mark], events: Iterable[ServiceEvent]
) -> float | None:
    """When the panel showed that it ended, froze or fell silent."""
    found = [
        _first_mark(fault, service, marks, _SHOWN),
        _first_mark(fault, service, marks, {MarkKind.SIGNAL}, "was frozen"),
        _first_event(fault, service, events, _BAD, 0.0),
    ]
    return min((t for t in found if t is not None), default=None)


def _answered(
    fault: FaultRecord, service: str, marks: Iterable[Mark], events: Iterable[ServiceEvent]
) -> float | None:
    """When it answered again, the new process or the old one."""
    found = [_first_mark(fault, service, marks, _ANSWERS)]
    if fault.spec.kind in _FREEZES:
        found.append(_first_mark(fault, service, marks, {MarkKind.SIGNAL}, "was thawed"))
    silent = _first_event(fault, service, events, _BAD, 0.0)
    if silent is not None:
        found.append(_first_event(fault, service, events, {State.READY}, silent))
    return min((t for t in found if t is not None), default=None)


def _tasks_again(
    record: Record, fault: FaultRecord, answers: float | None
) -> tuple[float | None, float | None]:
    """Seconds until the first task was done on a target, and until no more were under way than before.

    A backlog that nobody works off is not as before, though it may not have grown.
    """
    from desktop.engine.verdict.flow import backlog_after, first_done

    landed = fault.landed_at or 0.0
    targets = () if BROKER in fault.targets else fault.targets

    def both(reading: Reading, hand: Hand) -> tuple[float | None, float | None]:
        done = first_done(reading, hand, landed, targets)
        since = done if done is not None or answers is None else landed + answers
        if since is None:  # somebody else may have worked it off
            since = first_done(reading, hand, landed, ())
        return done, None if since is None else backlog_after(reading, hand, landed, since)

    done, backlog = ask(record, both)
    return (None if done is None else done - landed), (None if backlog is None else backlog - landed)
