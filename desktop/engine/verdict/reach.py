"""Which tasks were within a fault's reach in the moment that it landed, and what it held them by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from desktop.engine.api import FaultKind, FaultRecord, TaskState
from desktop.engine.ledger.records import CUT, Attempt, Receipt, Task
from desktop.engine.record.reading.filters import began
from desktop.engine.record.reading.table import Mask, Table
from desktop.engine.record.schema import CODES, OVER
from desktop.engine.verdict.reading import Death, deaths_of, ids_of, tasks_of

if TYPE_CHECKING:
    from desktop.engine.record.reading.jobs import Hand
    from desktop.engine.record.reading.questions import Reading

BROKER = "broker"
# Faults after which the broker may know messages no more.
DESTROYS = frozenset({FaultKind.KILL_BROKER, FaultKind.STOP_BROKER, FaultKind.FLUSH_BROKER})
_PROCESS = frozenset({FaultKind.KILL_PROCESS, FaultKind.FREEZE_PROCESS})
Numbers = NDArray[np.int64]  # of tasks, from 1


@dataclass(frozen=True, slots=True)
class Reach:
    """What a fault could reach."""

    fault: FaultRecord
    since: float  # when it was asked for: what died from then on, died of it
    at: float  # when it landed
    everything: bool  # every task that was not over: the broker was hit
    pids: frozenset[int]  # of pool processes; empty: all that its workers run and hold

    @classmethod
    def of(cls, fault: FaultRecord) -> Reach:
        """That of a fault that landed."""
        assert fault.landed_at is not None
        pids = frozenset(fault.pids) if fault.spec.kind in _PROCESS else frozenset[int]()
        return cls(
            fault, min(fault.asked_at, fault.landed_at), fault.landed_at, BROKER in fault.targets, pids
        )

    def runs(self, run: Attempt) -> bool:
        """Whether that run was under way on a target."""
        ended_at = run.ended
        # The death of a process is told when it was seen, which may be a moment before the fault says so.
        until = self.since if run.state == CUT else self.at
        if run.started > self.at or (ended_at is not None and ended_at < until):
            return False
        if self.pids:
            return run.service in self.fault.targets and run.pid in self.pids
        return self.everything or run.service in self.fault.targets


@dataclass(frozen=True, slots=True)
class Grip:
    """A task within the reach of a fault, and by what: a run, a delivery without one, or its mere message."""

    reach: Reach
    run: Attempt | None = None
    receipt: Receipt | None = None

    @property
    def at(self) -> float:
        """When the fault landed."""
        return self.reach.at


def grips_of(task: Task, reaches: list[Reach], deaths: Mapping[tuple[str, int], Death]) -> list[Grip]:
    """By what each of the faults reached a task, earliest fault first; runs before deliveries."""
    found: list[Grip] = []
    for reach in reaches:
        found += _grips(task, reach, deaths)
    return found


def _grips(task: Task, reach: Reach, deaths: Mapping[tuple[str, int], Death]) -> list[Grip]:
    runs = [Grip(reach, run=run) for run in task.attempts if reach.runs(run)]
    if reach.pids:
        return runs
    held = [Grip(reach, receipt=one) for one in task.receipts if _held(task, one, reach, deaths)]
    if runs or held or not reach.everything:
        return runs + held
    return [Grip(reach)] if _was_somewhere(task, reach.at) else []


def _held(task: Task, receipt: Receipt, reach: Reach, deaths: Mapping[tuple[str, int], Death]) -> bool:
    """Whether that delivery lay at a target that lived, without a run."""
    if receipt.t > reach.at or not (reach.everything or receipt.service in reach.fault.targets):
        return False
    death = deaths.get((receipt.service, receipt.start))
    if death is not None and death.t < reach.since:
        return False
    run = run_of(task, receipt)
    if run is not None:
        return run.started > reach.at
    # Nothing tells when it ended without a run; later news of its message do, and the end of the task.
    if any(receipt.t < other.t <= reach.at for other in task.receipts):
        return False
    return task.ended is None or task.ended >= reach.since


def run_of(task: Task, receipt: Receipt) -> Attempt | None:
    """The run that answers a delivery."""
    for run in task.attempts:
        if run.received == receipt.t and (run.service, run.start) == (receipt.service, receipt.start):
            return run
    return None


def _was_somewhere(task: Task, at: float) -> bool:
    """Known by then, not over, and in no worker's hands."""
    first = min((t for t in (task.sent, task.received) if t is not None), default=None)
    if first is None or first > at:
        return False
    return task.ended is None or task.ended > at


