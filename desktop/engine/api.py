"""What the screen, the command line and the tests know of the engine.

One interface, `Desk`: verbs that return futures, and frozen snapshots. The window
draws snapshots and calls verbs; it imports nothing else of the engine. A fake `Desk`
drives the window's own tests.

Units, everywhere: times are seconds since the epoch (float), durations are seconds,
memory is bytes, CPU is percent of one core (two busy cores are 200).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from desktop.engine.stack.model import StackSpec, WorkerSpec


class DeskError(Exception):
    """Something that a person must be told: what happened, and the next step to take.

    `free_port` is offered where a port was taken.
    """

    free_port: int | None = None

    def __init__(self, what: str, next_step: str = "") -> None:
        super().__init__(f"{what} {next_step}".strip())
        self.what = what
        self.next_step = next_step


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


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """A queue: what waits in the broker, all priorities together."""

    name: str
    waiting: int = 0
    by_priority: Mapping[int, int] = field(default_factory=dict)
    consumers: tuple[str, ...] = ()  # names of live workers that consume it


@dataclass(frozen=True, slots=True)
class Totals:
    """The account of the tasks so far, from the ledger."""

    submitted: int = 0  # by our load generator
    received: int = 0  # distinct tasks
    started: int = 0  # attempts
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    revoked: int = 0
    running: int = 0
    cut: int = 0  # attempts whose process died while they ran
    ran_twice: int = 0  # tasks with more than one attempt that no retry asked for
    per_second: float = 0.0  # tasks ended a second, over the last 5 s


class LoadState(StrEnum):
    """Where a submitted workload stands."""

    STARTING = "starting"
    SENDING = "sending"
    PAUSED = "paused"
    WAITING = "waiting"  # for the broker
    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class TaskShare:
    """One task of a workload's mix."""

    task: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    queue: str | None = None  # None: the app's routing
    weight: int = 1
    countdown: float | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """What is submitted: a mix of tasks, and how many or how fast or both.

    `count` alone is a burst, `rate` (tasks a second) alone runs until it is cancelled or
    `seconds` are over, both together send `count` at `rate`.
    """

    mix: tuple[TaskShare, ...]
    count: int | None = None
    rate: float | None = None
    seconds: float | None = None
    name: str = ""
    seed: int = 0  # the order of a mix is drawn with it


@dataclass(frozen=True, slots=True)
class LoadSnapshot:
    """A workload that was submitted. `sent` is exact: confirmed by the broker."""

    id: int
    workload: Workload
    state: LoadState
    started_at: float
    sent: int = 0
    in_doubt: int = 0  # handed over when the broker broke; being looked up
    ended: int = 0  # of the sent ones
    rate: float = 0.0  # sent a second, of late
    detail: str = ""
    ended_at: float | None = None


