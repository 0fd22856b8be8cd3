"""Faults: what is done to break the stack, what it will do to the tasks, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class FaultKind(StrEnum):
    """Everything that can be broken. The words of a drill file's `what`."""

    KILL_PROCESS = "kill-process"  # SIGKILL to one pool process
    KILL_WORKER = "kill-worker"  # SIGKILL to a worker's whole group
    WARM = "warm-shutdown"  # SIGTERM to the main process
    COLD = "cold-shutdown"  # SIGQUIT to the main process
    SOFT = "soft-shutdown"  # the same, where worker_soft_shutdown_timeout is set
    TERM_GROUP = "term-group"  # SIGTERM to the whole group, as many deployments send by mistake
    FREEZE_WORKER = "freeze-worker"  # SIGSTOP to the main process, SIGCONT at its end
    FREEZE_PROCESS = "freeze-process"  # the same to one pool process
    KILL_BROKER = "kill-broker"  # SIGKILL, started again after `seconds`
    STOP_BROKER = "stop-broker"  # SIGTERM, started again after `seconds`
    FREEZE_BROKER = "freeze-broker"
    CUT_CLIENTS = "cut-clients"  # CLIENT KILL to every client but ours
    FILL_BROKER = "fill-broker"  # maxmemory at what is used, noeviction
    FLUSH_BROKER = "flush-broker"  # FLUSHDB
    LATENCY = "latency"  # of the network between workers and broker: `delay`, `jitter` in seconds
    CUT = "network-cut"  # connections are reset and new ones refused
    HALF_OPEN = "half-open"  # connections stay, nothing passes in either way
    SLOW = "slow-network"  # `rate` in bytes a second
    DISK_FULL = "disk-full"  # a worker whose log is on a full disk
    POISON = "poison"  # tasks that end the process they run in
    HOG = "memory-hog"  # tasks that take memory
    SHRINK = "shrink-pool"  # a pool that shrinks under load
    NODE_NAME = "node-name"  # a second worker under the node name of the target
    ROLLING = "rolling-kills"  # a worker after the other, on a clock that `seed` draws


class Pick(StrEnum):
    """How a target is chosen."""

    NAME = "name"
    RANDOM = "random"  # drawn with the fault's seed
    BUSIEST = "busiest"  # who runs most tasks now, then who holds most
    ALL = "all"
    RUNS = "runs"  # who runs a task of that id, or one of that name


