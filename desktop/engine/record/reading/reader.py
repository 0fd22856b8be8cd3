"""Reading a run while it is recorded, or afterwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from desktop.engine.api import (
    Band,
    Facets,
    FaultRecord,
    Mark,
    RunInfo,
    TaskDetail,
    TaskFilter,
    TaskGroup,
    TaskPage,
    TaskQuery,
)
from desktop.engine.faults.kept import read_faults
from desktop.engine.record import schema
from desktop.engine.record.reading.front import Front
from desktop.engine.record.reading.jobs import Hand, Jobs

if TYPE_CHECKING:
    from desktop.engine.record.reading.questions import Reading

T = TypeVar("T")


class RunReader:
    """`api.Record` of a run folder. numpy is first imported when its tasks or series are read."""

    def __init__(self, folder: Path, live: bool) -> None:
        self.folder = folder
        self._live = live
        self._path = folder / schema.NAME
        self._front = Front(self._path)
        self._jobs = Jobs(self._path)
        self._lock = threading.Lock()
        self._made: Reading | None = None

    @classmethod
    def open(cls, folder: Path, live: bool = False) -> RunReader:
        """Read the run of a folder; `live`: a recorder writes to it meanwhile.

        Raises DeskError where there is no record, or one that cannot be read.
        """
        return cls(folder, live)

    @property
    def info(self) -> RunInfo:
        """What run it is."""
        return self._front.info(self.folder, self.live)

    @property
    def live(self) -> bool:
        """Whether it still grows: until its recorder has said that it ended."""
        return self._live and not self._front.ended()

    def version(self) -> int:
        """Grows whenever something was written; cheap, from any thread."""
        return self._front.version()

    def tasks(self, query: TaskQuery, first: int, count: int) -> Future[TaskPage]:
        """Rows `first` … `first + count` in that order. Tasks of which it is not known come last."""
        return self._read(lambda reading, hand: reading.tasks(hand, query, first, count))

    def position(self, query: TaskQuery, number: int) -> Future[int]:
        """Where a task stands in that order; -1 when it does not match."""
        return self._read(lambda reading, hand: reading.position(hand, query, number))

    def groups(self, chosen: TaskFilter) -> Future[tuple[TaskGroup, ...]]:
        """By name, most tasks first."""
        return self._read(lambda reading, hand: reading.groups(hand, chosen))

    def facets(self) -> Future[Facets]:
        """What there is to filter by, the most frequent first."""
        return self._read(lambda reading, hand: reading.facets(hand))

    def task(self, task_id: str) -> Future[TaskDetail]:
        """A task's own page. Ends with DeskError for an id that the run does not know."""
        return self._read(lambda reading, hand: reading.task(hand, task_id))

    def ids(self, chosen: TaskFilter, limit: int = 100_000) -> Future[tuple[str, ...]]:
        """Ids of the tasks that match, in the order of their numbers."""
        return self._read(lambda reading, hand: reading.ids(hand, chosen, limit))

    def series_names(self) -> tuple[str, ...]:
        """Every series that was recorded."""
        return self._front.series_names()

    def series(
        self, names: Sequence[str], since: float, until: float, buckets: int
    ) -> Future[Mapping[str, Band]]:
        """Series over a span, with their extremes; empty bands for those that there are not."""
        return self._read(lambda reading, hand: reading.series(hand, names, since, until, buckets))

    def span(self) -> tuple[float, float]:
        """The first and the last moment that was recorded."""
        return self._front.span()

    def marks(self) -> tuple[Mark, ...]:
        """Every mark, oldest first."""
        return self._front.marks()

    def faults(self) -> tuple[FaultRecord, ...]:
        """Every fault that was done to it, oldest first."""
        return read_faults(self.folder)

    def settings(self) -> Mapping[str, Any]:
        """The stack file as run, its later texts with their times, versions and machine; no secrets."""
        return self._front.settings()

    def ask(self, work: Callable[[Reading, Hand], T]) -> Future[T]:
        """What another part of the engine works out of the record, in one of its threads.

        `work` sees one state of the database, whatever is written meanwhile.
        """
        return self._read(work)

    def close(self) -> None:
        """Let go of it; futures that are under way end cancelled. A second call does nothing."""
        self._jobs.close()
        self._front.close()

    def _read(self, work: Callable[[Reading, Hand], T]) -> Future[T]:
        return self._jobs.submit(lambda hand: work(self._reading(), hand))

    def _reading(self) -> Reading:
        """What the threads share; made in one of them, since it imports numpy."""
        with self._lock:
            if self._made is None:
                from desktop.engine.record.reading.questions import Reading

                self._made = Reading(self._jobs.submit)
            return self._made
