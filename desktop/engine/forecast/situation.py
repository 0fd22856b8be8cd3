"""What a forecast needs of a moment: who runs and holds what, and the settings that decide its fate."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from desktop.engine.api import (
    Light,
    LoadSnapshot,
    LoadState,
    PoolProcess,
    RunningTask,
    StackSnapshot,
    StackState,
    State,
    WorkerSnapshot,
)
from desktop.engine.stack.model import Persistence, Pool, Restart

# kombu/transport/redis.py, Channel: visibility_timeout, unacked_restore_interval, unacked_restore_throttle
_VISIBILITY_TIMEOUT = 3600.0
_RESTORE_INTERVAL = 10.0
_RESTORE_THROTTLE = 10
# app/task.py: Task.default_retry_delay
RETRY_DELAY = 180.0
# What is known of running tasks is so old when the fault lands: a snapshot 0.05 s, the recorder tells every
# 0.1 s, and the fault needs a moment itself. The depth of queues is asked for every 0.5 s.
LAG = 0.3
DEPTH_LAG = 0.8
# Between the end of a task and the start of the next one a pool slot is empty for some milliseconds: it is
# not worth a word where tasks take longer than this.
LONG_TASK = 1.0
# A load generator that ended so lately may have sent what the snapshot does not show yet.
_JUST_SENT = 1.0
_OLD = 1.5  # seconds for which a task has run that belongs to the long ones
# Pools whose event loop looks for what is past the visibility timeout. Greenlets never do while they run.
SWEEPING = frozenset({Pool.PREFORK, Pool.THREADS, Pool.SOLO})
_SAMPLE_APP = "tasks"
_NOT_CONSUMING = frozenset({State.EXITED, State.BACKING_OFF, State.CRASH_LOOP, State.STOPPED})


@dataclass(frozen=True, slots=True)
class Settings:
    """Celery's settings that decide the fate of a task, with Celery's own defaults.

    Of the stack's [celery] table: an app may say otherwise for single tasks, or in its own configuration.
    """

    late: bool = False  # task_acks_late
    reject_lost: bool = False  # task_reject_on_worker_lost
    retry_lost: bool = False  # task_retry_on_worker_lost
    soft: float = 0.0  # worker_soft_shutdown_timeout; 0: none
    cancel_on_loss: bool = False  # worker_cancel_long_running_tasks_on_connection_loss
    timeout: float = _VISIBILITY_TIMEOUT
    sweep: float = _RESTORE_INTERVAL * _RESTORE_THROTTLE  # seconds between two looks for what is past it

    @classmethod
    def of(cls, celery: Mapping[str, Any]) -> Settings:
        """From a [celery] table."""
        options = celery.get("broker_transport_options") or {}
        interval = float(options.get("unacked_restore_interval", _RESTORE_INTERVAL))
        throttle = int(options.get("unacked_restore_throttle", _RESTORE_THROTTLE))
        return cls(
            late=bool(celery.get("task_acks_late", False)),
            reject_lost=bool(celery.get("task_reject_on_worker_lost", False)),
            retry_lost=bool(celery.get("task_retry_on_worker_lost", False)),
            soft=float(celery.get("worker_soft_shutdown_timeout", 0) or 0),
            cancel_on_loss=bool(celery.get("worker_cancel_long_running_tasks_on_connection_loss", False)),
            timeout=float(options.get("visibility_timeout", _VISIBILITY_TIMEOUT)),
            sweep=(interval if interval > 0 else _RESTORE_INTERVAL) * (throttle or 1),
        )

    @property
    def acks(self) -> str:
        """As people say it, and as the rules are named."""
        return "late" if self.late else "early"


@dataclass(frozen=True, slots=True)
class WorkerSituation:
    """One worker at this moment."""

    name: str
    pool: Pool = Pool.PREFORK
    alive: bool = True  # it has a process
    consumes: bool = True  # it takes messages: alive, not frozen, not stopping
    frozen: bool = False
    stopping: bool = False
    running: tuple[RunningTask, ...] = ()
    busy: int = 0
    reserved: int = 0
    scheduled: int = 0
    size: int = 0  # of its pool
    processes: tuple[PoolProcess, ...] = ()
    queues: tuple[str, ...] = ("celery",)
    restart: Restart = Restart.ON_FAILURE
    autoscale: bool = False
    most_size: int = 0  # to which its autoscaler may let the pool grow, else its size
    time_limit: float | None = None
    max_memory: int | None = None  # KiB for each pool process
    held_since: float | None = None  # when the oldest message that it holds was delivered; None: not known
    started_at: float | None = None  # its present process
    ends_per_second: float = 0.0  # tasks that end on it, of late

    @property
    def runs(self) -> int:
        """How many tasks it runs: by the newer of two tellings."""
        return max(len(self.running), self.busy)

    @property
    def held(self) -> int:
        """Reserved and scheduled ones."""
        return self.reserved + self.scheduled

    @property
    def comes_back(self) -> bool:
        """The supervisor starts it again when it was killed."""
        return self.restart is not Restart.NEVER

    @property
    def task_seconds(self) -> float:
        """How long a task of it takes on the mean; infinite where none ended of late."""
        return self.runs / self.ends_per_second if self.ends_per_second > 0 else math.inf


@dataclass(frozen=True, slots=True)
class Situation:
    """A stack at one moment."""

    t: float
    settings: Settings = Settings()
    workers: tuple[WorkerSituation, ...] = ()
    waiting: Mapping[str, int] = field(default_factory=dict)  # messages in the broker, by queue
    stranded: int = 0  # of dead workers, in the broker
    arrivals: int = 0  # messages that workloads may send, at most, between what is known and the fault
    ends_per_second: float = 0.0
    running: bool = True  # the stack was started
    broker_alive: bool = True
    broker_ours: bool = True  # ours to break: started by us
    persistence: Persistence = Persistence.NONE
    results: bool = False  # task results are kept in the same broker
    relay: bool = False
    acks_known: bool = True  # the stack file says when tasks are acknowledged, or the app is the sample app
    snapshot: StackSnapshot | None = None  # what it was drawn from: targets are chosen from it

    def worker(self, name: str) -> WorkerSituation | None:
        """The worker of that name."""
        return next((one for one in self.workers if one.name == name), None)

    @property
    def alive(self) -> tuple[WorkerSituation, ...]:
        """Workers that have a process."""
        return tuple(one for one in self.workers if one.alive)

    def moves(self, worker: WorkerSituation) -> int:
        """How many of its tasks may end between what is known and the fault; 0 where that is unlikely.

        By how many ended of late; where none did, by how long they have run: what has run for long goes on.
        """
        if worker.ends_per_second > 0:
            expected = worker.ends_per_second * LAG
            return 0 if expected < 0.05 else math.ceil(expected + 2 * math.sqrt(expected))
        expected = sum(LAG / (max(0.0, self.t - task.since) + LAG) for task in worker.running)
        return 0 if expected < 0.3 else min(worker.runs, math.ceil(expected + 1))

    @property
    def all_waiting(self) -> int:
        """In the broker, over all queues."""
        return sum(self.waiting.values())

    def age(self, worker: WorkerSituation) -> float:
        """For how long it has held its oldest message, at most; 0 where nothing is known."""
        since = worker.held_since if worker.held_since is not None else worker.started_at
        return max(0.0, self.t - since) if since is not None and worker.held + worker.runs else 0.0

    def others(self, worker: WorkerSituation, without: frozenset[str] = frozenset()) -> bool:
        """Whether another living worker consumes one of its queues."""
        return any(
            one.consumes and one.name != worker.name and set(one.queues) & set(worker.queues)
            for one in self.workers
            if one.name not in without
        )


def situation_of(snapshot: StackSnapshot, now: float) -> Situation:
    """The moment as a forecast needs it. `now` is seconds since the epoch."""
    spec = snapshot.spec
    broker = snapshot.broker
    short = {one.name: _short(one, now) for one in snapshot.workers}
    every = sum(short.values())
    rate = _ends_per_second(snapshot, now)
    return Situation(
        t=now,
        settings=Settings.of(spec.celery),
        workers=tuple(
            _worker(
                _as_accounted(one, snapshot),
                rate * short[one.name] / every if every else 0.0,
                _held_since(snapshot, one),
            )
            for one in snapshot.workers
        ),
        waiting={queue.name: queue.waiting for queue in snapshot.queues},
        stranded=sum(queue.stranded for queue in snapshot.queues),
        arrivals=sum(_arrivals(load, now) for load in snapshot.loads),
        ends_per_second=rate,
        running=snapshot.state is not StackState.STOPPED or bool(snapshot.attached),
        broker_alive=bool(broker and broker.service.state.alive),
        broker_ours=not snapshot.attached,
        persistence=spec.broker.persistence,
        results=spec.broker.results,
        relay=spec.broker.relay,
        acks_known="task_acks_late" in spec.celery or spec.app.target.split(".")[0] == _SAMPLE_APP,
        snapshot=snapshot,
    )


def _as_accounted(worker: WorkerSnapshot, snapshot: StackSnapshot) -> WorkerSnapshot:
    """With what it holds by the account of deliveries, which is newer than what its pool tells of itself."""
    held = [held for queue in snapshot.queues for held in queue.held]
    if not held:
        return worker
    own = [one for one in held if one.worker == worker.name]
    return replace(
        worker, reserved=sum(one.reserved for one in own), scheduled=sum(one.scheduled for one in own)
    )


def _ends_per_second(snapshot: StackSnapshot, now: float) -> float:
    """Over the last seconds; a workload that has only begun tells of fewer of them."""
    begun = [load for load in snapshot.loads if load.ended < load.sent and load.started_at < now]
    lately = sum(load.ended / (now - load.started_at) for load in begun if now - load.started_at < 5.0)
    return max(snapshot.totals.per_second, lately)


def _short(worker: WorkerSnapshot, now: float) -> int:
    """How many of its tasks may be of those that end: what has run for long is none of them."""
    long = sum(now - task.since >= _OLD for task in worker.running)
    return max(len(worker.running), worker.busy) - long


def _arrivals(load: LoadSnapshot, now: float) -> int:
    """Messages of a workload that may be under way; a burst is sent within milliseconds."""
    workload = load.workload
    left = workload.count - load.sent if workload.count is not None else None
    just = load.ended_at is not None and now - load.ended_at < _JUST_SENT
    if load.state not in (LoadState.STARTING, LoadState.SENDING, LoadState.WAITING) and not just:
        return 0
    if just and workload.rate is None:
        return load.sent
    if workload.rate is None:
        return max(0, left or 0)
    expected = workload.rate * DEPTH_LAG
    few = math.ceil(expected + 2 * math.sqrt(expected))
    return few if left is None or just else max(0, min(left, few))


def _held_since(snapshot: StackSnapshot, worker: WorkerSnapshot) -> float | None:
    """When the oldest message that it holds was delivered; a late one that runs was so before it began."""
    moments = [
        held.since
        for queue in snapshot.queues
        for held in queue.held
        if held.worker == worker.name and held.since is not None
    ]
    if snapshot.spec.celery.get("task_acks_late") or worker.spec.pool is Pool.SOLO:
        moments += [task.since for task in worker.running]
    return min(moments, default=None)


def _worker(worker: WorkerSnapshot, ends_per_second: float, held_since: float | None) -> WorkerSituation:
    service, spec = worker.service, worker.spec
    alive = service.pid is not None and service.state not in _NOT_CONSUMING
    frozen = service.process is Light.FROZEN
    stopping = service.state is State.STOPPING
    return WorkerSituation(
        name=worker.name,
        pool=spec.pool,
        alive=alive,
        consumes=alive and not frozen and not stopping,
        frozen=frozen,
        stopping=stopping,
        running=worker.running,
        busy=worker.busy,
        reserved=worker.reserved,
        scheduled=worker.scheduled,
        size=worker.pool_size,
        processes=worker.processes,
        queues=worker.queues or spec.queues,
        restart=spec.restart,
        autoscale=spec.autoscale is not None,
        most_size=max(worker.pool_size, worker.bounds[1] if worker.bounds else 0),
        time_limit=spec.time_limit,
        max_memory=spec.max_memory_per_child,
        held_since=held_since,
        started_at=service.started_at,
        ends_per_second=ends_per_second,
    )
