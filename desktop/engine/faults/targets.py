"""Whom a fault hits: workers and pool processes, chosen from one snapshot. Nothing is done here.

The same snapshot and the same spec give the same choice, so a forecast and the fault itself agree on it.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from desktop.engine.api import DeskError, FaultKind, FaultSpec, Pick, StackSnapshot, WorkerSnapshot
from desktop.engine.faults.catalog import info_of
from desktop.engine.observe.proc import alive
from desktop.engine.stack.model import Pool

_SHRINKS = frozenset({Pool.PREFORK, Pool.GEVENT, Pool.EVENTLET})


@dataclass(frozen=True, slots=True)
class Aim:
    """One thing that a fault hits."""

    worker: str
    pid: int | None = None  # of its pool process; None: the worker itself


def of_the_living(snapshot: StackSnapshot) -> StackSnapshot:
    """The same moment without processes that have died since: the recorder tells of those a little later."""
    return replace(snapshot, workers=tuple(map(_living, snapshot.workers)))


def _living(worker: WorkerSnapshot) -> WorkerSnapshot:
    pid = worker.service.pid
    if pid is None or not alive(pid):
        service = replace(worker.service, pid=None)
        return replace(worker, service=service, running=(), processes=())
    if worker.spec.pool is not Pool.PREFORK:
        return worker
    running = tuple(task for task in worker.running if alive(task.pid))
    processes = tuple(process for process in worker.processes if alive(process.pid))
    return replace(worker, running=running, processes=processes)


def choose(spec: FaultSpec, snapshot: StackSnapshot) -> tuple[Aim, ...]:
    """Whom the fault would hit at that moment; empty for the faults of the broker.

    Raises DeskError, with the reason and the next step, where there is nobody to hit.
    """
    aims_at = info_of(spec.kind).aims_at
    if aims_at in ("broker", "stack"):
        return ()
    draw = random.Random(spec.seed)
    workers = _workers(spec, snapshot, draw)
    if aims_at == "worker":
        return tuple(Aim(worker.name) for worker in workers)
    return tuple(Aim(worker.name, _process(spec, worker, draw)) for worker in workers)


def chosen_names(spec: FaultSpec, snapshot: StackSnapshot) -> tuple[str, ...]:
    """The same, as names for people and records: workers, or "broker"."""
    if info_of(spec.kind).aims_at == "broker":
        return ("broker",)
    return tuple(aim.worker for aim in choose(spec, snapshot))


def unfit(kind: FaultKind, worker: WorkerSnapshot) -> str:
    """Why this fault cannot be done to that worker, as a sentence; "" when it can."""
    pool = worker.spec.pool
    if info_of(kind).aims_at == "process" and pool is not Pool.PREFORK:
        return f"{worker.name} has no pool processes: its pool is {pool.value}."
    if kind is FaultKind.SHRINK and pool not in _SHRINKS:
        return f"The {pool.value} pool of {worker.name} cannot shrink while it runs."
    return ""


def load_of(worker: WorkerSnapshot) -> tuple[int, int]:
    """How busy a worker is: (tasks that it runs, tasks that it holds besides)."""
    return max(len(worker.running), worker.busy), worker.reserved + worker.scheduled


def _workers(spec: FaultSpec, snapshot: StackSnapshot, draw: random.Random) -> Sequence[WorkerSnapshot]:
    target = spec.target
    if target.pick is Pick.NAME:
        return (_named(spec, snapshot),)
    living = [worker for worker in snapshot.workers if worker.service.pid is not None]
    if not living:
        raise DeskError("No worker runs now.", "Start one first.")
    if target.pick is Pick.RUNS:
        living = [worker for worker in living if _runs(worker, target.name)]
        if not living:
            raise DeskError(
                f"No worker runs {target.name} at this moment.", "Wait until it has started, or submit it."
            )
    fitting = [worker for worker in living if not unfit(spec.kind, worker)]
    if not fitting:
        raise DeskError(unfit(spec.kind, living[0]), _other_worker(spec.kind))
    # Rolling kills go round all workers where nobody says which.
    if target.pick is Pick.ALL or (spec.kind is FaultKind.ROLLING and target.pick is Pick.BUSIEST):
        return fitting
    if target.pick is Pick.RANDOM:
        return (draw.choice(sorted(fitting, key=lambda worker: worker.name)),)
    # The first of several that are alike: the order of the stack file.
    return (max(fitting, key=load_of),)


def _named(spec: FaultSpec, snapshot: StackSnapshot) -> WorkerSnapshot:
    name = spec.target.name
    worker = snapshot.worker(name)
    if worker is None:
        known = ", ".join(worker.name for worker in snapshot.workers)
        raise DeskError(f"This stack has no worker named '{name}'.", f"It has: {known}.")
    if worker.service.pid is None:
        raise DeskError(f"{name} has no process: it is {worker.service.state.value}.", "Start it first.")
    if reason := unfit(spec.kind, worker):
        raise DeskError(reason, _other_worker(spec.kind))
    return worker


def _other_worker(kind: FaultKind) -> str:
    pools = "prefork, gevent or eventlet" if kind is FaultKind.SHRINK else "prefork"
    return f"Choose a worker whose pool is {pools}."


def _runs(worker: WorkerSnapshot, task: str) -> bool:
    return any(task in (running.id, running.name) for running in worker.running)


def _process(spec: FaultSpec, worker: WorkerSnapshot, draw: random.Random) -> int:
    """One pool process: the named one, that of the task, else a busy one before the others."""
    target = spec.target
    if target.pid is not None:
        return target.pid
    busy = {task.pid: task for task in worker.running}
    if target.pick is Pick.RUNS:
        return next(task.pid for task in worker.running if target.name in (task.id, task.name))
    idle = [process.pid for process in worker.processes if process.pid not in busy]
    if not busy and not idle:
        raise DeskError(f"{worker.name} has no pool process yet.", "Try again in a moment.")
    candidates = list(busy) or idle
    if target.pick is Pick.RANDOM:
        return draw.choice(sorted(candidates))
    return candidates[0]  # `running` has the longest first