@dataclass(frozen=True, slots=True)
class Target:
    """Which worker, or whose pool process. Of the broker's faults there is none to choose."""

    pick: Pick = Pick.BUSIEST
    name: str = ""  # NAME: a worker's; RUNS: a task's id or name
    pid: int | None = None  # of one pool process; None: chosen as the worker is (busy ones first)

    @property
    def text(self) -> str:
        """As a person would say it."""
        match self.pick:
            case Pick.NAME:
                return self.name if self.pid is None else f"pool process {self.pid} of {self.name}"
            case Pick.RUNS:
                return f"who runs {self.name}"
            case Pick.ALL:
                return "all workers"
            case _:
                return f"{self.pick.value} worker"


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One fault, to be done now. `options` are those that its `FaultInfo` names, in its units."""

    kind: FaultKind
    target: Target = Target()
    seconds: float | None = None  # how long; None: its kind's default; 0: until it is undone by hand
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0


@dataclass(frozen=True, slots=True)
class FaultOption:
    """One thing that can be set of a kind of fault."""

    name: str
    kind: str  # "float" | "int" | "str" | "choice"
    default: Any
    doc: str
    unit: str = ""  # "s", "bytes/s", "MB"
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FaultInfo:
    """A kind of fault, for people."""

    kind: FaultKind
    title: str  # "Kill a worker (SIGKILL)"
    what: str  # what is done, in one sentence
    group: str  # "Pool process", "Worker", "Broker", "Network", "Disk", "Tasks", "Pool"
    aims_at: str  # "worker" | "process" | "broker" | "stack"
    lasts: bool  # it goes on until it is undone: `seconds` and the undo apply
    seconds: float | None = None  # its default duration
    undo: str = ""  # what ends it, in one sentence; "" when it is done in a moment
    options: tuple[FaultOption, ...] = ()
    destructive: bool = False  # messages are destroyed whatever the settings are
    needs_relay: bool = False  # only where workers reach the broker through the relay (`Desk.use_relay`)


@dataclass(frozen=True, slots=True)
class Count:
    """How many tasks: from `least` to `most`, both meant. Where it is known exactly they are one number.

    `likely`: the number of this very moment, where tasks that come and end make it a range.
    """

    least: int = 0
    most: int = 0
    likely: int | None = field(default=None, compare=False)

    @property
    def exact(self) -> bool:
        """One number."""
        return self.least == self.most

    @property
    def guess(self) -> int | None:
        """The one number to say where only one is said; None where there is no better one than the others."""
        return self.most if self.exact else self.likely

    def holds(self, number: int) -> bool:
        """Whether that number was said."""
        return self.least <= number <= self.most


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of Celery's that a forecast relies on: written once, with its source."""

    id: str  # "kill-worker/prefork/early/running"
    text: str  # the rule, as a sentence
    source: str  # where it was measured, or the function of Celery or kombu that says it


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a fault would do to the tasks of this moment, said before it is done.

    The counts are over the tasks within the fault's reach: those that its targets run, reserve or schedule
    (of a broker's fault: every task that is not over). `again`: will start once more though they had
    started; `back`: are out of reach for a while and then delivered again, not started before.
    """

    t: float
    targets: tuple[str, ...]  # names of workers, or "broker"; empty: nothing would be hit
    sentences: tuple[str, ...]  # for people, the worst first
    running: int = 0  # within reach
    held: int = 0  # reserved and scheduled, within reach
    lost: Count = Count()
    failed: Count = Count()
    again: Count = Count()
    back: Count = Count()
    back_after: float | None = None  # seconds until the first may be delivered again
    hurts: bool = False  # something is lost, fails or runs again
    sure: bool = True  # False: it cannot be told, and a sentence says why
    impossible: str = ""  # why this fault cannot be done now, and the next step; "" when it can
    rules: tuple[Rule, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the tasks within a fault's reach, from the ledger alone."""

    settled: bool  # False: some of them are not over yet, and nothing is said of those
    lost: tuple[str, ...] = ()  # ids
    failed: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    back: tuple[str, ...] = ()
    first_back: float | None = None  # seconds from the fault to the first that was delivered again
    still: int = 0  # of them not over yet
    differs: tuple[str, ...] = ()  # a sentence for each count that is not what the forecast said


class FaultState(StrEnum):
    """Where a fault stands."""

    UNDER_WAY = "under way"  # it landed and lasts
    OVER = "over"  # it landed, and is at its end or undone
    MISSED = "missed"  # it did not land: `text` says why


@dataclass(frozen=True, slots=True)
class FaultRecord:
    """A fault that was done to this run, or missed it. Kept in the run folder as it happens."""

    id: int  # counts from 1 in its run
    spec: FaultSpec
    state: FaultState
    asked_at: float
    targets: tuple[str, ...] = ()  # workers, or "broker"
    pids: tuple[int, ...] = ()  # processes that were hit
    landed_at: float | None = None
    ends_at: float | None = None  # when it will be undone by itself
    ended_at: float | None = None
    text: str = ""  # "SIGKILL to w1 (pid 4242, 3 processes), while it ran 2 tasks"
    forecast: Forecast | None = None
    outcome: Outcome | None = None  # None until it was asked for
    by_drill: bool = False

    @property
    def landed(self) -> bool:
        """It did what it should have done."""
        return self.landed_at is not None
