"""How a worker of a stack file is started, and what of it can be changed while it runs."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from desktop.engine.api import DeskError
from desktop.engine.stack.envfile import read_env_file
from desktop.engine.stack.model import Pool, StackSpec, WorkerSpec
from desktop.engine.stack.problems import WrongError
from desktop.engine.stack.project import BROKER_VARIABLES
from desktop.engine.stack.settings import included_modules, setting_args

# The module that every worker we start loads; its folder is put on the worker's PYTHONPATH.
PROBE_MODULE = "celery_desk_probe"

# Options that are written as `--option=value` when their key is set.
_VALUED = (
    ("max_tasks_per_child", "--max-tasks-per-child"),
    ("max_memory_per_child", "--max-memory-per-child"),
    ("soft_time_limit", "--soft-time-limit"),
    ("time_limit", "--time-limit"),
    ("pool_start_method", "--pool-start-method"),
)
_GROWS = frozenset({Pool.PREFORK, Pool.GEVENT, Pool.EVENTLET})


def node_name(stack: StackSpec, worker: WorkerSpec) -> str:
    """The name that Celery knows a worker by: "w1@laptop"."""
    return f"{worker.name}@{stack.name}"


def worker_command(stack: StackSpec, worker: WorkerSpec, python: Path, *, probe: bool) -> list[str]:
    """The arguments that start a worker, in the folder of [app] directory and with `worker_env`.

    Holds no address and no password: the broker's comes through the environment.
    """
    return [str(python), "-m", "celery", *_arguments(stack, worker, probe=probe)]


def shown_command(stack: StackSpec, worker: WorkerSpec) -> str:
    """The same as a line for a shell, as a person would type it elsewhere: no probe, no secret."""
    line = shlex.join(["celery", *_arguments(stack, worker, probe=False)])
    return (
        f"AUTOSCALE_KEEPALIVE={worker.autoscale_keepalive:g} {line}" if worker.autoscale_keepalive else line
    )


def worker_env(stack: StackSpec, worker: WorkerSpec) -> dict[str, str]:
    """The variables that a worker is given besides the panel's own: env_file, then env, then the worker's.

    Without anything that names a broker or a result backend: those are the stack's to give. Raises DeskError
    when the env_file has gone bad since the stack was read.
    """
    env: dict[str, str] = {}
    if stack.app.env_file is not None:
        try:
            env |= read_env_file(stack.app.env_file)
        except WrongError as error:
            lines = [f"[app] env_file: {fault.what} {fault.next_step}" for fault in error.faults]
            raise DeskError("\n".join(lines)) from None
    env = clean_env(env | dict(stack.app.env))
    if worker.autoscale_keepalive:
        env["AUTOSCALE_KEEPALIVE"] = f"{worker.autoscale_keepalive:g}"
    return env


def clean_env(env: Mapping[str, str]) -> dict[str, str]:
    """An environment without what would overrule a stack file unseen.

    That is BROKER_VARIABLES, and CELERY_WORKER_…, which click reads as options of `celery worker` that were
    not given (bin/celery.py, auto_envvar_prefix): tried, CELERY_WORKER_AUTOSCALE=3,1 starts an autoscaler.
    """
    return {
        name: value
        for name, value in env.items()
        if name not in BROKER_VARIABLES
        and name != "AUTOSCALE_KEEPALIVE"
        and not name.startswith("CELERY_WORKER_")
    }


def _arguments(stack: StackSpec, worker: WorkerSpec, *, probe: bool) -> list[str]:
    settings = setting_args(stack.celery)
    return [
        *("-A", stack.app.target, "worker", "-n", node_name(stack, worker), "-P", worker.pool.value),
        *_size(worker),
        *("-Q", ",".join(worker.queues), "-l", worker.log_level),
        *_options(stack, worker),
        *_include(stack, probe),
        *worker.extra_args,
        *(["--", *settings] if settings else []),
    ]


def _size(worker: WorkerSpec) -> list[str]:
    if worker.autoscale:
        return [f"--autoscale={worker.autoscale.max},{worker.autoscale.min}"]
    return ["-c", str(worker.concurrency)] if worker.concurrency is not None else []


def _options(stack: StackSpec, worker: WorkerSpec) -> list[str]:
    options: list[str] = []
    # `--prefetch-multiplier` is filled from the app's own configuration before the settings after `--` are
    # read, and then wins over them (bin/worker.py): so the one of [celery] has to be an option too.
    multiplier = worker.prefetch_multiplier or stack.celery.get("worker_prefetch_multiplier")
    if multiplier:
        options.append(f"--prefetch-multiplier={multiplier}")
    if worker.disable_prefetch:
        options.append("--disable-prefetch")
    for key, option in _VALUED:
        value = getattr(worker, key)
        if value is not None:
            options.append(f"{option}={value:g}" if isinstance(value, float) else f"{option}={value}")
    return [*options, "-E"] if worker.task_events else options


def _include(stack: StackSpec, probe: bool) -> list[str]:
    # One option: of several, click keeps only the last.
    modules = [*([PROBE_MODULE] if probe else []), *included_modules(stack.celery)]
    return ["--include", ",".join(modules)] if modules else []


@dataclass(frozen=True, slots=True)
class Step:
    """A control command of Celery that one worker is sent: `app.control.broadcast(command, arguments)`."""

    command: str  # "autoscale", "pool_grow", "pool_shrink", "add_consumer" or "cancel_consumer"
    arguments: Mapping[str, Any] = field(default_factory=dict)


def live_steps(old: WorkerSpec, new: WorkerSpec) -> tuple[Step, ...]:
    """The control commands that turn a running `old` into `new`, in order.

    Only what `live_change` calls possible; queues are added before others are cancelled.
    """
    steps: list[Step] = []
    if old.autoscale and new.autoscale and old.autoscale != new.autoscale:
        steps.append(Step("autoscale", {"max": new.autoscale.max, "min": new.autoscale.min}))
    if old.concurrency is not None and new.concurrency is not None and old.concurrency != new.concurrency:
        more = new.concurrency - old.concurrency
        steps.append(Step("pool_grow", {"n": more}) if more > 0 else Step("pool_shrink", {"n": -more}))
    steps += [Step("add_consumer", {"queue": queue}) for queue in new.queues if queue not in old.queues]
    steps += [Step("cancel_consumer", {"queue": queue}) for queue in old.queues if queue not in new.queues]
    return tuple(steps)


def live_change(old: WorkerSpec, new: WorkerSpec) -> tuple[bool, str]:
    """(True, what is done while the worker runs) or (False, why only a restart does it).

    By what each pool's control commands did on Celery 5.7: `autoscale` needs a worker that was started with
    the autoscaler; `pool_grow` and `pool_shrink` fail on threads and solo, and beside the autoscaler.
    """
    changed = [item.name for item in fields(WorkerSpec) if getattr(old, item.name) != getattr(new, item.name)]
    if not changed:
        return True, "Nothing changes."
    reasons = [reason for key in changed if (reason := _needs_restart(key, old, new))]
    if reasons:
        return False, f"{' '.join(dict.fromkeys(reasons))} A restart of {old.name} does it."
    return True, " ".join(_told(key, old, new) for key in changed)


def _needs_restart(key: str, old: WorkerSpec, new: WorkerSpec) -> str:
    """Why this key cannot be changed while the worker runs; "" when it can."""
    match key:
        case "queues" | "restart":
            return ""
        case "autoscale" if old.autoscale and new.autoscale and old.pool is new.pool:
            return ""
        case "autoscale":
            has = "has none" if not old.autoscale else "keeps it until its end"
            return f"Celery starts the autoscaler with the worker: one that runs {has}."
        case "concurrency" if old.pool not in _GROWS:
            return f"The {old.pool.value} pool cannot grow or shrink while it runs."
        case "concurrency" if old.autoscale or new.autoscale:
            return "Celery starts the autoscaler with the worker, and grows the pool by hand only without it."
        case "concurrency" if old.concurrency is None or new.concurrency is None:
            return "Without a concurrency of its own the worker took Celery's default: the step is not known."
        case "concurrency":
            return ""
        case "autoscale_keepalive":
            return "AUTOSCALE_KEEPALIVE is read when the worker starts."
        case "name":
            return "A worker has its name from its start."
    return f"{key} is an option that a worker reads when it starts."


def _told(key: str, old: WorkerSpec, new: WorkerSpec) -> str:
    if key == "autoscale" and old.autoscale and new.autoscale:
        return (
            f"The autoscaler's bounds become {new.autoscale.min} to {new.autoscale.max}; "
            "processes that run a task are never shrunk."
        )
    if key == "concurrency" and old.concurrency and new.concurrency:
        more = new.concurrency - old.concurrency
        verb = "grows" if more > 0 else "shrinks"
        return f"The pool {verb} from {old.concurrency} to {new.concurrency}; it may take some seconds."
    if key == "queues":
        added = [queue for queue in new.queues if queue not in old.queues]
        gone = [queue for queue in old.queues if queue not in new.queues]
        parts = [f"consumes {', '.join(added)} too"] if added else []
        parts += [f"consumes {', '.join(gone)} no longer"] if gone else []
        return f"{old.name} {' and '.join(parts) or 'keeps its queues in another order'}."
    return f"From its next exit on, {old.name} is started again by the new rule ({new.restart.value})."
