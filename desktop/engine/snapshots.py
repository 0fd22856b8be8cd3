"""Draws the snapshot of one moment from a living stack and what was observed of it."""

from __future__ import annotations

import time
from collections.abc import Sequence

from desktop.engine.api import (
    BrokerSnapshot,
    Leftover,
    LoadSnapshot,
    PoolProcess,
    QueueSnapshot,
    RunningTask,
    ServiceSnapshot,
    StackSnapshot,
    StackState,
    State,
    StopHow,
    WorkerSnapshot,
)
from desktop.engine.observe.processes import TreeSample
from desktop.engine.observe.sampler import Sampler
from desktop.engine.record.told import QueueTold, Told
from desktop.engine.stack.command import shown_command
from desktop.engine.stack.model import StackSpec, WorkerSpec
from desktop.engine.supervise.live import LiveStack
from desktop.engine.supervise.service import Service
from desktop.engine.supervise.services import WorkerService


def of_stopped(spec: StackSpec, dirty: bool, leftovers: Sequence[Leftover]) -> StackSnapshot:
    """A stack before its first start."""
    workers = tuple(
        WorkerSnapshot(
            service=ServiceSnapshot(worker.name, kind=WorkerService.kind),
            spec=worker,
            node=f"{worker.name}@{spec.name}",
            bounds=_bounds(worker),
            queues=worker.queues,
            command=shown_command(spec, worker),
        )
        for worker in spec.workers
    )
    queues = tuple(QueueSnapshot(name) for name in queue_names(spec))
    return StackSnapshot(
        t=time.time(), spec=spec, workers=workers, queues=queues, dirty=dirty, leftovers=tuple(leftovers)
    )


def queue_names(spec: StackSpec, more: Sequence[str] = ()) -> tuple[str, ...]:
    """Every queue that a worker consumes, and `more`, without repeats, in order."""
    names = [queue for worker in spec.workers for queue in worker.queues]
    return tuple(dict.fromkeys([*names, *more]))


def of_living(
    live: LiveStack,
    sampler: Sampler,
    queues: Sequence[str],
    loads: Sequence[LoadSnapshot],
    dirty: bool,
    leftovers: Sequence[Leftover],
) -> StackSnapshot:
    """A stack that was started."""
    spec = live.spec()
    workers = tuple(_worker(live, sampler, worker) for worker in tuple(live.workers.values()))
    state, relay = live.state(), live.relay
    return StackSnapshot(
        t=time.time(),
        spec=spec,
        state=state,
        started_at=live.started_at if state is not StackState.STOPPED else None,
        broker=_broker(live, sampler),
        relay=_service(relay, sampler) if relay is not None else None,
        web=_service(live.web, sampler) if live.web is not None else None,
        workers=workers,
        queues=queues_of(queues, sampler, workers, live.feed.told),
        totals=live.feed.totals(),
        loads=tuple(loads),
        marks=tuple(live.marks),
        run_folder=live.run_folder,
        dirty=dirty,
        leftovers=tuple(leftovers),
        balance=live.feed.told.balance,
        gaps=_gaps(live),
    )


def _gaps(live: LiveStack) -> tuple[str, ...]:
    """What the record does not know."""
    problem = live.feed.problem
    return (*live.feed.told.gaps, problem) if problem else live.feed.told.gaps


def _service(service: Service, sampler: Sampler) -> ServiceSnapshot:
    process = service.process
    tree = sampler.trees.get(service.name) if process is not None else None
    return ServiceSnapshot(
        name=service.name,
        kind=service.kind,
        state=service.state,
        detail=service.detail,
        pid=process.pid if process is not None else None,
        since=service.since,
        started_at=process.started_at if process is not None else None,
        restarts=service.restarts,
        process=service.process_light(),
        answers=service.answer_light(),
        cpu=tree.cpu if tree else 0.0,
        memory=tree.memory if tree else 0,
        threads=tree.threads if tree else 0,
        log_file=service.log_file,
    )


def _broker(live: LiveStack, sampler: Sampler) -> BrokerSnapshot:
    depths = sampler.depths
    return BrokerSnapshot(
        service=_service(live.broker, sampler),
        server=str(live.server) if live.server is not None else "",
        address=live.endpoint.address if live.endpoint is not None else "",
        persistence=live.spec().broker.persistence.value,
        unacked=depths.unacked if depths else 0,
        clients=depths.clients if depths else 0,
        used_memory=depths.used_memory if depths else 0,
    )


def _worker(live: LiveStack, sampler: Sampler, worker: WorkerService) -> WorkerSnapshot:
    service = _service(worker, sampler)
    alive = worker.process is not None
    pool = live.feed.pool(worker.name, worker.starts) if alive else None
    running = live.feed.running(worker.name, worker.starts) if alive else ()
    bounds = _bounds(worker.spec)
    if pool is not None and pool.bounds is not None:
        bounds = pool.bounds
    stopping = worker.state is State.STOPPING and worker.stopping is StopHow.WARM
    return WorkerSnapshot(
        service=service,
        spec=worker.spec,
        node=worker.node,
        pool_size=pool.size if pool else 0,
        busy=pool.busy if pool else 0,
        reserved=pool.reserved if pool else 0,
        scheduled=pool.scheduled if pool else 0,
        bounds=bounds,
        prefetch=pool.prefetch if pool else None,
        queues=worker.spec.queues,
        processes=_processes(sampler.trees.get(worker.name), pool.pids if pool else (), running),
        running=running,
        done=live.feed.done(worker.name),
        command=worker.command,
        waiting_for=len(running) if stopping else 0,
    )


def _bounds(spec: WorkerSpec) -> tuple[int, int] | None:
    return (spec.autoscale.min, spec.autoscale.max) if spec.autoscale is not None else None


def _processes(
    tree: TreeSample | None, pids: Sequence[int], running: Sequence[RunningTask]
) -> tuple[PoolProcess, ...]:
    if tree is None:
        return ()
    tasks = {task.pid: task for task in running}
    found = []
    for process in tree.processes:
        if process.pid not in pids:
            continue
        task = tasks.get(process.pid)
        found.append(
            PoolProcess(
                pid=process.pid,
                cpu=process.cpu,
                memory=process.memory,
                frozen=process.frozen,
                task_id=task.id if task else None,
                task_name=task.name if task else None,
                task_since=task.since if task else None,
            )
        )
    return tuple(sorted(found, key=lambda process: process.pid))


def queues_of(
    names: Sequence[str], sampler: Sampler, workers: Sequence[WorkerSnapshot], told: Told
) -> tuple[QueueSnapshot, ...]:
    """Where the messages of these queues are, and of those that the recorder came across."""
    depths = sampler.depths
    found = []
    for name in dict.fromkeys([*names, *told.queues]):
        queue = told.queues.get(name) or QueueTold(name)
        waiting, by_priority = queue.seen or (0, {})
        if depths is not None and name in depths.queues:  # asked more often
            waiting, by_priority = depths.queues[name]
        found.append(
            QueueSnapshot(
                name,
                waiting,
                by_priority,
                consumers=tuple(w.name for w in workers if name in w.queues and w.service.state.alive),
                reserved=sum(held.reserved for held in queue.held),
                active=sum(held.active for held in queue.held),
                scheduled=sum(held.scheduled for held in queue.held),
                stranded=sum(held.stranded for held in queue.held),
                held=queue.held,
                oldest_since=queue.oldest_since if waiting else None,
                rate_in=queue.rate_in,
                rate_out=queue.rate_out,
            )
        )
    return tuple(found)
