"""What befell a task, and which fault did it: each thing is the doing of one fault."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from desktop.engine.api import TaskState
from desktop.engine.ledger.records import CUT, Attempt, Receipt, Task
from desktop.engine.verdict.reach import DESTROYS, Grip, run_of

# How long after its worker's death the broker may have been looked into until a task counts as lost.
_TOLD_LATE = 5.0  # seconds

# Ends that are not the task's own doing: its process, its pool or the way to the broker and results gave out.
# Names of exceptions of billiard, Celery and kombu as the probe writes them, and its own words.
_OF_CELERY = re.compile(
    r"(WorkerLostError|Terminated|TimeLimitExceeded|SoftTimeLimitExceeded|WorkerShutdown|WorkerTerminate|"
    r"NotImplementedError|GreenletExit|SystemExit|KeyboardInterrupt|RestartFreqExceeded|"
    r"cancelled by Celery|terminated|after the task had returned)\b"
)
# Errors of a connection may be the task's own: they count where they came through these.
_OF_THE_WAY = re.compile(
    r"^(\w*ConnectionError|OperationalError|\w*TimeoutError|BackendStoreError|OSError|RuntimeError)\b"
)
_THROUGH = re.compile(r"celery[/\\]backends[/\\]|[/\\]kombu[/\\]|[/\\]redis[/\\]")


class Harm(NamedTuple):
    """One thing that a fault did to a task."""

    fault: int  # id of its record
    what: str  # "lost", "failed", "again", "back": the first of them that is true counts
    t: float | None = None  # when it was delivered again


RANK = ("lost", "failed", "again", "back")


def harms(task: Task, grips: list[Grip]) -> Iterator[Harm]:
    """What the faults that reached a task did to it."""
    if task.place is TaskState.LOST:
        yield Harm(_who_lost(task, grips).reach.fault.id, "lost")
    yield from _failed(task, grips)
    yield from _ran_again(task, grips)
    yield from _came_back(task, grips)


def by_infrastructure(run: Attempt) -> bool:
    """Whether a run ended for a reason that is not the task's own exception."""
    error = run.error or ""
    if _OF_CELERY.match(error):
        return True
    return bool(_OF_THE_WAY.match(error) and _THROUGH.search(run.traceback or ""))


def _last(grips: Iterable[Grip], until: float | None = None) -> Grip | None:
    """The last fault that landed up to then."""
    known = [grip for grip in grips if until is None or grip.at <= until]
    return max(known, key=lambda grip: grip.at, default=None)


def _on(grips: list[Grip], run: Attempt) -> list[Grip]:
    return [grip for grip in grips if grip.run is run]


def _at(grips: list[Grip], receipt: Receipt | None) -> list[Grip]:
    return [grip for grip in grips if receipt is not None and grip.receipt is receipt]


def _receipt_of(task: Task, run: Attempt) -> Receipt | None:
    return next((receipt for receipt in task.receipts if run_of(task, receipt) is run), None)


def _who_lost(task: Task, grips: list[Grip]) -> Grip:
    """Its run was cut; else the broker lost its message; else whoever was the first to reach it last."""
    run = max(task.attempts, key=lambda one: one.started, default=None)
    heard = max((receipt.t for receipt in task.receipts), default=0.0)
    destroyers = [grip for grip in grips if grip.reach.fault.spec.kind in DESTROYS]
    if run is not None and run.started >= heard:
        cutter = _last(_on(grips, run))
        ended = run.ended if run.ended is not None else run.started
        later = [grip for grip in destroyers if grip.at > ended + _TOLD_LATE and grip.run is not run]
        if cutter is not None and not (run.state == CUT and later):
            return cutter
        heard = ended
    else:
        heard = max(heard, run.started if run is not None else 0.0)
    after = [grip for grip in destroyers if grip.at >= heard] or [grip for grip in grips if grip.at >= heard]
    return min(after or grips, key=lambda grip: grip.at)


def _failed(task: Task, grips: list[Grip]) -> Iterator[Harm]:
    """It ended as a failure that is not its own, in a run that a fault had reached, or that it made wait."""
    if task.place is not TaskState.FAILURE:
        return
    run = max(task.attempts, key=lambda one: one.started, default=None)
    if run is None or run.state != "FAILURE" or not by_infrastructure(run):
        return
    owner = _last(_on(grips, run), run.ended) or _last(_at(grips, _receipt_of(task, run)), run.ended)
    if owner is not None:
        yield Harm(owner.reach.fault.id, "failed")


def _ran_again(task: Task, grips: list[Grip]) -> Iterator[Harm]:
    """It had started, and started once more without having asked for that."""
    runs = sorted(task.attempts, key=lambda one: one.started)
    for number, run in enumerate(runs):
        before = [other for other in runs[:number] if _unasked(other, run)]
        if not before:
            continue
        first = before[-1]
        receipts = [_receipt_of(task, first), _receipt_of(task, run)]
        held = [grip for receipt in receipts for grip in _at(grips, receipt)]
        owner = _last(_on(grips, first), run.started) or _last(held, run.started)
        if owner is not None:
            receipt = receipts[1]
            again = receipt.t if receipt is not None and receipt.t > owner.at else run.started
            yield Harm(owner.reach.fault.id, "again", again)


def _unasked(first: Attempt, run: Attempt) -> bool:
    """The same message once more; or a retry that Celery asked for in the task's place as it was lost."""
    if first.retries == run.retries:
        return True
    return first.state == "RETRY" and first.retries + 1 == run.retries and by_infrastructure(first)


def _came_back(task: Task, grips: list[Grip]) -> Iterator[Harm]:
    """It was held and had not started, and was delivered once more before it did."""
    for grip in grips:
        held = grip.receipt
        if held is None:
            continue
        run = run_of(task, held)
        later = [one for one in task.receipts if one.t > max(held.t, grip.at) and one.retries == held.retries]
        first = min(later, key=lambda one: one.t, default=None)
        if first is None or (run is not None and run.started < first.t):
            continue
        owner = _last(_at(grips, held), first.t)
        if owner is grip:
            yield Harm(grip.reach.fault.id, "back", first.t)
