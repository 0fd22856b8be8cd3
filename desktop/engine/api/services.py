"""Services: their states, and snapshots of the broker and the workers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from desktop.engine.stack.model import WorkerSpec


class State(StrEnum):
    """The state of a service. The words of `up --json`."""

    STARTING = "starting"
    READY = "ready"
    SILENT = "silent"  # alive, does not answer
    STOPPING = "stopping"
    EXITED = "exited"
    BACKING_OFF = "backing-off"
    CRASH_LOOP = "crash-loop"
    STOPPED = "stopped"

    @property
    def alive(self) -> bool:
        """True while a process of the service may run."""
        return self in _ALIVE


_ALIVE = frozenset({State.STARTING, State.READY, State.SILENT, State.STOPPING})


class Kind(StrEnum):
    """What a service is."""

    BROKER = "broker"
    RELAY = "relay"  # between the workers and the broker, where their network can be broken
    WORKER = "worker"
    BEAT = "beat"
    WEB = "web"


class StackState(StrEnum):
    """The stack as a whole, for the header."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"  # every service ready
    TROUBLED = "troubled"  # some service is not as it should be
    STOPPING = "stopping"


class Light(StrEnum):
    """One of a worker's two lights."""

    OFF = "off"
    WAIT = "wait"
    ON = "on"
    BUSY = "busy"  # answers: silent because it computes (solo, greenlets); not death
    FROZEN = "frozen"  # process: stopped by SIGSTOP
    NO = "no"  # does not answer, and nothing explains it


class StopHow(StrEnum):
    """How a worker is stopped."""

    WARM = "warm"  # SIGTERM to the main process: running tasks finish
    COLD = "cold"  # SIGQUIT to the main process
    KILL = "kill"  # SIGKILL to the whole group


@dataclass(frozen=True, slots=True)
class ServiceEvent:
    """One change of state, pushed at once; also a line of `up --json`."""

    t: float
    service: str
    kind: Kind
    state: State
    pid: int | None
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """The object that `up --json` prints."""
        return {
            "t": round(self.t, 6),
            "service": self.service,
            "kind": self.kind.value,
            "state": self.state.value,
            "pid": self.pid,
            "detail": self.detail,
        }


@dataclass(frozen=True, slots=True)
class ServiceSnapshot:
    """What every service has."""

    name: str
    kind: Kind
    state: State = State.STOPPED
    detail: str = ""  # a sentence for people: why it is in this state
    pid: int | None = None
    since: float = 0.0  # when it came into this state
    started_at: float | None = None  # start of the present process
    restarts: int = 0
    process: Light = Light.OFF
    answers: Light = Light.OFF
    cpu: float = 0.0
    memory: int = 0
    threads: int = 0
    log_file: Path | None = None


@dataclass(frozen=True, slots=True)
class PoolProcess:
    """A child of a prefork worker."""

    pid: int
    cpu: float = 0.0
    memory: int = 0
    frozen: bool = False
    task_id: str | None = None  # what it runs now
    task_name: str | None = None
    task_since: float | None = None


@dataclass(frozen=True, slots=True)
class RunningTask:
    """One attempt that is under way."""

    id: str
    name: str
    since: float
    pid: int
    attempt: int = 1  # 2 and more: it runs again


@dataclass(frozen=True, slots=True)
class WorkerSnapshot:
    """A worker: its service, its pool and what it holds."""

    service: ServiceSnapshot
    spec: WorkerSpec
    node: str  # "w1@laptop"
    pool_size: int = 0
    busy: int = 0
    reserved: int = 0
    scheduled: int = 0
    bounds: tuple[int, int] | None = None  # the autoscaler's, as it has them now
    prefetch: int | None = None
    queues: tuple[str, ...] = ()  # consumed now
    processes: tuple[PoolProcess, ...] = ()
    running: tuple[RunningTask, ...] = ()
    done: int = 0  # attempts ended since the stack was started
    command: str = ""  # the line that starts it, without secrets
    waiting_for: int = 0  # while stopping warm: tasks it still waits for
    mute: bool = False  # attached: it runs tasks and sends no events of them

    @property
    def name(self) -> str:
        """Its name in the stack file."""
        return self.spec.name


@dataclass(frozen=True, slots=True)
class BrokerSnapshot:
    """The broker."""

    service: ServiceSnapshot
    server: str = ""  # "Valkey 9.1.2"
    address: str = ""  # "127.0.0.1:6379", no password
    persistence: str = "none"
    unacked: int = 0  # delivered to some worker, not acknowledged
    clients: int = 0
    used_memory: int = 0
