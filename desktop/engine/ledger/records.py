"""What the account keeps: attempts, tasks, workers and load generators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from desktop.engine.api import TaskState
from desktop.engine.ledger.lines import Source
from desktop.engine.ledger.places import Cell

CUT = "CUT"  # the state of an attempt whose process died while it ran
SAME = 0.001  # seconds: two moments that were worked out from one


@dataclass(slots=True)
class Attempt:
    """One run of a task. Times are seconds since the epoch, `run` and `cpu` are seconds."""

    task_id: str
    name: str
    service: str
    start: int
    pid: int
    started: float
    retries: int = 0
    ended: float | None = None
    state: str = ""  # "" while it runs
    run: float | None = None
    cpu: float | None = None
    error: str | None = None
    requeued: bool = False  # REJECTED, and the message went back to its queue
    received: float | None = None  # the delivery that it answers
    result: str | None = None  # as text, capped
    traceback: str | None = None  # capped
    row: int = 0  # in the run's database; 0: not written yet


@dataclass(slots=True)
class Receipt:
    """A worker received the task's message."""

    t: float
    service: str
    start: int
    redelivered: bool = False
    retries: int = 0
    eta: float | None = None
    open: bool = True  # no run has answered it, and it is not closed: that worker has it, if it lives
    closed: bool = False  # it ended without a run: given back, revoked, or settled with the broker

    def close(self) -> None:
        """No run will answer it."""
        self.open, self.closed = False, True


@dataclass(slots=True)
class Task:
    """What is known of one task."""

    id: str
    name: str = ""
    queue: str | None = None
    sent: float | None = None  # by a load generator
    received: float | None = None  # first, by any worker
    receipts: list[Receipt] = field(default_factory=list)  # every delivery, in the order they were read
    attempts: list[Attempt] = field(default_factory=list)
    state: str = ""  # of the last end that was read; "" before
    error: str | None = None
    over: bool = False  # it came to an end after which Celery sends it no more
    twice: bool = False  # run more than once without having asked for it
    load: int | None = None  # the load generator that sent it
    args: str | None = None  # JSON as the probe wrote it; None: longer than its cap, or not JSON
    kwargs: str | None = None
    root: str | None = None
    parent: str | None = None
    place: TaskState = TaskState.WAITING  # where its message is, or its end
    holder: tuple[str, int] | None = None  # (service, start) of the worker that has its message
    back_at: float | None = None  # stranded: when it may be delivered again
    ended: float | None = None  # when it was over
    args_cut: bool = False  # args or kwargs were longer than the cap
    row: int = 0  # in the run's database: the order in which tasks were first heard of; 0: not written yet
    # Of a living account only; the database does not know them.
    cell: Cell | None = None  # where it is counted; None: not yet, or over
    told: tuple[float, TaskState] | None = None  # what others than its worker said of it, and when


@dataclass(frozen=True, slots=True)
class PoolState:
    """The last `pool` line of a worker."""

    t: float
    start: int
    size: int
    busy: int
    reserved: int
    scheduled: int
    bounds: tuple[int, int] | None  # the autoscaler's
    prefetch: int | None
    pids: tuple[int, ...]


@dataclass(slots=True)
class WorkerState:
    """What a worker's main process wrote since its last start."""

    start: int = 0
    pid: int = 0
    node: str = ""
    opened_at: float = 0.0
    ready_at: float | None = None
    closing_at: float | None = None
    heard_at: float = 0.0  # its last line
    pool: PoolState | None = None


@dataclass(slots=True)
class LoadCount:
    """What a load generator wrote, and how much of it is over."""

    sent: int = 0
    unsent: int = 0
    ended: int = 0
    in_doubt: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Process:
    """A process that runs tasks. One task may run twice at once in it: greenlets and threads."""

    source: Source
    main: bool = False
    open: dict[str, Attempt] = field(default_factory=dict)
    also: dict[str, list[Attempt]] = field(default_factory=dict)
    early: dict[str, list[Mapping[str, Any]]] = field(default_factory=dict)  # ends read before their start
    dead_at: float | None = None
    gave_back: bool = False  # dead: it ended by itself, and its messages went back to their queues
    holder: tuple[str, int] = ("", 0)
    cells: dict[str, Cell] = field(default_factory=dict)  # of its worker, by queue

    def __post_init__(self) -> None:
        self.holder = self.source[:2]

    def opened(self, attempt: Attempt) -> None:
        if attempt.task_id in self.open:
            self.also.setdefault(attempt.task_id, []).append(attempt)
        else:
            self.open[attempt.task_id] = attempt

    def closed(self, task_id: str, began: float, exactly: bool = False) -> Attempt | None:
        """Take out the attempt of the task that began next to `began`, or `exactly` then (to 1 ms)."""
        if not exactly and not self.also:
            return self.open.pop(task_id, None)
        attempt = self.open.get(task_id)
        if attempt is None:
            return None
        others = self.also.get(task_id, ()) if self.also else ()
        if others:
            attempt = min((attempt, *others), key=lambda other: abs(other.started - began))
        if exactly and abs(attempt.started - began) > SAME:
            return None
        left = [other for other in (self.open.pop(task_id), *others) if other is not attempt]
        self.also.pop(task_id, None)
        for other in left:
            self.opened(other)
        return attempt

    def told_early(self, attempt: Attempt) -> Mapping[str, Any] | None:
        """Take out the end of this attempt, if the main process' file was read before its own."""
        for end in self.early.get(attempt.task_id, ()):
            if abs(end["t"] - end["run"] - attempt.started) <= SAME:
                self.early[attempt.task_id].remove(end)
                if not self.early[attempt.task_id]:
                    del self.early[attempt.task_id]
                return end
        return None

    def running(self) -> Iterator[Attempt]:
        yield from self.open.values()
        for more in self.also.values():
            yield from more