class MarkKind(StrEnum):
    """What a mark on the time line tells."""

    STARTED = "started"
    READY = "ready"
    KILLED = "killed"
    EXITED = "exited"
    RECOVERED = "recovered"
    SIGNAL = "signal"
    SETTINGS = "settings"
    LOAD = "load"


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on the time line."""

    t: float
    kind: MarkKind
    service: str
    text: str


@dataclass(frozen=True, slots=True)
class Param:
    """One argument of a task, as the submit form needs it."""

    name: str
    kind: str  # "int" | "float" | "str" | "bool" | "choice" | "json"
    default: Any = None
    required: bool = False
    choices: tuple[str, ...] = ()
    doc: str = ""


@dataclass(frozen=True, slots=True)
class TaskInfo:
    """A task that can be submitted."""

    name: str
    params: tuple[Param, ...] = ()
    summary: str = ""  # first sentence of its docstring
    doc: str = ""
    queue: str | None = None
    group: str = ""  # its module, for people: "cpu", "io", …


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a service wrote."""

    seq: int  # grows by one a line over all services
    service: str
    t: float  # from the line if it has one, else when it was read
    level: str  # "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL" | "" (continuation)
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """Part of a series: times (seconds since the epoch) and values. NaN is a gap."""

    t: array[float]
    v: array[float]


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a crashed panel left running."""

    session: str
    stack: str
    panel_pid: int
    started_at: float
    processes: tuple[tuple[str, int], ...]  # (service name, pid), alive now
    run_folder: Path
    adoptable: bool = True


@dataclass(frozen=True, slots=True)
class SignalOffer:
    """One entry of a kill menu."""

    signal: str  # "TERM", "INT", "QUIT", "KILL", "STOP", "CONT"
    title: str  # "Warm stop (SIGTERM)"
    effect: str  # what it will do to the tasks of this moment
    destructive: bool = False  # tasks are lost or run again


@dataclass(frozen=True, slots=True)
class StackSnapshot:
    """Everything the window shows, of one moment."""

    t: float
    spec: StackSpec
    state: StackState = StackState.STOPPED
    started_at: float | None = None
    broker: BrokerSnapshot | None = None
    web: ServiceSnapshot | None = None
    workers: tuple[WorkerSnapshot, ...] = ()
    queues: tuple[QueueSnapshot, ...] = ()
    totals: Totals = Totals()
    loads: tuple[LoadSnapshot, ...] = ()
    marks: tuple[Mark, ...] = ()
    run_folder: Path | None = None
    dirty: bool = False  # the live stack differs from its file
    leftovers: tuple[Leftover, ...] = ()

    def worker(self, name: str) -> WorkerSnapshot | None:
        """The worker of that name."""
        return next((w for w in self.workers if w.name == name), None)


# Names of the series, with the service or queue behind the colon:
#   cpu:<service>  memory:<service>  threads:<service>
#   size:<worker>  busy:<worker>  reserved:<worker>  min:<worker>  max:<worker>
#   depth:<queue>  unacked:  ended:  (tasks ended a second)  failed:  (the same, failed)


class Desk(Protocol):
    """The engine, as everything outside knows it.

    Verbs return at once; the future ends with a sentence that says what was done, or with a
    `DeskError`. Every method may be called from any thread.
    """

    # what there is
    def snapshot(self) -> StackSnapshot:
        """The present moment; cheap, made anew at most twenty times a second."""

    def subscribe(self, heard: Callable[[ServiceEvent], None]) -> Callable[[], None]:
        """Call `heard` at once, from an engine thread, at each change of a service's state.

        Returns the function that ends it.
        """

    def series(self, name: str, seconds: float = 300.0) -> Series:
        """The last `seconds` of a series; empty when there is none of that name."""

    def log_lines(self, after: int = -1, limit: int = 5000) -> Sequence[LogLine]:
        """Lines with a larger `seq` than `after`, oldest first: the last `limit` of them."""

    def catalog(self) -> Future[tuple[TaskInfo, ...]]:
        """The tasks of the stack's app."""

    def signal_offers(self, worker: str, pid: int | None = None) -> tuple[SignalOffer, ...]:
        """The kill menu of a worker, or of one of its pool processes."""

    # which stack
    def open_stack(self, path_or_name: str | Path) -> Future[str]:
        """Take another stack file; only while the stack is stopped."""

    def save_stack(self, path: Path | None = None) -> Future[str]:
        """Write the live stack to its file, keeping comments. Shipped ones need a `path`."""

    def shipped_stacks(self) -> tuple[tuple[str, str], ...]:
        """(name, what it shows) of each stack in `resources`."""

    # the stack
    def start(self, port: int | None = None) -> Future[str]:
        """Start every service; ends when all are ready or one has failed."""

    def stop(self, how: StopHow = StopHow.WARM) -> Future[str]:
        """Stop every service, workers before the broker."""

    def start_service(self, name: str) -> Future[str]: ...

    def stop_service(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]: ...

    def restart_service(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]: ...

    def send_signal(self, worker: str, signal: str, pid: int | None = None) -> Future[str]:
        """Signal a worker's main process (KILL: its whole group), or one pool process."""

    # shape it while it runs
    def add_worker(self, spec: WorkerSpec) -> Future[str]: ...

    def edit_worker(self, name: str, spec: WorkerSpec) -> Future[str]:
        """Apply a changed spec: live where the pool can, else by a restart.

        `live_change` tells beforehand which it will be.
        """

    def live_change(self, name: str, spec: WorkerSpec) -> tuple[bool, str]:
        """(True, what is done live) or (False, why only a restart does it)."""

    def remove_worker(self, name: str, how: StopHow = StopHow.WARM) -> Future[str]: ...

    def add_queue(self, worker: str, queue: str) -> Future[str]: ...

    def cancel_queue(self, worker: str, queue: str) -> Future[str]: ...

    def command_line(self, spec: WorkerSpec) -> str:
        """The command that a worker of this spec is started with, without secrets.

        Raises DeskError where the spec cannot work, with the reason.
        """

    # load it
    def submit(self, workload: Workload) -> Future[int]:
        """Start a load generator; ends with its id."""

    def pause_load(self, load: int) -> None: ...

    def resume_load(self, load: int) -> None: ...

    def cancel_load(self, load: int) -> None: ...

    # what a crashed panel left
    def resolve_leftover(self, session: str, how: str) -> Future[str]:
        """`how` is "adopt", "stop" or "leave"."""

    def close(self) -> None:
        """Stop everything that runs, at once; for the end of the program."""
