"""What became of one task, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from desktop.engine.api import AttemptRow, DeskError, FaultRecord, Record, TaskDetail, TaskState
from desktop.engine.report import words
from desktop.engine.report.model import Story
from desktop.engine.stack.secrets import LEFT_OUT, is_secret

_PATIENCE = 60.0  # seconds
_STEPS = 60
BEFORE = 1.0  # seconds before a task was sent from which faults concern it
AFTER = 5.0  # and after its end
_ARGS = 2_000  # characters


def story_of(record: Record, why: str, task_id: str, faults: Sequence[FaultRecord]) -> Story | None:
    """None for a task that the record does not know after all."""
    try:
        task = record.task(task_id).result(_PATIENCE)
    except DeskError:
        return None
    task = replace(task, args=cleaned(task.args), kwargs=cleaned(task.kwargs))
    zero = min(moments_of(task), default=0.0)
    near = _near(task, faults)
    steps = sorted((*_steps(task), *_of_faults(near)), key=_when)
    if steps and (end := _end(task)):
        steps = sorted([*steps, (task.row.ended or steps[-1][0], end)], key=_when)
    more = max(len(steps) - _STEPS, 0)
    shown = steps if not more else steps[: _STEPS // 2] + steps[-_STEPS // 2 :]
    return Story(why, zero, task, near, tuple(shown), more)


def _when(step: tuple[float, str]) -> float:
    return step[0]


def _near(task: TaskDetail, faults: Sequence[FaultRecord]) -> tuple[FaultRecord, ...]:
    moments = moments_of(task)
    if not moments:
        return ()
    first, last = min(moments) - BEFORE, max(moments) + AFTER
    return tuple(
        fault
        for fault in faults
        if fault.landed_at is not None
        and fault.landed_at <= last
        and (fault.landed_at if fault.ended_at is None else fault.ended_at) >= first
    )


def moments_of(task: TaskDetail) -> list[float]:
    """Every moment at which something happened to a task.

    That at which it was found to be lost is one only where no worker had it: else the lost run says more.
    """
    cut_off = task.row.state is TaskState.LOST and task.attempts
    ended = None if cut_off else task.row.ended
    known: list[float | None] = [sent_at(task), task.row.received, ended]
    known += [delivery.t for delivery in task.deliveries]
    known += [moment for attempt in task.attempts for moment in (attempt.started, attempt.ended)]
    return [moment for moment in known if moment is not None]


def sent_at(task: TaskDetail) -> float | None:
    """When it was sent; a worker may receive it in the millisecond before its sender writes that down."""
    row = task.row
    return row.sent if row.sent is None or row.received is None else min(row.sent, row.received)


def _steps(task: TaskDetail) -> Iterator[tuple[float, str]]:
    row = task.row
    if (sent := sent_at(task)) is not None:
        yield sent, f"It was sent to the queue {row.queue}." if row.queue else "It was sent."
    for number, delivery in enumerate(task.deliveries):
        again = " again" if number or delivery.redelivered else ""
        due = "" if delivery.eta is None else f", to be started at {words.clock(delivery.eta)}"
        yield delivery.t, f"{delivery.worker} received its message{again}{due}."
    for number, attempt in enumerate(task.attempts, 1):
        start = f", the worker's start {attempt.start}" if attempt.start > 1 else ""
        yield attempt.started, f"Run {number} began on {attempt.worker} (pid {attempt.pid}{start})."
        if attempt.ended is not None and attempt.state:
            yield attempt.ended, f"Run {number} {_ended(attempt)}"


def _ended(attempt: AttemptRow) -> str:
    after = f" after {words.seconds(attempt.run)}" if attempt.run is not None else ""
    error = f": {attempt.error}" if attempt.error else ""
    match attempt.state:
        case "CUT":
            ran = (
                attempt.run
                if attempt.run is not None
                else (attempt.ended or attempt.started) - attempt.started
            )
            return f"was cut off after {words.seconds(ran)}: its process died while it ran."
        case "RETRY":
            return f"ended{after} and asked for another one{error}."
        case "SUCCESS":
            return f"ended well{after}."
    back = " Its message went back to the queue." if attempt.requeued else ""
    return f"ended as {attempt.state}{after}{error}.{back}"


def _of_faults(faults: Iterable[FaultRecord]) -> Iterator[tuple[float, str]]:
    for fault in faults:
        if fault.landed_at is not None:
            yield fault.landed_at, f"Fault {fault.id}: {fault.text or fault.spec.kind.value}."
        if (
            fault.landed_at is not None
            and fault.ended_at is not None
            and fault.ended_at - fault.landed_at > 0.5
        ):
            yield fault.ended_at, f"Fault {fault.id} ended."


def _end(task: TaskDetail) -> str:
    match task.row.state:
        case TaskState.LOST:
            never = "" if task.deliveries or task.attempts else " No worker ever wrote that it received it."
            return f"It was found to be lost: no worker has it, no queue, and nothing brings it back.{never}"
        case TaskState.STRANDED:
            return "Its message is stranded: it was delivered to a worker that is gone."
        case state if not state.over:
            return f"At the end of the run it is {state.value}."
    return ""


def cleaned(text: str) -> str:
    """Arguments as JSON, without the values of names that say that they are secrets."""
    try:
        text = json.dumps(_clean(json.loads(text)), ensure_ascii=False)
    except ValueError:
        pass  # it was cut: `scrub` still looks at it
    return text if len(text) <= _ARGS else f"{text[:_ARGS]}…"


def _clean(value: Any) -> Any:
    match value:
        case dict():
            return {key: LEFT_OUT if is_secret(key) else _clean(one) for key, one in value.items()}
        case list():
            return [_clean(one) for one in value]
        case _:
            return value
