"""What `FakeDesk` shows: believable workers, queues, tasks and log lines."""

from __future__ import annotations

import math
from collections.abc import Sequence

from desktop.engine.api import (
    BrokerSnapshot,
    Kind,
    Light,
    LoadSnapshot,
    LoadState,
    Mark,
    MarkKind,
    Param,
    PoolProcess,
    QueueSnapshot,
    RunningTask,
    ServiceSnapshot,
    State,
    TaskInfo,
    TaskShare,
    Totals,
    WorkerSnapshot,
    Workload,
)
from desktop.engine.stack.model import Autoscale, Pool, WorkerSpec
from tests.support.fake_queues import queue_of

MEGA = 1024 * 1024

SPECS = (
    WorkerSpec(name="w1", pool=Pool.PREFORK, autoscale=Autoscale(1, 4), queues=("celery", "mail")),
    WorkerSpec(name="w2", pool=Pool.THREADS, concurrency=8, queues=("celery",)),
    WorkerSpec(name="reports", pool=Pool.GEVENT, concurrency=100, queues=("reports",)),
    WorkerSpec(name="solo-1", pool=Pool.SOLO, queues=("mail",)),
)

CATALOG = (
    TaskInfo(
        name="tasks.cpu.count_primes",
        params=(Param("limit", "int", 20000, doc="Count the primes below it."),),
        summary="Counts primes in pure Python: holds the GIL.",
        group="cpu",
    ),
    TaskInfo(
        name="tasks.cpu.hash_password",
        params=(
            Param("rounds", "int", 120000, doc="PBKDF2 rounds."),
            Param("algorithm", "choice", "sha256", choices=("sha256", "sha512"), doc="The hash."),
        ),
        summary="Hashes a password: releases the GIL.",
        group="cpu",
    ),
    TaskInfo(
        name="tasks.io.fetch",
        params=(Param("seconds", "float", 0.2, doc="How late the server answers."),),
        summary="Asks the slow local server for a page.",
        group="io",
    ),
    TaskInfo(
        name="tasks.trouble.flaky",
        params=(Param("chance", "float", 0.3, required=True, doc="Of failing, 0 to 1."),),
        summary="Fails by chance and is retried.",
        group="trouble",
    ),
    TaskInfo(name="tasks.basic.noop", summary="Does nothing.", group="basic"),
)

LOG_TEXTS = (
    ("INFO", "Task tasks.cpu.count_primes[7f3a-{n:04d}] received"),
    ("INFO", "Task tasks.cpu.count_primes[7f3a-{n:04d}] succeeded in 0.184s: 2262"),
    ("INFO", "Task tasks.io.fetch[91bc-{n:04d}] succeeded in 0.203s: 200"),
    ("DEBUG", "TaskPool: Apply <function fast_trace_task> (pid:{n})"),
    ("WARNING", "Task tasks.trouble.flaky[44d0-{n:04d}] retry: Retry in 1s: Unlucky('0.12 < 0.3')"),
    ("INFO", "Scaling up 1 processes."),
    ("ERROR", "Task tasks.trouble.flaky[44d0-{n:04d}] raised unexpected: Unlucky('0.07 < 0.3')"),
    ("", "    raise Unlucky(f'{n} < 0.3')"),
    ("INFO", "Task tasks.cpu.hash_password[02ee-{n:04d}] received"),
)


def worker_of(index: int, spec: WorkerSpec, now: float, born: float, up: bool) -> WorkerSnapshot:
    """One worker as it stands at `now`."""
    command = f"celery -A tasks.app worker -n {spec.name}@%h --pool={spec.pool.value}"
    if not up:
        service = ServiceSnapshot(spec.name, Kind.WORKER, State.STOPPED, since=born)
        return WorkerSnapshot(service, spec, f"{spec.name}@laptop", command=command)
    wave = 0.5 + 0.5 * math.sin(now / (23 + 5 * index) + index)
    busy = 1 if spec.pool is Pool.SOLO else round(wave * 4)
    size = max(1, min(4, busy + 1)) if spec.autoscale else (spec.concurrency or 1)
    silent = spec.pool is Pool.SOLO
    service = ServiceSnapshot(
        name=spec.name,
        kind=Kind.WORKER,
        state=State.READY,
        detail="Computes and does not answer meanwhile." if silent else "",
        pid=41000 + 100 * index,
        since=born - 300,
        started_at=born - 302,
        restarts=1 if index == 1 else 0,
        process=Light.ON,
        answers=Light.BUSY if silent else Light.ON,
        cpu=busy * 92.0 + 6,
        memory=int((180 + 60 * wave) * MEGA),
        threads=3 + busy,
    )
    return WorkerSnapshot(
        service=service,
        spec=spec,
        node=f"{spec.name}@laptop",
        pool_size=size,
        busy=busy,
        reserved=busy * 4,
        scheduled=index,
        bounds=(spec.autoscale.min, spec.autoscale.max) if spec.autoscale else None,
        prefetch=size * 4,
        queues=spec.queues,
        processes=_processes(spec, size, busy, index, now),
        running=tuple(_running(k, index, now) for k in range(busy)),
        done=1840 * (index + 1) + int((now - born) * 9),
        command=command,
    )


