"""The one writer of a run's database (`FORMAT.md`)."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from desktop.engine.api import DeskError, Mark, TaskState
from desktop.engine.ledger.records import Task
from desktop.engine.record import schema
from desktop.engine.record.ids import clean
from desktop.engine.record.reading.recall import Recall
from desktop.engine.record.writing.samples import Samples
from desktop.engine.record.writing.sink import Batch, Sink
from desktop.engine.record.writing.tasks import TaskRows

_AHEAD = 256  # tasks
_AHEAD_KEPT = 4_096
_MARK = "INSERT INTO mark(t, kind, service, text) VALUES(?, ?, ?, ?)"
_META = "INSERT OR REPLACE INTO meta VALUES(?, ?)"
_NO_META = "DELETE FROM meta WHERE key = ?"
_LEDGER = "INSERT OR REPLACE INTO ledger VALUES(?, ?)"
_SERIES = "INSERT OR REPLACE INTO series VALUES(?, ?)"
_BEAT = "INSERT OR REPLACE INTO beat VALUES(?, ?, ?)"
_FOLDED = "DELETE FROM beat WHERE n <= ?"
_PIECE = "INSERT OR REPLACE INTO piece VALUES(?, ?, ?, ?)"


class Store:
    """The one writer of a run's database. Called from one thread; SQL runs in a thread of its own.

    What was written is in the database once a `commit` after it has been executed, all of it or nothing; the
    disk has it then. Methods raise DeskError when the database could not be written for so long that memory
    would grow without bound; `problem` says at any time why it cannot be written now.
    """

    def __init__(self, path: Path, writer: sqlite3.Connection) -> None:
        self._reader = schema.open_to_read(path)
        self._recall = Recall(self._reader)
        self._meta = {
            key: json.loads(value) for key, value in self._reader.execute("SELECT key, value FROM meta")
        }
        self._positions: dict[str, int] = dict(self._reader.execute("SELECT file, offset FROM ledger"))
        self._number = int(self._reader.execute("SELECT coalesce(max(version), 0) FROM facts").fetchone()[0])
        self._tasks = TaskRows(self._reader, self._meta.get("counts", {}))
        self._samples = Samples(self._reader)
        self._marks: list[tuple[float, str, str, str]] = []
        self._changed_meta: dict[str, str | None] = {}
        self._changed_positions: dict[str, int] = {}
        self._ahead: dict[str, Task] = {}  # read before they were asked for
        self._sink = Sink(writer, self._number)

    @classmethod
    def create(cls, folder: Path, facts: Mapping[str, Any]) -> Store:
        """A new `run.db` in the folder; `facts` (stack, began, versions, machine …) become its `meta`.

        Raises DeskError where there is one already, or none can be written.
        """
        path = folder / schema.NAME
        store = cls(path, schema.create(path))
        for key, value in facts.items():
            store.put(key, value)
        store.put("clean", False)
        store.commit({})
        return store

    @classmethod
    def resume(cls, folder: Path) -> Store:
        """Go on with the folder's `run.db`, from its last commit. Raises DeskError if it cannot."""
        path = folder / schema.NAME
        writer = schema.open_to_write(path)
        try:
            store = cls(path, writer)
        except sqlite3.Error as error:
            writer.close()
            raise schema.unreadable(path, error) from error
        store.put("clean", False)
        store.put("ended", None)
        return store

    @property
    def problem(self) -> str:
        """Why nothing can be written now, as a sentence; "" while all is well. Written again every second."""
        return self._sink.problem

    @property
    def settled(self) -> bool:
        """All that was handed over is on the disk."""
        return self._sink.committed == self._number

    def wait(self, seconds: float) -> bool:
        """Wait until all that was handed over is on the disk; False when it is not by then."""
        return self._sink.wait(self._number, seconds)

    def write(self, tasks: Iterable[Task]) -> None:
        """Tasks as they are now: new ones, and those that changed since they were last written.

        Gives new tasks and attempts their `row`. Everything is copied before it returns.
        """
        if self._ahead:
            tasks = list(tasks)
            for task in tasks:
                self._ahead.pop(task.id, None)
        self._tasks.write(tasks)

    def sample(self, t: float, values: Mapping[str, float]) -> None:
        """One beat of all live series."""
        self._samples.add(t, values)

    def mark(self, mark: Mark) -> None:
        """A moment on the time line."""
        self._marks.append((mark.t, str(mark.kind), clean(mark.service), clean(mark.text)))

    def put(self, key: str, value: Any) -> None:
        """Remember anything that JSON can hold; None forgets it. Raises TypeError for what it cannot."""
        self._changed_meta[key] = None if value is None else clean(json.dumps(value, ensure_ascii=False))
        self._meta[key] = value

    def get(self, key: str, default: Any = None) -> Any:
        """What was put, also before a resume."""
        found = self._meta.get(key)
        return default if found is None else found

    def positions(self) -> dict[str, int]:
        """How far each ledger file is in the database, or on its way there."""
        return dict(self._positions)

    def commit(self, positions: Mapping[str, int]) -> None:
        """Hand everything since the last call to the SQL thread, as one transaction.

        `positions`: how far each ledger file was read (those that did not change may be left out). With
        nothing to write, nothing is written. Waits only while eight batches are under way already.
        """
        for file, offset in positions.items():
            if self._positions.get(file) != offset:
                self._positions[file] = self._changed_positions[file] = offset
        batch = Batch(self._number + 1)
        if self._tasks.drain(batch, self._sink.committed):
            self.put("counts", self._tasks.counts())
        samples = self._samples.drain()
        batch.add(_SERIES, samples.series)
        batch.add(_PIECE, samples.pieces)
        batch.add(_FOLDED, samples.folded)
        batch.add(_BEAT, samples.beats)
        batch.add(_MARK, self._marks)
        batch.add(_META, [(key, value) for key, value in self._changed_meta.items() if value is not None])
        batch.add(_NO_META, [(key,) for key, value in self._changed_meta.items() if value is None])
        batch.add(_LEDGER, list(self._changed_positions.items()))
        if not batch.statements:
            return
        self._marks, self._changed_meta, self._changed_positions = [], {}, {}
        self._number += 1
        self._sink.hand_over(batch)

    def recall(self, task_id: str) -> Task | None:
        """A task that was written, whole; None for one that never was. A "no" costs a microsecond.

        One that is not committed yet is the very object that was written.
        """
        found = self._ahead.pop(task_id, None) if self._ahead else None
        if found is not None:
            return found
        if not self._tasks.maybe(task_id):
            return None
        waiting: Task | None = self._tasks.uncommitted.get(task_id) or self._sink.waiting(task_id)
        if waiting is not None:
            return waiting
        row = self._recall.row_of(task_id)
        task = self._recall.task(row) if row is not None else None
        if task is not None and task.place is TaskState.WAITING:
            self._look_around(task)
        return task

    def _look_around(self, asked: Task) -> None:
        """Tasks are received roughly in the order in which they were sent: fetch those around it.

        By fixed blocks of rows: each is fetched once, however its tasks mix with those of the next.
        """
        uncommitted = [self._tasks.uncommitted, *self._sink.uncommitted()]
        if len(self._ahead) > _AHEAD_KEPT:
            self._ahead.clear()
        for task in self._recall.only_sent((asked.row - 1) // _AHEAD * _AHEAD, _AHEAD):
            if task.row != asked.row and not any(task.id in tasks for tasks in uncommitted):
                self._ahead[task.id] = task

    def unfinished(self) -> Iterator[Task]:
        """The tasks that are not over, in the order of their numbers, as they were last committed."""
        return self._recall.unfinished()

    def waiting(self, queue: str) -> Iterator[Task]:
        """The tasks that wait in a queue, in the order of their numbers, as they were last committed."""
        return self._recall.waiting(queue)

    def close(self, clean: bool, ended: float | None = None) -> None:
        """Write what is left, and let go of the database. `clean`: the run came to an end by itself.

        `ended`: when that was, if it was not now. Raises DeskError when the last of it could not be written.
        """
        self._samples.fold()
        self.put("clean", clean)
        self.put("ended", time.time() if ended is None else ended)
        try:
            self.commit({})
        except DeskError:
            pass  # the sink says it once more
        self._reader.close()
        self._sink.close()
