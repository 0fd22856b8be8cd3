"""What a report says, before it is laid out. What came from outside is plain text here, not escaped."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from desktop.engine.api import (
    Account,
    Check,
    FaultRecord,
    Finding,
    LogLine,
    Mark,
    Recovery,
    TaskDetail,
    TaskRow,
)


class Format(StrEnum):
    """What a report can be written as; the words of `--to`."""

    HTML = "html"
    MARKDOWN = "md"
    JSON = "json"
    JUNIT = "junit"


@dataclass(frozen=True, slots=True)
class Scenario:
    """The drill that was done, as its file tells."""

    name: str
    seed: int
    title: str = ""
    teaches: str = ""
    change: str = ""
    text: str = ""  # the file, without secrets
    shipped: bool = False  # known by its bare name


@dataclass(frozen=True, slots=True)
class Judged:
    """The verdict of a drill, without what the report tells elsewhere."""

    finding: Finding
    reason: str
    began: float
    ended: float
    checks: tuple[Check, ...] = ()
    number: int = 1  # of the repeats
    halted: bool = False
    gives: Finding | None = None  # what the drill is known to give
    settled_after: float | None = None
    judged_in: float | None = None


@dataclass(frozen=True, slots=True)
class Story:
    """What became of one task: the first of its kind."""

    why: str  # "lost", "ran twice"
    zero: float  # the first thing that happened to it
    task: TaskDetail
    faults: tuple[FaultRecord, ...]  # that were done in its time
    steps: tuple[tuple[float, str], ...]  # (when, what), in words
    more: int = 0  # steps that are left out


@dataclass(frozen=True, slots=True)
class Difference:
    """A setting of [celery] that is not what Celery's own default is."""

    name: str
    here: str
    default: str


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """How one worker was set up."""

    name: str
    pool: str
    size: str  # "4", "autoscale 1 to 4", "as many as CPUs"
    prefetch: str
    queues: tuple[str, ...]
    restart: str
    command: str  # without secrets; "" where somebody else started it
    more: tuple[tuple[str, str], ...] = ()  # further keys that were set


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a graph. The arrays are as long as the graph's `t`; NaN where there is no sample."""

    label: str
    worker: int | None  # whose colour it has: a worker's place in the stack; None: its place in the graph
    low: array[float]
    high: array[float]
    last: array[float]


@dataclass(frozen=True, slots=True)
class Graph:
    """A few curves in one unit."""

    title: str
    unit: str  # "messages", "% of a core", "tasks/s", "processes"
    t: array[float]  # seconds since the epoch, the middle of each bucket
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Around:
    """What the services wrote round a fault, and how those ended that did."""

    fault: int  # FaultRecord.id
    exits: tuple[Mark, ...]
    services: Mapping[str, tuple[LogLine, ...]]
    left_out: Mapping[str, int] = field(default_factory=dict)  # lines of the same span, by service
    more: bool = False  # there are more of them than were counted


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is said of one run."""

    run: str  # the folder's name
    stack: str
    began: float
    ended: float
    zero: float  # the moment from which the graphs count: the workload of a drill, or the run's begin
    made: float
    made_with: str  # our version
    judged: Judged | None
    scenario: Scenario | None
    account: Account
    rows: Mapping[str, TaskRow]  # of the first ids of each list
    stories: tuple[Story, ...]
    faults: tuple[FaultRecord, ...]
    recovery: tuple[Recovery, ...]
    differences: tuple[Difference, ...]
    celery: str  # the version whose defaults they are compared with
    workers: tuple[WorkerLine, ...]
    broker: str
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    graphs: tuple[Graph, ...]
    marks: tuple[Mark, ...]
    marks_left_out: int
    logs: tuple[Around, ...]
    stack_text: str
    gaps: tuple[str, ...]
    note: str = ""
    live: bool = False  # it was still being recorded

    @property
    def ran_twice(self) -> tuple[str, ...]:
        """Ids of tasks that started or ended more than once without having asked for it."""
        account = self.account
        return tuple(dict.fromkeys((*account.ran_twice, *account.ended_more)))
