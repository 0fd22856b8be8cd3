"""What a stack file describes, as frozen dataclasses. Values here are valid (`parse` checks)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Pool(StrEnum):
    """How a worker executes tasks."""

    PREFORK = "prefork"
    THREADS = "threads"
    GEVENT = "gevent"
    EVENTLET = "eventlet"
    SOLO = "solo"


class Restart(StrEnum):
    """When a service that exited by itself is started again."""

    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


class Persistence(StrEnum):
    """What the broker keeps over its own restart."""

    NONE = "none"
    SNAPSHOT = "snapshot"
    APPEND_ONLY = "append-only"


@dataclass(frozen=True, slots=True)
class Autoscale:
    """Bounds of Celery's autoscaler."""

    min: int
    max: int


@dataclass(frozen=True, slots=True)
class AppSpec:
    """The Celery app that the stack serves."""

    target: str = "tasks.app"  # what `celery -A` is given
    directory: Path | None = None
    python: Path | None = None  # interpreter of the project's own venv; None: ours
    env: Mapping[str, str] = field(default_factory=dict)
    env_file: Path | None = None


@dataclass(frozen=True, slots=True)
class BrokerSpec:
    """The broker: ours to start."""

    kind: str = "redis"
    port: int = 0  # 0: a free one
    persistence: Persistence = Persistence.NONE
    server: Path | None = None  # None: redis-server, valkey-server on PATH, the bundled Valkey
    results: bool = False  # keep task results in the broker too
    relay: bool = False  # workers reach it through our relay, so that their network can be broken
    restart: Restart = Restart.ON_FAILURE


@dataclass(frozen=True, slots=True)
class WebSpec:
    """A web service beside the workers. `slow-http`: answers late, for tasks that wait."""

    kind: str = "slow-http"
    port: int = 0
    restart: Restart = Restart.ON_FAILURE


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """One worker. None means Celery's own default."""

    name: str
    pool: Pool = Pool.PREFORK
    autoscale: Autoscale | None = None
    autoscale_keepalive: float | None = None  # seconds; AUTOSCALE_KEEPALIVE, Celery's default 30
    concurrency: int | None = None
    queues: tuple[str, ...] = ("celery",)
    restart: Restart = Restart.ON_FAILURE
    prefetch_multiplier: int | None = None
    disable_prefetch: bool = False
    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None  # KiB
    soft_time_limit: float | None = None  # seconds
    time_limit: float | None = None  # seconds
    pool_start_method: str | None = None  # "fork" | "spawn"
    task_events: bool = False  # -E
    log_level: str = "INFO"
    extra_args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StackSpec:
    """One broker, some workers, perhaps a web service, and the app they serve."""

    name: str
    app: AppSpec = AppSpec()
    broker: BrokerSpec = BrokerSpec()
    celery: Mapping[str, Any] = field(default_factory=dict)
    workers: tuple[WorkerSpec, ...] = ()
    web: WebSpec | None = None
    path: Path | None = None  # the file it was read from
    about: str = ""  # what it shows: the file's first comment

    def worker(self, name: str) -> WorkerSpec | None:
        """The worker of that name."""
        return next((w for w in self.workers if w.name == name), None)
