"""The record of a run, live or opened: what can be read of it."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from desktop.engine.api.faults import FaultRecord
from desktop.engine.api.stack import Mark
from desktop.engine.api.tasks import Facets, TaskDetail, TaskFilter, TaskGroup, TaskPage, TaskQuery

T = TypeVar("T")


class Underway(Future[T]):
    """The future of something that takes long: it tells how far it is, and `cancel` ends it at any time."""

    share: float = 0.0  # how much of it is done, 0 to 1
    doing: str = ""  # what it does now, for people: "Reading the ledger"


@dataclass(frozen=True, slots=True)
class Band:
    """A series over a span, in at most as many buckets as were asked for; no extreme is averaged away.

    `t`: middle of each bucket. `low`, `high`: the smallest and largest sample in it; `last`: the last one.
    Buckets without a sample are NaN.
    """

    t: array[float]
    low: array[float]
    high: array[float]
    last: array[float]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run folder, without opening it whole."""

    folder: Path
    stack: str
    began: float
    ended: float | None  # last thing written; None while it is recorded
    tasks: int = 0
    failed: int = 0
    lost: int = 0
    ran_twice: int = 0
    size: int = 0  # bytes, all files
    live: bool = False
    clean: bool = True  # False: the panel died while it recorded
    problem: str = ""  # a sentence: why it cannot be opened
    versions: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    kept: bool = False  # a person said that it stays, whatever the cap says
    copied: float | None = None  # it was packed at this time while it still ran; so it is `clean` and no end
    complete: bool = True  # False: its counts are known for sure only when it was opened once


@dataclass(frozen=True, slots=True)
class Cap:
    """How much of old runs is kept. None: no limit of that kind."""

    bytes: int | None = 5 * 1024**3
    days: float | None = 90.0
    runs: int | None = None


@dataclass(frozen=True, slots=True)
class PrunePlan:
    """What the cap would delete, oldest first, with the reason of each; nothing is deleted by asking."""

    cap: Cap
    runs: tuple[tuple[RunInfo, str], ...]
    freed: int  # bytes
    left: int


class Record(Protocol):
    """Reads a run while it is recorded or afterwards. Every answer comes from a thread of its own.

    A future that is cancelled stops the work where it stands. They end with DeskError where the record
    cannot be read.
    """

    @property
    def info(self) -> RunInfo:
        """What run it is."""

    @property
    def live(self) -> bool:
        """Whether it still grows."""

    def version(self) -> int:
        """Grows whenever something was written; cheap, from any thread."""

    def tasks(self, query: TaskQuery, first: int, count: int) -> Future[TaskPage]:
        """Rows `first` … `first + count` in that order."""

    def position(self, query: TaskQuery, number: int) -> Future[int]:
        """Where a task stands in that order; -1 when it does not match."""

    def groups(self, chosen: TaskFilter) -> Future[tuple[TaskGroup, ...]]:
        """By name, most tasks first."""

    def facets(self) -> Future[Facets]:
        """What there is to filter by."""

    def task(self, task_id: str) -> Future[TaskDetail]:
        """A task's own page. Ends with DeskError for an id that the run does not know."""

    def ids(self, chosen: TaskFilter, limit: int = 100_000) -> Future[tuple[str, ...]]:
        """Ids of the tasks that match, in the order of their numbers."""

    def series_names(self) -> tuple[str, ...]:
        """Every series that was recorded."""

    def series(
        self, names: Sequence[str], since: float, until: float, buckets: int
    ) -> Future[Mapping[str, Band]]:
        """Series over a span, with their extremes."""

    def span(self) -> tuple[float, float]:
        """The first and the last moment that was recorded."""

    def marks(self) -> tuple[Mark, ...]:
        """Every mark, oldest first."""

    def faults(self) -> tuple[FaultRecord, ...]:
        """Every fault that was done to it, oldest first, as `faults.jsonl` in its folder tells."""

    def settings(self) -> Mapping[str, Any]:
        """The stack file as run, its later texts with their times, versions and machine; no secrets."""

    def close(self) -> None:
        """Let go of it; futures that are under way end cancelled."""
