"""SIGKILL of the panel while it records under load: what the run folders know afterwards.

    python -m tests.benchmarks.record_kills --times 50 [--seed N]

Every other turn the recorder is killed in the same moment, as by a machine that dies; else it has time for
its last words. Then the folder is looked at as it lies there, with sqlite3 alone: is the database whole, and
how old was the oldest line of the ledger, when the panel was killed, that it does not have? And once more
after it was opened, which completes it: every task of the ledger must be there, as the ledger tells it.
Prints a line a turn and, at the end, one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from desktop.engine.api import TaskFilter
from desktop.engine.ledger import read
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.recorder import recover
from tests.benchmarks.kills import Panel, watch_it_go
from tests.support.left import argv, of_home
from tests.support.waiting import eventually

LIMIT = 1.0  # seconds that may be missing
EARLIEST, LATEST = 3.0, 9.0  # seconds after its start at which a panel is killed
ABOUT_TASKS = ("sent", "received", "started", "ended")


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of one kill."""

    both: bool
    at: float
    tasks: int  # that the ledger knows
    missing: float  # seconds before the kill of which the database lacks a line
    whole: bool  # the database, by its own check
    completed: float  # seconds that opening took to complete it
    wrong: int  # tasks that it then does not know, or knows otherwise

    @property
    def good(self) -> bool:
        """Readable, hardly anything missing, and complete once it was opened."""
        return self.whole and self.missing <= LIMIT and not self.wrong


def one(home: Path, at: float, both: bool) -> Turn:
    """Start, load, SIGKILL at that moment, look."""
    panel = Panel("up", home)
    panel.run_for(at)
    eventually(lambda: panel.loaded, "a load is on", within=30)
    panel.run_for(1.5)
    folder = next(home.glob("data/runs/*"))
    but = frozenset(client.pid for client in panel.clients)
    recorders = [pid for pid in of_home(home, but) if "record.recorder" in argv(pid)] if both else []
    killed = time.time()
    for pid in recorders:
        os.kill(pid, signal.SIGKILL)
    panel.kill()
    watch_it_go(home, but, time.monotonic())
    panel.end_clients()
    missing, whole = _missing(folder, killed), _whole(folder)
    began = time.monotonic()
    recover(folder)
    completed = time.monotonic() - began
    wrong, tasks = _wrong(folder)
    return Turn(both, at, tasks, missing, whole, completed, wrong)


def _missing(folder: Path, killed: float) -> float:
    """Age of the oldest line about a task that was written before the kill and is not in the database."""
    with closing(sqlite3.connect(f"file:{folder / 'run.db'}?mode=ro", uri=True)) as connection:
        offsets = dict(connection.execute("SELECT file, offset FROM ledger"))
    oldest = killed
    for file in (folder / "ledger").glob("*.jsonl"):
        for line in file.read_bytes()[offsets.get(file.name, 0) :].split(b"\n")[:-1]:
            data = json.loads(line)
            if data["k"] in ABOUT_TASKS:
                oldest = min(oldest, data["t"])
                break
    return killed - oldest


def _whole(folder: Path) -> bool:
    with closing(sqlite3.connect(folder / "run.db")) as connection:
        return bool(connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok")


def _wrong(folder: Path) -> tuple[int, int]:
    """(tasks that the record does not know as the ledger tells them, tasks of the ledger)."""
    record = RunReader.open(folder)
    try:
        known = set(record.ids(TaskFilter(), 1_000_000).result(60))
        tasks = list(read(folder / "ledger").tasks())
        wrong = sum(1 for task in tasks if task.id not in known)
        for task in random.sample(tasks, min(len(tasks), 200)):
            detail = record.task(task.id).result(60)
            same = len(detail.attempts) == len(task.attempts) and detail.row.sent == task.sent
            ends = [attempt.state for attempt in detail.attempts]
            cut = [attempt.state or "CUT" for attempt in task.attempts]
            wrong += not (same and ends == cut)
        return wrong, len(tasks)
    finally:
        record.close()


def main() -> int:
    """Exit code 1 where a folder was not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    draw, turns = random.Random(options.seed), []
    print(f"seed {options.seed}", flush=True)
    for number in range(options.times):
        with tempfile.TemporaryDirectory() as home:
            turn = one(Path(home), draw.uniform(EARLIEST, LATEST), both=bool(number % 2))
        turns.append(turn)
        print(number + 1, turn, flush=True)
    print(json.dumps(_figures(turns), indent=2))
    return 0 if all(turn.good for turn in turns) else 1


def _figures(turns: list[Turn]) -> dict[str, Any]:
    missing = [turn.missing for turn in turns]
    return {
        "turns": len(turns),
        "recorder_killed_too": sum(turn.both for turn in turns),
        "readable": sum(turn.whole for turn in turns),
        "missing_s_median": round(statistics.median(missing), 3),
        "missing_s_max": round(max(missing), 3),
        "over_a_second": sum(value > LIMIT for value in missing),
        "tasks": sum(turn.tasks for turn in turns),
        "wrong_after_opening": sum(turn.wrong for turn in turns),
        "completing_s_max": round(max(turn.completed for turn in turns), 2),
    }


if __name__ == "__main__":
    sys.exit(main())
