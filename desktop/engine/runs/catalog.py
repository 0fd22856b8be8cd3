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
from desktop.engine.record.facts import copied_of
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


def all_runs() -> tuple[RunInfo, ...]:
    """Every run folder, newest first. Reads disks: not for a thread that must not wait."""
    sweep()
    now = writers()
    runs = [info_of(folder, now.write(folder)) for folder in run_folders()]
    return tuple(sorted(runs, key=lambda run: run.began, reverse=True))


def info_of(folder: Path, live: bool = False) -> RunInfo:
    """What is known of a run. One that cannot be read has its `problem`, and never raises."""
    note = note_of(folder)
    known: dict[str, Any] = {"stack": _stack_name(folder), "began": _began(folder)}
    if not (folder / DATABASE).is_file():
        # Recorded by a version without a database, or killed before it was made: its ledger has the tasks.
        known["complete"] = False
    else:
        try:
            known |= _read(folder, live)
        except DeskError as error:
            if schema.stillborn(folder / DATABASE) and (folder / LEDGER).is_dir():
                known |= {"clean": live, "complete": False}
            else:
                known["problem"] = str(error)
    ended = None if live else known.pop("ended", None) or _last_written(folder)
    known.pop("ended", None)
    size = size_of(folder)
    return RunInfo(folder=folder, ended=ended, size=size, live=live, note=note.text, kept=note.kept, **known)


def _read(folder: Path, live: bool) -> dict[str, Any]:
    """What the database says. Raises DeskError where it cannot be read."""
    path = folder / DATABASE
    with contextlib.closing(schema.open_to_read(path)) as connection:
        try:
            meta = read_meta(connection)
            clean, copied = meta.get("clean") is True or live, copied_of(meta)
            found = {
                "clean": clean or copied is not None,
                "copied": copied,
                "complete": clean or not behind(folder, connection),
                "versions": _words(meta.get("versions")),
                **_counts(meta),
            }
        except (sqlite3.Error, OSError, ValueError, TypeError) as error:
            raise schema.unreadable(path, error) from error
    if isinstance(meta.get("stack"), str):
        found["stack"] = meta["stack"]
    for key in ("began", "ended"):
        if isinstance(meta.get(key), (int, float)):
            found[key] = float(meta[key])
    return found


def _counts(meta: Mapping[str, Any]) -> dict[str, int]:
    """As the writer counted, in the transaction that wrote the tasks."""
    counts = meta.get("counts")
    states = counts.get("states") if isinstance(counts, Mapping) else None
    if not isinstance(counts, Mapping) or not isinstance(states, Mapping):
        return {}
    return {
        "tasks": int(counts.get("tasks", 0)),
        "failed": int(states.get(TaskState.FAILURE, 0)),
        "lost": int(states.get(TaskState.LOST, 0)),
        "ran_twice": int(counts.get("ran_twice", 0)),
    }


def seems_to_run(meta: Mapping[str, Any]) -> bool:
    """Whether a task is active by the database."""
    counts = meta.get("counts")
    states = counts.get("states") if isinstance(counts, Mapping) else None
    return isinstance(states, Mapping) and bool(states.get(TaskState.ACTIVE))


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