def _processes(spec: WorkerSpec, size: int, busy: int, index: int, now: float) -> tuple[PoolProcess, ...]:
    if spec.pool is not Pool.PREFORK:
        return ()
    return tuple(
        PoolProcess(
            pid=41001 + 100 * index + k,
            cpu=94.0 if k < busy else 0.3,
            memory=(52 + 3 * k) * MEGA,
            task_id=f"7f3a-{k:04d}" if k < busy else None,
            task_name="tasks.cpu.count_primes" if k < busy else None,
            task_since=now - 0.3 * (k + 1) if k < busy else None,
        )
        for k in range(size)
    )


def _running(k: int, index: int, now: float) -> RunningTask:
    return RunningTask(
        id=f"7f3a-{index}{k:03d}",
        name="tasks.cpu.count_primes" if k % 2 == 0 else "tasks.io.fetch",
        since=now - 0.3 * (k + 1),
        pid=41001 + 100 * index + k,
        attempt=2 if k == 2 else 1,
    )


def broker_of(
    now: float, born: float, up: bool, workers: Sequence[WorkerSnapshot]
) -> tuple[BrokerSnapshot, tuple[QueueSnapshot, ...], Totals]:
    """The broker, what waits in it, and the account of the tasks."""
    names = sorted({queue for w in workers for queue in w.spec.queues})
    if not up:
        service = ServiceSnapshot("broker", Kind.BROKER, State.STOPPED, since=born)
        return BrokerSnapshot(service), tuple(QueueSnapshot(name) for name in names), Totals()
    lights = {"process": Light.ON, "answers": Light.ON}
    service = ServiceSnapshot(
        "broker", Kind.BROKER, State.READY, pid=40990, since=born - 311, cpu=4.2, memory=9 * MEGA, **lights
    )
    broker = BrokerSnapshot(
        service, "Valkey 9.1.2", "127.0.0.1:6379", unacked=23, clients=14, used_memory=4 * MEGA
    )
    queues = tuple(queue_of(name, i, now, workers) for i, name in enumerate(names))
    done = 5520 + int((now - born) * 42)
    totals = Totals(
        submitted=8000,
        received=done + 40,
        started=done + 44,
        succeeded=done - 61,
        failed=37,
        retried=102,
        running=sum(w.busy for w in workers),
        cut=2,
        ran_twice=2,
        per_second=42.3,
    )
    return broker, queues, totals


def loads_of(born: float) -> tuple[LoadSnapshot, ...]:
    """Two workloads: one that is being sent and one that is done."""
    mixed = Workload(
        mix=(TaskShare("tasks.cpu.count_primes", weight=3), TaskShare("tasks.io.fetch", weight=1)),
        count=2000,
        rate=50,
        name="mixed",
    )
    burst = Workload(mix=(TaskShare("tasks.basic.noop"),), count=500, name="burst of no-ops")
    done = LoadSnapshot(1, burst, LoadState.DONE, born - 200, 500, ended=500, ended_at=born - 190)
    return (
        LoadSnapshot(2, mixed, LoadState.SENDING, born - 22, sent=1104, ended=874, rate=49.8),
        done,
    )


def marks_of(born: float) -> tuple[Mark, ...]:
    """What has happened in the last minutes."""
    return (
        Mark(born - 270, MarkKind.LOAD, "load-1", "500 no-ops submitted"),
        Mark(born - 160, MarkKind.KILLED, "w2", "w2 was killed by SIGKILL while it ran 2 tasks"),
        Mark(born - 158, MarkKind.STARTED, "w2", "w2 started again after 0.5 s"),
        Mark(born - 155, MarkKind.RECOVERED, "w2", "w2 answers again"),
        Mark(born - 60, MarkKind.SETTINGS, "w1", "w1: autoscale 1–4"),
        Mark(born - 22, MarkKind.LOAD, "load-2", "2,000 mixed tasks at 50 a second"),
    )
