"""The thread that executes the SQL of a run's one writer."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from typing import Any

from desktop.engine.api import DeskError

log = logging.getLogger(__name__)

WAITING = 8  # batches that may be handed over and not committed before the caller waits
STUCK_ROWS = 500_000  # rows in memory, while the database cannot be written, before the record is given up
LOG_BATCHES = 60  # after so many batches, or rows, the log is moved into the database
LOG_ROWS = 30_000
RETRY = 1.0  # seconds
TOGETHER = (
    32  # rows of one statement: the interpreter's lock changes hands at each, and costs as much as a row
)

# A row that cannot be stored, as one with a number of more than 64 bits: it must not hold up the others.
_NO_ROW = (OverflowError, UnicodeError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.DataError)

Rows = Sequence[tuple[Any, ...]]


@lru_cache
def _of_several(sql: str) -> str | None:
    """The statement for so many rows at once as `TOGETHER` says, if it has VALUES."""
    head, values, row = sql.partition(" VALUES")
    return f"{head} VALUES{', '.join([row] * TOGETHER)}" if values else None


@dataclass(slots=True)
class Batch:
    """One transaction."""

    number: int
    statements: list[tuple[str, Rows]] = field(default_factory=list)
    tasks: dict[str, Any] = field(default_factory=dict)  # those that are in it, until it is committed

    def add(self, sql: str, rows: Rows) -> None:
        """Execute it for each of the rows, if there are any."""
        if rows:
            self.statements.append((sql, rows))

    def size(self) -> int:
        """Rows, for the bound on memory."""
        return sum(len(rows) for _, rows in self.statements)


class Sink:
    """Takes batches and commits them in order. A batch that fails is tried again until it succeeds."""

    def __init__(self, connection: sqlite3.Connection, committed: int) -> None:
        self._connection = connection
        self._batches: deque[Batch] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._log_batches = self._log_rows = 0
        self.committed = committed  # number of the last batch that is on the disk
        self.problem = ""  # a sentence, while the database cannot be written
        self._thread = threading.Thread(target=self._run, name="run-db", daemon=True)
        self._thread.start()

    def hand_over(self, batch: Batch) -> None:
        """Queue it. Waits while the disk is slow; raises DeskError when it cannot be written for long."""
        with self._changed:
            self._batches.append(batch)
            self._changed.notify_all()
            self._changed.wait_for(lambda: len(self._batches) <= WAITING or bool(self.problem))
            if self.problem and sum(waiting.size() for waiting in self._batches) > STUCK_ROWS:
                raise DeskError(self.problem, "The tasks stay in the ledger folder. Make room on the disk.")

    def waiting(self, task_id: str) -> Any:
        """A task of a batch that is not committed yet."""
        with self._changed:
            for batch in reversed(self._batches):
                if task_id in batch.tasks:
                    return batch.tasks[task_id]
        return None

    def uncommitted(self) -> list[dict[str, Any]]:
        """The tasks of the batches that are not committed yet."""
        with self._changed:
            return [batch.tasks for batch in self._batches]

    def wait(self, number: int, seconds: float) -> bool:
        """Wait until the batch of that number is on the disk; False when it is not after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self.committed >= number or bool(self.problem), seconds)
            return self.committed >= number

    def close(self) -> None:
        """Commit what is left and move the log into the database. Raises DeskError if it cannot."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        left = len(self._batches)
        if not left:
            self._checkpoint("TRUNCATE")
        self._connection.close()
        if left:
            raise DeskError(self.problem, "The tasks stay in the ledger folder.")

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._batches) or self._closing)
                if not self._batches:
                    return
                batch = self._batches[0]
            if self._commit(batch):
                with self._changed:
                    self._batches.popleft()
                    self.problem, self.committed = "", batch.number
                    self._changed.notify_all()
                self._move_log(batch)
            elif self._wait_for_retry():
                return

    def _wait_for_retry(self) -> bool:
        """Wait a second; True when the end has come meanwhile."""
        with self._changed:
            self._changed.notify_all()
            return self._closing or self._changed.wait_for(lambda: self._closing, RETRY)

    def _commit(self, batch: Batch) -> bool:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            for sql, rows in batch.statements:
                self._execute(sql, rows)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self.problem = f"The run's database cannot be written: {error}."
            return False
        return True

    def _execute(self, sql: str, rows: Rows) -> None:
        """All rows, or, where one holds what no column can, all but that one."""
        self._connection.execute("SAVEPOINT rows")
        try:
            self._all(sql, rows)
        except _NO_ROW:
            self._connection.execute("ROLLBACK TO rows")
            for row in rows:
                try:
                    self._connection.execute(sql, row)
                except _NO_ROW as error:
                    log.error("left out of the record: %r: %s", row, error)
        self._connection.execute("RELEASE rows")

    def _all(self, sql: str, rows: Rows) -> None:
        several = _of_several(sql) if len(rows) >= TOGETHER else None
        done = 0
        if several is not None:
            done = len(rows) // TOGETHER * TOGETHER
            for start in range(0, done, TOGETHER):
                values = list(chain.from_iterable(rows[start : start + TOGETHER]))
                self._connection.execute(several, values)
        if done < len(rows):
            self._connection.executemany(sql, rows[done:])

    def _move_log(self, batch: Batch) -> None:
        self._log_batches += 1
        self._log_rows += batch.size()
        if self._log_batches >= LOG_BATCHES or self._log_rows >= LOG_ROWS:
            self._log_batches = self._log_rows = 0
            self._checkpoint("PASSIVE")

    def _checkpoint(self, how: str) -> None:
        """Move the log into the database. What readers still need of it stays: the next time moves that."""
        try:
            self._connection.execute(f"PRAGMA wal_checkpoint({how})").fetchall()
        except sqlite3.Error as error:
            self.problem = f"The run's database cannot be written: {error}."
