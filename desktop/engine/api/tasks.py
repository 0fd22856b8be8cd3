"""Tasks of a run: what is asked of the record, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TaskState(StrEnum):
    """Where a task is, or how it ended. The ends are Celery's own words, but for the last three."""

    WAITING = "waiting"  # in the broker
    SCHEDULED = "scheduled"  # held by a worker until its ETA
    RESERVED = "reserved"  # held by a worker, not started
    ACTIVE = "active"
    STRANDED = "stranded"  # delivered to a worker that is dead or cut off
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    REVOKED = "REVOKED"
    REJECTED = "REJECTED"
    IGNORED = "IGNORED"
    LOST = "LOST"  # its worker died while it ran and it was acknowledged, or it is gone from the broker
    PURGED = "PURGED"  # taken out of its queue by a person
    UNKNOWN = "UNKNOWN"  # the events that would tell were missed, or its worker could not write meanwhile

    @property
    def over(self) -> bool:
        """An end: nothing more is expected of the task."""
        return self not in _NOT_OVER


_NOT_OVER = frozenset(
    {TaskState.WAITING, TaskState.SCHEDULED, TaskState.RESERVED, TaskState.ACTIVE, TaskState.STRANDED}
)


class TextIn(StrEnum):
    """Where a text is looked for."""

    ANYWHERE = "anywhere"
    ID = "id"
    ARGS = "args"  # and kwargs
    RESULT = "result"
    ERROR = "error"  # exception and traceback


class TaskColumn(StrEnum):
    """What a task list can be sorted by."""

    NUMBER = "number"  # the order in which they were first heard of
    NAME = "name"
    STATE = "state"
    QUEUE = "queue"
    WORKER = "worker"
    SENT = "sent"
    RECEIVED = "received"
    STARTED = "started"
    ENDED = "ended"
    WAIT = "wait"
    RUN = "run"
    CPU = "cpu"
    ATTEMPTS = "attempts"


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks. Empty means all; the parts are joined by "and", the words of a part by "or"."""

    states: frozenset[TaskState] = frozenset()
    names: frozenset[str] = frozenset()
    workers: frozenset[str] = frozenset()  # of the last attempt, or of who holds it
    queues: frozenset[str] = frozenset()
    text: str = ""  # found whatever its case
    text_in: TextIn = TextIn.ANYWHERE
    since: float | None = None  # alive at some time between `since` and `until`: sent before, ended after
    until: float | None = None
    ran_twice: bool = False  # only those that ran more than once without having asked for it
    retried: bool = False  # only those with more than one attempt
    load: int | None = None  # of that workload

    @property
    def empty(self) -> bool:
        """Every task passes."""
        return self == TaskFilter()


@dataclass(frozen=True, slots=True)
class TaskQuery:
    """A filter and an order. `upto`: only tasks with a number up to it, so that a list holds still."""

    filter: TaskFilter = TaskFilter()
    order: TaskColumn = TaskColumn.NUMBER
    descending: bool = True
    upto: int | None = None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task in a list. Times are seconds since the epoch, durations seconds; None: not (yet) known."""

    number: int
    id: str
    name: str
    state: TaskState
    queue: str = ""
    worker: str = ""  # of the last attempt, or who holds it
    sent: float | None = None
    received: float | None = None  # first
    started: float | None = None  # last attempt
    ended: float | None = None
    wait: float | None = None  # from sent (else received; from the ETA if later) to the first start
    run: float | None = None  # of the last attempt
    cpu: float | None = None
    attempts: int = 0
    ran_twice: bool = False
    error: str = ""  # one line


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Rows `first` … of those that match."""

    rows: tuple[TaskRow, ...]
    first: int
    matching: int
    total: int  # tasks of the run
    newest: int  # the largest number there is: for `upto`


@dataclass(frozen=True, slots=True)
class Spread:
    """Percentiles of a duration, in seconds; None where no task has one."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


@dataclass(frozen=True, slots=True)
class TaskGroup:
    """All tasks of one name that match."""

    name: str
    count: int
    over: int
    failures: int  # FAILURE and LOST
    ran_twice: int
    wait: Spread
    run: Spread
    cpu: float  # seconds, all together


@dataclass(frozen=True, slots=True)
class Facets:
    """What there is to choose from, with counts over the whole run."""

    states: tuple[tuple[TaskState, int], ...]
    names: tuple[tuple[str, int], ...]
    workers: tuple[tuple[str, int], ...]
    queues: tuple[tuple[str, int], ...]
    ran_twice: int = 0
    first: float | None = None  # earliest and latest moment of any task
    last: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One run of a task. `state` is "" while it runs, "CUT" where its process died meanwhile."""

    worker: str
    start: int  # which start of the worker
    pid: int
    started: float
    received: float | None = None  # the delivery that it answers
    ended: float | None = None
    state: str = ""
    retries: int = 0
    run: float | None = None
    cpu: float | None = None
    error: str = ""
    traceback: str = ""
    result: str = ""  # as text, capped
    requeued: bool = False  # the message went back to its queue


@dataclass(frozen=True, slots=True)
class Delivery:
    """A worker received the message."""

    t: float
    worker: str
    start: int
    redelivered: bool = False
    retries: int = 0
    eta: float | None = None


@dataclass(frozen=True, slots=True)
class Relative:
    """Parent, child, or another member of the task's tree (chain, group, chord)."""

    id: str
    name: str
    state: TaskState
    number: int | None = None  # None: known by its id only


@dataclass(frozen=True, slots=True)
class TaskDetail:
    """A task's own page."""

    row: TaskRow
    args: str  # JSON, capped; "" where it was longer, with `args_cut`
    kwargs: str
    args_cut: bool = False
    eta: float | None = None
    attempts: tuple[AttemptRow, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    root: Relative | None = None
    parent: Relative | None = None
    children: tuple[Relative, ...] = ()  # at most 200
    load: int | None = None
    back_at: float | None = None  # stranded: when it may be delivered again
