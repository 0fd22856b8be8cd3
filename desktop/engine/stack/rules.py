"""Which keys of a worker go together: what Celery 5.7 would ignore, or die of, is refused with the reason.

Measured on Celery 5.7.0, each pool: time limits, max-tasks, autoscale and concurrency. A key that a pool
silently ignores would make the panel show something that is not so.
"""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from typing import Any

from desktop.engine.api import DeskError
from desktop.engine.stack import values
from desktop.engine.stack.model import Autoscale, Pool, Restart, WorkerSpec
from desktop.engine.stack.options import extra_arg_faults
from desktop.engine.stack.problems import Fault, WrongError

# Which pools do what each key says.
_SCALES = frozenset({Pool.PREFORK, Pool.GEVENT, Pool.EVENTLET})
_PREFORK_ONLY = ("soft_time_limit", "max_tasks_per_child", "max_memory_per_child", "pool_start_method")
_HARD_LIMIT = frozenset({Pool.PREFORK, Pool.GEVENT})
# Far above what a laptop can use; a slip of the key must not start ten thousand processes.
_MOST = {Pool.PREFORK: 200, Pool.THREADS: 5_000, Pool.GEVENT: 50_000, Pool.EVENTLET: 50_000}

READERS: dict[str, Any] = {
    "name": values.worker_name,
    "pool": values.member(Pool),
    "autoscale": values.autoscale,
    "autoscale_keepalive": values.seconds,
    "concurrency": values.whole(1),
    "queues": values.queues,
    "restart": values.member(Restart),
    "prefetch_multiplier": values.whole(1, 100_000, "Celery's command line takes 0 for not given"),
    "disable_prefetch": values.flag,
    "max_tasks_per_child": values.whole(1),
    "max_memory_per_child": values.whole(1, unit="KiB"),
    "soft_time_limit": values.seconds,
    "time_limit": values.seconds,
    "pool_start_method": values.word(("fork", "spawn")),
    "task_events": values.flag,
    "log_level": values.log_level,
    "extra_args": values.strings,
}


def raw(value: Any) -> Any:
    """A value of a spec as it stands in a file."""
    match value:
        case Autoscale():
            return {"min": value.min, "max": value.max}
        case Enum():
            return value.value
        case tuple():
            return [raw(item) for item in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def worker_faults(worker: WorkerSpec) -> list[Fault]:
    """Everything that keeps a worker of this spec from doing what the spec says; empty when it is right."""
    faults: list[Fault] = []
    for field in fields(worker):
        value = getattr(worker, field.name)
        if value is None:
            continue
        try:
            READERS[field.name](raw(value))
        except WrongError as error:
            faults += [fault.under(field.name) for fault in error.faults]
    return faults + combination_faults(worker)


def check_worker(worker: WorkerSpec) -> None:
    """Raise DeskError with every reason why a worker of this spec cannot work."""
    faults = worker_faults(worker)
    if faults:
        lines = [
            f"worker {worker.name}, {'.'.join(map(str, fault.at))}: {fault.what} {fault.next_step}"
            for fault in faults
        ]
        raise DeskError("\n".join(lines))


def combination_faults(worker: WorkerSpec) -> list[Fault]:
    """What keys say against each other or against the pool; each key by itself is right."""
    faults = [*_size_faults(worker), *_limit_faults(worker)]
    faults += [fault.under("extra_args") for fault in extra_arg_faults(worker.extra_args)]
    return faults


def _size_faults(worker: WorkerSpec) -> list[Fault]:
    faults: list[Fault] = []
    if worker.autoscale and worker.pool not in _SCALES:
        faults.append(_no_autoscale(worker.pool))
    if worker.autoscale and worker.concurrency is not None:
        step = "Keep autoscale for a pool that grows and shrinks, or concurrency for one of fixed size."
        faults.append(Fault("cannot stand beside autoscale.", step, ("concurrency",)))
    if worker.autoscale_keepalive is not None and not worker.autoscale:
        step = "Add autoscale = { min = 1, max = 4 }, or take autoscale_keepalive out."
        faults.append(Fault("means nothing without autoscale.", step, ("autoscale_keepalive",)))
    size = worker.autoscale.max if worker.autoscale else worker.concurrency or 1
    key = ("autoscale", "max") if worker.autoscale else ("concurrency",)
    if worker.pool is Pool.SOLO and not worker.autoscale and size > 1:
        step = 'Take it out, or choose pool = "prefork" or "threads".'
        faults.append(Fault(f"cannot be {size} on solo, which runs one task at a time.", step, key))
    elif size > (most := _MOST.get(worker.pool, size)):
        faults.append(Fault(f"cannot be {size}.", f"Allowed on {worker.pool.value}: 1 to {most}.", key))
    return faults


def _no_autoscale(pool: Pool) -> Fault:
    """Why not: celery#5333, closed and still so in 5.7.0.

    The threads pool has no `grow`, and the autoscaler calls it at the first task. Solo takes the option and
    stays at one.
    """
    if pool is Pool.THREADS:
        what = "does not work on threads: Celery's worker dies at its first task (celery#5333)."
        step = 'Write concurrency = 4: threads only start when they are needed. Or choose pool = "prefork".'
    else:
        what = "is ignored on solo, which runs one task at a time."
        step = 'Take it out, or choose pool = "prefork", "gevent" or "eventlet".'
    return Fault(what, step, ("autoscale",))


def _limit_faults(worker: WorkerSpec) -> list[Fault]:
    faults = [
        Fault(
            f"is ignored on {worker.pool.value}.",
            'Only pool = "prefork" honours it; change the pool or take it out.',
        ).under(key)
        for key in _PREFORK_ONLY
        if getattr(worker, key) is not None and worker.pool is not Pool.PREFORK
    ]
    if worker.time_limit is not None and worker.pool not in _HARD_LIMIT:
        step = 'Only pool = "prefork" and "gevent" honour it; change the pool or take it out.'
        faults.append(Fault(f"is ignored on {worker.pool.value}.", step, ("time_limit",)))
    soft, hard = worker.soft_time_limit, worker.time_limit
    if soft is not None and hard is not None and soft >= hard:
        what = f"({soft:g} s) must be less than time_limit ({hard:g} s), else it never gets its turn."
        faults.append(Fault(what, "Lower soft_time_limit or raise time_limit.", ("soft_time_limit",)))
    return faults