# the tasks that may have been reached


@dataclass(frozen=True, slots=True)
class Reached:
    """The tasks that something may have befallen, whole; and how many more were reached, by fault."""

    tasks: list[Task]
    waiting: Mapping[int, int]  # id of a fault → tasks that nobody had and that are not over yet
    gone: Mapping[int, tuple[str, ...]]  # … → tasks that nobody had taken, whose message it lost
    deaths: Mapping[tuple[str, int], Death]


def reached(reading: Reading, hand: Hand, reaches: list[Reach]) -> Reached:
    """The tasks to look at one by one. The mass that nothing befell, or all the same, is left out."""
    wide = [reach for reach in reaches if reach.everything]
    several = _delivered_often(hand) if wide else np.empty(0, np.int64)
    with reading.table(hand) as table:
        rows = np.zeros(table.rows, np.bool_)
        dull = _dull(table, several) if wide else rows
        lost = table.flat("state") == CODES[TaskState.LOST]
        untaken = lost & ~_taken(table, math.inf)
        for reach in reaches:
            taken = _alive(table, reach) & _taken(table, reach.at)
            rows |= taken & ~dull if reach.everything else taken
            if reach.everything:
                rows |= _alive(table, reach) & lost & ~untaken
        over = (table.flat("flags") & np.uint8(OVER)) != 0
        waiting = {
            reach.fault.id: int(np.count_nonzero(_alive(table, reach) & ~over & ~rows)) for reach in wide
        }
        gone = _gone(table, wide, untaken)
        wanted = (np.flatnonzero(rows) + 1).tolist()
    missing = {fault: ids_of(hand, numbers) for fault, numbers in gone.items()}
    return Reached(tasks_of(hand, wanted), waiting, missing, deaths_of(hand))


def _gone(table: Table, wide: list[Reach], untaken: Mask) -> Mapping[int, list[int]]:
    """Messages that vanished from their queues, by who lost them: the first that could, else the first."""
    found = {}
    left = untaken.copy()
    for reach in sorted(wide, key=lambda one: (one.fault.spec.kind not in DESTROYS, one.at)):
        mine = left & _alive(table, reach)
        left &= ~mine
        found[reach.fault.id] = (np.flatnonzero(mine) + 1).tolist()
    return found


def _delivered_often(hand: Hand) -> Numbers:
    """Tasks that were delivered more than once, or in some other way than the plain one."""
    return np.fromiter(
        (n for (n,) in hand.connection.execute("SELECT DISTINCT task FROM delivery")), np.int64
    )


def _alive(table: Table, reach: Reach) -> Mask:
    """Heard of when it landed, and not over before it was asked for."""
    return np.asarray(
        table.flattened(began(table) <= reach.at) & ~(table.flat("ended") < reach.since), np.bool_
    )


def _taken(table: Table, at: float) -> Mask:
    """Received by a worker by then; or run, where no line tells of a receipt."""
    received = table.flat("received")
    return np.asarray((received <= at) | (np.isnan(received) & (table.flat("attempts") > 0)), np.bool_)


def _dull(table: Table, several: Numbers) -> Mask:
    """Delivered once, run once, succeeded: no fault did anything to it."""
    found = (table.flat("state") == CODES[TaskState.SUCCESS]) & (table.flat("attempts") == 1)
    found[several[several <= table.rows] - 1] = False
    return np.asarray(found, np.bool_)
