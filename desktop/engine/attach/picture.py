"""Draws the snapshot of an attached stack."""

from __future__ import annotations

import time
from collections.abc import Sequence

from desktop.engine.api import (
    BrokerSnapshot,
    Kind,
    Leftover,
    Light,
    LoadSnapshot,
    PoolProcess,
    ServiceSnapshot,
    StackSnapshot,
    State,
    WorkerSnapshot,
)
from desktop.engine.attach.crew import Member
from desktop.engine.attach.live import AttachedLive
from desktop.engine.attach.states import Seen
from desktop.engine.observe.processes import TreeSample
from desktop.engine.observe.sampler import Sampler
from desktop.engine.snapshots import queue_names, queues_of


def of_attached(
    live: AttachedLive, sampler: Sampler, loads: Sequence[LoadSnapshot], leftovers: Sequence[Leftover]
) -> StackSnapshot:
    """The moment."""
    members, seen = live.members(), live.states.seen
    workers = tuple(_worker(live, sampler, seen[name], members.get(name)) for name in sorted(seen))
    spec, problem = live.spec(), live.feed.problem
    names = queue_names(spec, [share.queue for load in loads for share in load.workload.mix if share.queue])
    return StackSnapshot(
        t=time.time(),
        spec=spec,
        state=live.state(),
        started_at=live.started_at,
        broker=_broker(live, sampler),
        workers=workers,
        queues=queues_of(names, sampler, workers, live.feed.told),
        totals=live.feed.totals(),
        loads=tuple(loads),
        marks=tuple(live.marks),
        run_folder=live.run_folder,
        leftovers=tuple(leftovers),
        balance=live.feed.told.balance,
        attached=live.endpoint.address,
        gaps=(*live.feed.told.gaps, *([problem] if problem else [])),
    )


def _broker(live: AttachedLive, sampler: Sampler) -> BrokerSnapshot:
    depths = sampler.depths
    state = State.SILENT if live.problem else State.READY
    service = ServiceSnapshot(
        name="broker",
        kind=Kind.BROKER,
        state=state,
        detail=live.problem or "answers",
        since=live.started_at,
        process=Light.ON if depths else Light.NO,
        answers=Light.ON if depths else Light.NO,
    )
    return BrokerSnapshot(
        service=service,
        server=depths.server if depths else "",
        address=live.endpoint.address,
        persistence="",
        unacked=depths.unacked if depths else 0,
        clients=depths.clients if depths else 0,
        used_memory=depths.used_memory if depths else 0,
    )


def _worker(live: AttachedLive, sampler: Sampler, seen: Seen, member: Member | None) -> WorkerSnapshot:
    member = member or Member(seen.name)
    alive = seen.state.alive
    tree = sampler.trees.get(seen.name) if alive else None
    pool = live.feed.pool(seen.name, seen.start)
    running = live.feed.running(seen.name, seen.start) if alive else ()
    service = ServiceSnapshot(
        name=seen.name,
        kind=Kind.WORKER,
        state=seen.state,
        detail=seen.detail,
        pid=seen.pid or member.pid or None,
        since=seen.since,
        started_at=member.started_at if alive else None,
        restarts=seen.start - 1,
        process=seen.process,
        answers=seen.answers,
        cpu=tree.cpu if tree else 0.0,
        memory=tree.memory if tree else 0,
        threads=tree.threads if tree else 0,
    )
    return WorkerSnapshot(
        service=service,
        spec=member.spec(),
        node=seen.name,
        pool_size=member.size if alive else 0,
        busy=max(seen.busy, len(running)) if alive else 0,
        reserved=pool.reserved if pool and alive else 0,
        scheduled=pool.scheduled if pool and alive else 0,
        bounds=member.bounds,
        prefetch=member.prefetch,
        queues=member.queues if alive else (),
        processes=_processes(tree, member.pids),
        running=running,
        done=live.feed.done(seen.name),
        waiting_for=len(running) if seen.state is State.STOPPING else 0,
        mute=seen.mute,
    )


def _processes(tree: TreeSample | None, pids: Sequence[int]) -> tuple[PoolProcess, ...]:
    """Of a worker of this machine. Which task each of them runs no event tells."""
    if tree is None:
        return ()
    found = (PoolProcess(p.pid, p.cpu, p.memory, p.frozen) for p in tree.processes if p.pid in pids)
    return tuple(sorted(found, key=lambda process: process.pid))
