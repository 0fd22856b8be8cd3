"""Moments of made-up stacks, for forecasts."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from desktop.engine.api import (
    BrokerSnapshot,
    FaultKind,
    FaultSpec,
    Forecast,
    Held,
    Kind,
    Light,
    LoadSnapshot,
    Pick,
    PoolProcess,
    QueueSnapshot,
    RunningTask,
    ServiceSnapshot,
    StackSnapshot,
    StackState,
    State,
    Target,
    Totals,
    WorkerSnapshot,
)
from desktop.engine.forecast import forecast, situation_of
from desktop.engine.stack.model import AppSpec, BrokerSpec, Persistence, Pool, Restart, StackSpec, WorkerSpec

NOW = time.time()
LONG_AGO = NOW - 120.0  # what has run for so long goes on


def worker(
    name: str = "w1",
    pool: Pool = Pool.PREFORK,
    *,
    runs: int = 2,
    reserved: int = 6,
    scheduled: int = 0,
    size: int = 2,
    restart: Restart = Restart.ON_FAILURE,
    frozen: bool = False,
    since: float = LONG_AGO,
    alive: bool = True,
    **spec: Any,
) -> WorkerSnapshot:
    """One that runs and holds so much."""
    running = tuple(RunningTask(f"{name}-{n}", "tasks.sleep", since, 100 + n) for n in range(runs))
    children = tuple(PoolProcess(100 + n, task_id=f"{name}-{n}" if n < runs else None) for n in range(size))
    return WorkerSnapshot(
        ServiceSnapshot(
            name,
            Kind.WORKER,
            State.READY if alive else State.STOPPED,
            pid=7 if alive else None,
            started_at=LONG_AGO,
            process=Light.FROZEN if frozen else Light.ON,
        ),
        WorkerSpec(name, pool, restart=restart, **spec),
        f"{name}@x",
        pool_size=size,
        busy=runs,
        reserved=reserved,
        scheduled=scheduled,
        running=running,
        queues=spec.get("queues", ("celery",)),
        processes=children if pool is Pool.PREFORK else (),
    )


def moment(
    *workers: WorkerSnapshot,
    celery: Mapping[str, Any] | None = None,
    waiting: int = 10,
    held_for: float | None = 0.0,
    stranded: int = 0,
    persistence: Persistence = Persistence.NONE,
    results: bool = False,
    relay: bool = True,
    per_second: float = 0.0,
    loads: tuple[LoadSnapshot, ...] = (),
    app: str = "tasks.app",
) -> StackSnapshot:
    """A stack of these workers. `held_for`: seconds since their oldest message was delivered."""
    since = None if held_for is None else NOW - held_for
    held = tuple(
        Held(one.name, reserved=one.reserved, scheduled=one.scheduled, since=since) for one in workers
    )
    broker = BrokerSpec(persistence=persistence, results=results, relay=relay)
    return StackSnapshot(
        NOW,
        StackSpec("x", AppSpec(app), broker, celery or {}, tuple(one.spec for one in workers)),
        StackState.RUNNING,
        broker=BrokerSnapshot(ServiceSnapshot("broker", Kind.BROKER, State.READY, pid=3)),
        workers=workers,
        queues=(QueueSnapshot("celery", waiting, stranded=stranded, held=held),),
        totals=Totals(per_second=per_second),
        loads=loads,
    )


def said(snapshot: StackSnapshot, kind: FaultKind, name: str = "", **spec: Any) -> Forecast:
    """The forecast of one fault, at the worker of that name."""
    target = Target(Pick.NAME, name) if name else Target()
    return forecast(situation_of(snapshot, NOW), replace(FaultSpec(kind, target), **spec))


def celery(late: bool = False, **more: Any) -> dict[str, Any]:
    """A [celery] table. `timeout`: of visibility, with a sweep each second."""
    table: dict[str, Any] = {"task_acks_late": late}
    if timeout := more.pop("timeout", None):
        table["broker_transport_options"] = {
            "visibility_timeout": timeout,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
        }
    return table | more
