"""Every run of this user, quickly: what its database says of itself, without opening it whole."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from desktop.engine.api import DeskError, RunInfo, TaskState
from desktop.engine.record import schema
from desktop.engine.record.layout import CHUNK, FACT_OFFSETS
from desktop.engine.runs.folders import (
    DATABASE,
    LEDGER,
    STACK,
    files_of,
    note_of,
    run_folders,
    size_of,
    stamp_of,
    sweep,
    writers,
)

_TAIL = 1 << 16
_STATES_AT = FACT_OFFSETS["state"][0]
_FLAGS_AT = FACT_OFFSETS["flags"][0]
_TWICE = bytes(bool(flags & schema.TWICE) for flags in range(256))
_FAILED, _LOST = schema.CODES[TaskState.FAILURE], schema.CODES[TaskState.LOST]
_ACTIVE = schema.CODES[TaskState.ACTIVE]

# (tasks, failed, lost, ran twice) of databases that were counted, by what they looked like then.
_Counts = tuple[int, int, int, int]
_counted: dict[Path, tuple[tuple[float, int], _Counts]] = {}


def all_runs(counts: bool = True) -> tuple[RunInfo, ...]:
    """Every run folder, newest first. Reads disks: not for a thread that must not wait.

    Without `counts` its tasks are not counted, which takes a tenth of a second for a million of them.
    """
    sweep()
    now = writers()
    runs = [info_of(folder, now.write(folder), counts) for folder in run_folders()]
    return tuple(sorted(runs, key=lambda run: run.began, reverse=True))


def info_of(folder: Path, live: bool = False, counts: bool = True) -> RunInfo:
    """What is known of a run. One that cannot be read has its `problem`, and never raises."""
    note = note_of(folder)
    known: dict[str, Any] = {"stack": _stack_name(folder), "began": _began(folder)}
    if (folder / DATABASE).is_file():
        try:
            known |= _read(folder, live, counts)
        except DeskError as error:
            known["problem"] = str(error)
    else:
        # Recorded by a version without a database, or killed before it was made: its ledger has the tasks.
        known["complete"] = False
    ended = None if live else known.pop("ended", None) or _last_written(folder)
    known.pop("ended", None)
    size = size_of(folder)
    return RunInfo(folder=folder, ended=ended, size=size, live=live, note=note.text, kept=note.kept, **known)


def _read(folder: Path, live: bool, counts: bool) -> dict[str, Any]:
    """What the database says. Raises DeskError where it cannot be read."""
    path = folder / DATABASE
    with contextlib.closing(schema.open_to_read(path)) as connection:
        try:
            meta = read_meta(connection)
            counted = _remembered(meta) or (_count(path, connection) if counts else (0, 0, 0, 0))
            clean = meta.get("clean") is True or live
            found = {
                "clean": clean,
                "complete": clean or not behind(folder, connection),
                "versions": _words(meta.get("versions")),
                **dict(zip(("tasks", "failed", "lost", "ran_twice"), counted, strict=True)),
            }
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            raise schema.unreadable(path, error) from error
    if isinstance(meta.get("stack"), str):
        found["stack"] = meta["stack"]
    for key in ("began", "ended"):
        if isinstance(meta.get(key), (int, float)):
            found[key] = float(meta[key])
    return found


def _remembered(meta: Mapping[str, Any]) -> _Counts | None:
    """What the writer counted itself."""
    counts = meta.get("counts")
    states = counts.get("states") if isinstance(counts, Mapping) else None
    if not isinstance(counts, Mapping) or not isinstance(states, Mapping):
        return None
    found = [
        counts.get("tasks", 0),
        states.get("FAILURE", 0),
        states.get("LOST", 0),
        counts.get("ran_twice", 0),
    ]
    tasks, failed, lost, twice = (int(value) for value in found)
    return tasks, failed, lost, twice


def _count(path: Path, connection: sqlite3.Connection) -> _Counts:
    """From the packed facts: a tenth of what a walk over the table of tasks would read."""
    looks = _looks(path)
    if path in _counted and _counted[path][0] == looks:
        return _counted[path][1]
    tasks = int(connection.execute("SELECT coalesce(max(row), 0) FROM task").fetchone()[0])
    failed = lost = twice = 0
    for (data,) in connection.execute("SELECT data FROM facts"):
        states = data[_STATES_AT : _STATES_AT + CHUNK]
        failed += states.count(_FAILED)
        lost += states.count(_LOST)
        twice += data[_FLAGS_AT : _FLAGS_AT + CHUNK].translate(_TWICE).count(1)
    counts = (tasks, failed, lost, twice)
    _counted[path] = (looks, counts)
    return counts


def seems_to_run(connection: sqlite3.Connection) -> bool:
    """Whether a task is active by the database."""
    rows = connection.execute("SELECT data FROM facts")
    return any(_ACTIVE in data[_STATES_AT : _STATES_AT + CHUNK] for (data,) in rows)


def _looks(path: Path) -> tuple[float, int]:
    """Something that differs after each commit."""
    files = (path, path.with_name(f"{path.name}-wal"))
    found = [file.stat() for file in files if file.exists()]
    return max(stat.st_mtime for stat in found), sum(stat.st_size for stat in found)


def read_meta(connection: sqlite3.Connection) -> dict[str, Any]:
    """The facts of a run. Raises sqlite3.Error or ValueError where they cannot be read."""
    return {key: json.loads(value) for key, value in connection.execute("SELECT key, value FROM meta")}


def _words(value: Any) -> Mapping[str, str]:
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, Mapping) else {}


def behind(folder: Path, connection: sqlite3.Connection) -> bool:
    """Whether the ledger holds whole lines that the database does not."""
    read = dict(connection.execute("SELECT file, offset FROM ledger"))
    for path, found in files_of(folder / LEDGER):
        if path.suffix != ".jsonl" or found.st_size <= read.get(path.name, 0):
            continue
        with contextlib.suppress(OSError), path.open("rb") as file:
            file.seek(read.get(path.name, 0))
            if b"\n" in file.read(_TAIL):
                return True
    return False


def _stack_name(folder: Path) -> str:
    try:
        said = tomllib.loads((folder / STACK).read_text(encoding="utf-8")).get("name", "")
    except (OSError, ValueError):
        said = ""
    return said if isinstance(said, str) and said else folder.name[16:] or folder.name


def _began(folder: Path) -> float:
    stamp = stamp_of(folder.name)
    return stamp if stamp is not None else min(_times(folder), default=0.0)


def _last_written(folder: Path) -> float | None:
    return max(_times(folder), default=None)


def _times(folder: Path) -> list[float]:
    return [
        found.st_mtime for path, found in files_of(folder) if not path.name.startswith((DATABASE, "run.toml"))
    ]
