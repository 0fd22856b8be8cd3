"""Run folders with a few tasks, written by the record's own writer: to be listed, packed and opened."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import uuid
from pathlib import Path

from desktop.engine import paths
from desktop.engine.api import Mark, MarkKind, TaskState
from desktop.engine.ledger.records import Attempt, Task
from desktop.engine.record.writing.store import Store

STACK = """\
# A prefork worker.
name = "{name}"

[[worker]]
name = "w1"
pool = "prefork"
concurrency = 2
queues = ["celery", "mail"]
"""
BEGAN = 1_790_000_000.0


def small_run(
    name: str = "20260921-151320-laptop",
    *,
    stack: str = "laptop",
    tasks: int = 20,
    failed: int = 2,
    lost: int = 1,
    twice: int = 1,
    clean: bool = True,
    began: float = BEGAN,
    lasted: float = 60.0,
    database: bool = True,
) -> Path:
    """A folder among the runs of this user. Not `clean`: as a panel leaves it that is killed."""
    folder = paths.runs_folder() / name
    for part in ("logs", "ledger", "broker"):
        (folder / part).mkdir(parents=True)
    (folder / "stack.toml").write_text(STACK.format(name=stack), encoding="utf-8")
    (folder / "logs" / "w1.001.log").write_text(
        f"[2026-09-21 15:13:20,101: INFO/MainProcess] w1@{stack} ready.\n", encoding="utf-8"
    )
    (folder / "ledger" / "w1.001.4242.jsonl").write_text(json.dumps(OPEN) + "\n", encoding="utf-8")
    (folder / "broker" / "dump.rdb").write_bytes(b"messages of somebody")
    if database:
        _record(folder, stack, (tasks, failed, lost, twice), clean, began)
        with contextlib.closing(sqlite3.connect(folder / "run.db")) as connection, connection:
            connection.execute("UPDATE meta SET value = ? WHERE key = 'ended'", (str(began + lasted),))
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (began + lasted, began + lasted))
    return folder


OPEN = {
    "k": "open",
    "t": BEGAN,
    "v": 1,
    "service": "w1",
    "start": 1,
    "pid": 4242,
    "parent": 1,
    "role": "main",
    "node": "w1@laptop",
    "pool": "prefork",
    "celery": "5.7.0",
    "python": "3.11.7",
}


def _record(folder: Path, stack: str, counts: tuple[int, int, int, int], clean: bool, began: float) -> None:
    store = Store.create(folder, {"stack": stack, "began": began, "versions": {"celery": "5.7.0"}})
    store.write(_tasks(counts, began))
    for beat in range(10):
        store.sample(began + beat / 2, {"cpu:w1": 10.0 * beat, "depth:celery": 3.0})
    store.mark(Mark(began + 1, MarkKind.READY, "w1", "w1 answers"))
    ledger = folder / "ledger" / "w1.001.4242.jsonl"
    store.commit({ledger.name: ledger.stat().st_size})
    store.close(clean)


def _tasks(counts: tuple[int, int, int, int], began: float) -> list[Task]:
    total, failed, lost, twice = counts
    made = []
    for number in range(total):
        end = "FAILURE" if number < failed else "" if number < failed + lost else "SUCCESS"
        task = Task(str(uuid.UUID(int=number + 1)), "tasks.hash", "celery")
        task.sent = task.received = began + number
        started = began + number + 0.5
        attempt = Attempt(task.id, task.name, "w1", 1, 4243, started, ended=started + 0.1, run=0.1, cpu=0.05)
        attempt.state = end or "CUT"
        task.attempts.append(attempt)
        task.state, task.over, task.twice = end, True, number >= total - twice
        task.place = TaskState(end) if end else TaskState.LOST
        made.append(task)
    return made
