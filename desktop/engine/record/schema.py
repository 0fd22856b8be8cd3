"""The tables of a run's database, their version, and how it is opened (`FORMAT.md`)."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from desktop.engine.api import DeskError, TaskState

NAME = "run.db"
VERSION = 1  # of the format, in PRAGMA user_version
APPLICATION = 0x43446573  # "CDes", in PRAGMA application_id
PAGE = 8192  # bytes
ATTEMPT_BITS = 20  # attempt.row = task.row << 20 | number of the attempt
MOST_ATTEMPTS = 1 << ATTEMPT_BITS  # of one task; those beyond are counted, and the last is written
PART_BITS = 14  # tasks of one part of an index by id: a batch touches one part's pages, not all of them

# The code of each state in `task.state`: their order is part of the format.
STATES: tuple[TaskState, ...] = (
    TaskState.WAITING,
    TaskState.SCHEDULED,
    TaskState.RESERVED,
    TaskState.ACTIVE,
    TaskState.STRANDED,
    TaskState.SUCCESS,
    TaskState.FAILURE,
    TaskState.REVOKED,
    TaskState.REJECTED,
    TaskState.IGNORED,
    TaskState.LOST,
    TaskState.PURGED,
    TaskState.UNKNOWN,
)
CODES: Mapping[TaskState, int] = {state: code for code, state in enumerate(STATES)}

# Bits of `flags`. OWN_ID: the id is no UUID; KIN: it is in `kin`; OPEN: its one receipt waits for a run;
# COUNTED: it is written, which tells it from the empty places of its chunk.
OVER, TWICE, ARGS_CUT, OWN_ID, KIN, OPEN, COUNTED = 1, 2, 4, 8, 16, 32, 64

_TABLES = f"""
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ledger(file TEXT PRIMARY KEY, offset INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE state(code INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE word(id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE text(block INTEGER PRIMARY KEY, bodies TEXT NOT NULL);
CREATE TABLE task(
  row INTEGER PRIMARY KEY, id NOT NULL, name INTEGER, queue INTEGER, state INTEGER NOT NULL, ending INTEGER,
  holder INTEGER, holder_start INTEGER, sent REAL, received REAL, received_by INTEGER, received_start INTEGER,
  ended REAL, wait REAL, back_at REAL, attempts INTEGER NOT NULL, last INTEGER, flags INTEGER NOT NULL,
  load INTEGER, args INTEGER, kwargs INTEGER, error INTEGER);
CREATE TABLE attempt(
  row INTEGER PRIMARY KEY, name INTEGER, worker INTEGER, start INTEGER, pid INTEGER, received REAL,
  started REAL NOT NULL, ended REAL, state INTEGER, retries INTEGER, run REAL, cpu REAL, error INTEGER,
  traceback INTEGER, result INTEGER, requeued INTEGER NOT NULL,
  task INTEGER GENERATED ALWAYS AS (row >> {ATTEMPT_BITS}) VIRTUAL);
CREATE TABLE delivery(
  task INTEGER, n INTEGER, t REAL NOT NULL, worker INTEGER, start INTEGER, redelivered INTEGER NOT NULL,
  retries INTEGER NOT NULL, eta REAL, open INTEGER NOT NULL, PRIMARY KEY(task, n)) WITHOUT ROWID;
CREATE TABLE kin(task INTEGER PRIMARY KEY, root, parent);
CREATE TABLE by_id(part INTEGER, hash INTEGER, task INTEGER, PRIMARY KEY(part, hash, task)) WITHOUT ROWID;
CREATE TABLE by_kin(part INTEGER, hash INTEGER, task INTEGER, PRIMARY KEY(part, hash, task)) WITHOUT ROWID;
CREATE TABLE earlier_text(
  text INTEGER, task INTEGER, kind INTEGER, PRIMARY KEY(text, task, kind)) WITHOUT ROWID;
CREATE TABLE facts(chunk INTEGER PRIMARY KEY, version INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX facts_version ON facts(version);
CREATE TABLE ids(chunk INTEGER PRIMARY KEY, data BLOB NOT NULL);
CREATE TABLE task_texts(chunk INTEGER PRIMARY KEY, version INTEGER NOT NULL, data BLOB NOT NULL);
CREATE INDEX task_texts_version ON task_texts(version);
CREATE TABLE mark(row INTEGER PRIMARY KEY, t REAL NOT NULL, kind TEXT NOT NULL, service TEXT, text TEXT);
CREATE TABLE series(id INTEGER PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE beat(n INTEGER PRIMARY KEY, t REAL NOT NULL, data BLOB NOT NULL);
CREATE TABLE piece(series INTEGER, level INTEGER, number INTEGER, data BLOB NOT NULL,
  PRIMARY KEY(series, level, number));
"""


def _text_of(column: str) -> str:
    place = f"'$[' || ({column} & 255) || ']'"
    return f"(SELECT json_extract(bodies, {place}) FROM text WHERE block = {column} >> 8)"


def _word_of(column: str) -> str:
    return f"(SELECT text FROM word WHERE word.id = {column})"


def _time_of(column: str) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f', {column}, 'unixepoch')"


_ID = """CASE typeof(task.id) WHEN 'blob' THEN lower(substr(hex(task.id), 1, 8) || '-' ||
  substr(hex(task.id), 9, 4) || '-' || substr(hex(task.id), 13, 4) || '-' || substr(hex(task.id), 17, 4)
  || '-' || substr(hex(task.id), 21)) ELSE task.id END"""

# For people with `sqlite3`: names, UTC times and texts instead of numbers. The panel does not read them.
_VIEWS = f"""
CREATE VIEW tasks_readable AS SELECT task.row AS number, {_ID} AS id, {_word_of("task.name")} AS name,
  (SELECT name FROM state WHERE code = task.state) AS state, {_word_of("task.queue")} AS queue,
  {_word_of("coalesce(task.holder, attempt.worker)")} AS worker, {_time_of("task.sent")} AS sent,
  {_time_of("task.received")} AS received, {_time_of("attempt.started")} AS started,
  {_time_of("task.ended")} AS ended, task.wait, attempt.run, attempt.cpu, task.attempts,
  task.flags & {TWICE} <> 0 AS ran_twice,
  {_text_of("task.args")} AS args, {_text_of("task.kwargs")} AS kwargs,
  {_text_of("attempt.result")} AS result, {_text_of("task.error")} AS error
  FROM task LEFT JOIN attempt ON attempt.row = task.last;
CREATE VIEW attempts_readable AS SELECT attempt.task AS number, {_ID} AS id,
  {_word_of("attempt.name")} AS name, {_word_of("attempt.worker")} AS worker, attempt.start, attempt.pid,
  {_time_of("attempt.received")} AS received, {_time_of("attempt.started")} AS started,
  {_time_of("attempt.ended")} AS ended, {_word_of("attempt.state")} AS state, attempt.retries, attempt.run,
  attempt.cpu, {_text_of("attempt.error")} AS error, {_text_of("attempt.traceback")} AS traceback,
  {_text_of("attempt.result")} AS result, attempt.requeued
  FROM attempt JOIN task ON task.row = attempt.task;
CREATE VIEW texts_readable AS SELECT block << 8 | key AS id, value AS body FROM text, json_each(bodies);
"""

# What brings a database of version N to N + 1, in one transaction with the new number.
MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {}


def create(path: Path) -> sqlite3.Connection:
    """A new database with all its tables. Raises DeskError where there is one, or none can be made."""
    if path.exists():
        raise DeskError(f"{path} is there already.", "A run is recorded into a folder of its own.")
    try:
        with _let_go_of(_connect(f"{path.as_uri()}?mode=rwc")) as connection:
            connection.execute(f"PRAGMA page_size = {PAGE}")
            connection.execute("PRAGMA journal_mode = WAL")
            _set_up(connection)
            connection.executescript(f"BEGIN; {_TABLES} {_VIEWS} COMMIT;")
            connection.executemany("INSERT INTO state VALUES(?, ?)", enumerate(map(str, STATES)))
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
    except sqlite3.Error as error:
        raise DeskError(
            f"{path} cannot be written: {error}.", "Make room on the disk, or allow it."
        ) from error
    return connection


def open_to_write(path: Path) -> sqlite3.Connection:
    """The database of a run that goes on; an older one is brought to this version first.

    Raises DeskError where it is missing, damaged, newer than this program or not to be written.
    """
    if not path.exists():
        raise DeskError(f"There is no {path}.", "Its run cannot go on; start the stack anew.")
    try:
        with _let_go_of(_connect(f"{path.as_uri()}?mode=rw")) as connection:
            _migrate(connection, _version(connection, path), path)
            _set_up(connection)
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    return connection


def open_to_read(path: Path) -> sqlite3.Connection:
    """A connection that writes nothing. Usable from any thread, by one at a time.

    Raises DeskError where it is missing, damaged, newer than this program, or older and not migrated.
    """
    if not path.exists():
        raise DeskError(
            f"There is no {NAME} in {path.parent}.", "Choose the folder of a run, or its zip file."
        )
    try:
        try:
            connection, version = _versioned(path, "mode=ro")
        except sqlite3.OperationalError:  # a folder that we may not write: nobody else writes there either
            connection, version = _versioned(path, "mode=ro&immutable=1")
    except sqlite3.Error as error:
        raise unreadable(path, error) from error
    if version < VERSION:
        connection.close()
        open_to_write(path).close()
        return open_to_read(path)
    return connection


def stillborn(path: Path) -> bool:
    """Its recorder was killed in the moment in which it created the database: nothing is in it."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as connection:
            if not connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return True
            return not connection.execute("SELECT count(*) FROM meta").fetchone()[0]
    except sqlite3.Error:  # damaged, or somebody else's
        return False


def unreadable(path: Path, error: Exception) -> DeskError:
    """What a person is told when SQLite cannot read a run's database."""
    return DeskError(
        f"{path} cannot be read: {error}.",
        f"The ledger folder beside it has the same tasks; `sqlite3 {path.name} .recover` saves what it can.",
    )


def _versioned(path: Path, how: str) -> tuple[sqlite3.Connection, int]:
    with _let_go_of(_connect(f"{path.as_uri()}?{how}")) as connection:
        version = _version(connection, path)
        connection.execute("PRAGMA cache_size = -4000")
    return connection, version


@contextlib.contextmanager
def _let_go_of(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Close it where what is done with it fails; else it stays open."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def _connect(uri: str) -> sqlite3.Connection:
    return sqlite3.connect(uri, uri=True, timeout=10.0, isolation_level=None, check_same_thread=False)


def _set_up(connection: sqlite3.Connection) -> None:
    for pragma in (
        "synchronous = FULL",  # a machine that dies loses at most what was not committed
        "wal_autocheckpoint = 0",  # the writer does it between its transactions
        "journal_size_limit = 67108864",
        "cache_size = -8000",
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The format's version. Raises DeskError for one that we cannot read."""
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if application != APPLICATION or version < 1:
        connection.close()
        raise DeskError(f"{path} is no record of a run.", "Choose the folder of a run, or its zip file.")
    if version > VERSION:
        connection.close()
        raise DeskError(
            f"{path} was recorded by a newer Celery Desk (format {version}; this one reads up to {VERSION}).",
            "Update Celery Desk to open it.",
        )
    return version


def _migrate(connection: sqlite3.Connection, version: int, path: Path) -> None:
    for number in range(version, VERSION):
        step = MIGRATIONS.get(number)
        if step is None:
            connection.close()
            raise DeskError(
                f"{path} has format {number}, which this Celery Desk cannot bring up to date.",
                "Open it with the version that recorded it.",
            )
        connection.execute("BEGIN IMMEDIATE")
        try:
            step(connection)
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
