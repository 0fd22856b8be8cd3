"""The stack of one moment: everything that the window shows live."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from desktop.engine.api.drills import DrillSnapshot
from desktop.engine.api.faults import FaultRecord
from desktop.engine.api.loads import LoadSnapshot
from desktop.engine.api.queues import Balance, QueueSnapshot
from desktop.engine.api.services import BrokerSnapshot, ServiceSnapshot, StackState, WorkerSnapshot
from desktop.engine.stack.model import StackSpec


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
    GAP = "gap"  # attached: events were missed
    FAULT = "fault"  # one landed, missed, or came to its end


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on the time line."""

    t: float
    kind: MarkKind
    service: str
    text: str


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
    relay: ServiceSnapshot | None = None  # between the workers and the broker, with `[broker] relay = true`
    web: ServiceSnapshot | None = None
    workers: tuple[WorkerSnapshot, ...] = ()
    queues: tuple[QueueSnapshot, ...] = ()
    totals: Totals = Totals()
    loads: tuple[LoadSnapshot, ...] = ()
    marks: tuple[Mark, ...] = ()
    run_folder: Path | None = None
    dirty: bool = False  # the live stack differs from its file
    leftovers: tuple[Leftover, ...] = ()
    balance: Balance | None = None  # where all messages are; None before anything was read
    attached: str = ""  # "127.0.0.1:6379/0": a stack that we did not start and only watch
    recorded: Path | None = None  # the folder of the finished run that is shown instead of a live stack
    gaps: tuple[str, ...] = ()  # sentences: what the record does not know, and why
    faults: tuple[FaultRecord, ...] = ()  # of this run, oldest first
    drill: DrillSnapshot | None = None  # the one that runs, or the last one of this desk

    def worker(self, name: str) -> WorkerSnapshot | None:
        """The worker of that name."""
        return next((w for w in self.workers if w.name == name), None)
