"""Recording tasks and finding them again: ours beside Flower, on the same tasks, in the same run.

Both are given one made-up run: Flower its Celery events through a broker, the recorder the lines that
probes and load generators write of it. `flood`: 100,000 events as fast as they can be sent. `list`: 100,000
tasks in memory, respectively in the database; a million too for ours. What watching costs the workers:
`bench_watched`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import Any

import redis

from desktop.engine.ledger.records import CUT
from tests.benchmarks.flower_peer import Flower
from tests.benchmarks.made import read_by_itself, recorded
from tests.benchmarks.recorder_peer import Recording
from tests.support.made_run import MadeRun, write_ledger
from tests.support.valkey import ValkeyServer

PER_10K = 10_000
PACE = 4000  # events a second: what workers of this machine reach
FAST = 10_000  # about what one process can publish as Celery's events
WARM = 4  # so much of the tasks come before the others are measured, to fill what has a bound
EVENTS_A_TASK = 4.3  # of a made-up run


def run(quick: bool) -> dict[str, Any]:
    """Every part; each with a broker of its own."""
    tasks, flood, seconds = (20_000, 20_000, 3) if quick else (100_000, 25_000, 15)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found: dict[str, Any] = {"tasks": tasks}
        found["flower"] = _flower(folder / "flower", tasks, 3 if quick else 9)
        found["flower"]["flood"] = _flower_flood(folder / "flood", flood)
        found["ours"] = _ours(folder / "ours", tasks)
        found["ours"]["flood"] = _our_flood(folder / "our-flood", flood)
        found["ours"]["paced"] = _paced(folder / "paced", seconds)
    found["ours"]["list"] = read_by_itself(recorded(tasks), 5 if quick else 15)
    if not quick:
        found["ours"]["list_million"] = read_by_itself(recorded(1_000_000), 15)
    return found


class _Program:
    """One of the programs that flood, ready to begin."""

    def __init__(self, module: str, *arguments: str, url: str = "") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"CELERY_BROKER_URL": url},
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def begin(self) -> None:
        """Let it run."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, float]:
        """What it says at its end."""
        told, _ = self._process.communicate()
        found: dict[str, float] = json.loads(told)
        return found

    def go(self) -> dict[str, float]:
        """Let it run to its end; what it says."""
        self.begin()
        return self.end()


def _broker(folder: Path, limited: bool) -> ValkeyServer:
    folder.mkdir()
    server = ValkeyServer(folder / "valkey")
    server.start()
    if not limited:
        client: redis.Redis = redis.Redis.from_url(server.url)
        client.config_set("client-output-buffer-limit", "pubsub 0 0 0")
        client.close()
    return server


def _flower(folder: Path, tasks: int, rounds: int) -> dict[str, Any]:
    """CPU and memory for the events of so many tasks, none of them lost, and its table with them."""
    server = _broker(folder, limited=False)
    try:
        with Flower(server.url, folder) as flower:
            _Program("event_flood", str(tasks // WARM), "8", url=server.url).go()
            cpu, rss, seen = flower.settled(), flower.rss, flower.events()
            told = _Program("event_flood", str(tasks), url=server.url).go()
            took, grown, counted = flower.settled() - cpu, flower.rss - rss, flower.events() - seen
            return {
                "events": counted,
                "lost": int(told["events"]) - counted,
                "cpu_us_per_event": round(took / counted * 1e6, 1),
                "mib_per_10k_tasks": round(grown / tasks * PER_10K, 2),
                "list": _table(flower, tasks, rounds),
                "rss_after_reading_mib": round(flower.rss, 1),
            }
    finally:
        server.kill()


def _table(flower: Flower, tasks: int, rounds: int) -> dict[str, float]:
    places = cycle([tasks // 2, tasks // 3, tasks // 7])
    words = cycle(["no such user", "orders/77", "refused", "out of range", "orders/123"])
    states = cycle(["state:FAILURE", "state:SUCCESS", "state:RETRY"])
    asked: dict[str, Callable[[], float]] = {
        "page": flower.table,
        "deep_page": lambda: flower.table(first=next(places)),
        "search": lambda: flower.table(next(words)),
        "state": lambda: flower.table(next(states)),
    }
    found = {}
    for name, ask in asked.items():
        ask()
        times = [ask() for _ in range(rounds)]
        found[f"{name}_ms"] = round(statistics.median(times), 1)
        found[f"{name}_worst_ms"] = round(max(times), 1)
    return found


def _flower_flood(folder: Path, tasks: int) -> dict[str, Any]:
    """What Flower sees of events sent as fast as two processes can, with the broker's own limits."""
    server = _broker(folder, limited=True)
    try:
        with Flower(server.url, folder) as flower:
            seeds = ("8", "9")
            half = str(tasks // len(seeds))
            programs = [_Program("event_flood", half, seed, url=server.url) for seed in seeds]
            for program in programs:
                program.begin()
            told = [program.end() for program in programs]
            flower.settled()
            seen = flower.events()
    finally:
        server.kill()
    both = {"events": sum(t["events"] for t in told), "seconds": max(t["seconds"] for t in told)}
    return _lost(both, int(both["events"]), seen)


def _lost(told: dict[str, float], sent: int, seen: int) -> dict[str, Any]:
    per_second = round(told["events"] / told["seconds"])
    lost = round(100 * (1 - seen / sent), 2)
    return {"events": sent, "per_second": per_second, "seen": seen, "lost_percent": lost}


def _ours(folder: Path, tasks: int) -> dict[str, Any]:
    """CPU and memory of the recorder for the lines of so many tasks."""
    for part, count, seed in (("warm", tasks // WARM, 8), ("from", tasks, 7)):
        write_ledger(folder / part, MadeRun(count, seed, open_share=0.0))
    with Recording(folder) as recording:
        _Program("ledger_flood", str(folder / "warm"), str(folder / "ledger"), str(FAST)).go()
        writer = _Program("ledger_flood", str(folder / "from"), str(folder / "ledger"), str(FAST))
        cpu, rss = recording.settled(), recording.rss
        told = writer.go()
        took, grown = recording.settled() - cpu, recording.rss - rss
    size = sum(file.stat().st_size for file in folder.glob("run.db*"))
    return {
        "events": int(told["events"]),
        "cpu_us_per_event": round(took / told["events"] * 1e6, 2),
        "mib_per_10k_tasks": round(grown / tasks * PER_10K, 2),
        "rss_mib": round(rss + grown, 1),
        "database_mib_per_10k_tasks": round(size / 2**20 / (tasks + tasks // WARM) * PER_10K, 2),
    }


def _our_flood(folder: Path, tasks: int) -> dict[str, Any]:
    """What is in the database after lines were written as fast as one process can."""
    made = MadeRun(tasks, open_share=0.0)
    (folder / "from").mkdir(parents=True)
    write_ledger(folder / "from", made)
    with Recording(folder) as recording:
        told = _Program("ledger_flood", str(folder / "from"), str(folder / "ledger")).go()
        recording.settled()
    tasks_seen, ended_seen = recording.written()
    ended = sum(attempt.state != CUT for task in made.tasks() for attempt in task.attempts)
    return {**_lost(told, tasks + ended, tasks_seen + ended_seen), "tasks": tasks_seen, "ends": ended_seen}


def _paced(folder: Path, seconds: float) -> dict[str, Any]:
    """CPU of the recorder at a rate that workers of this machine reach, half a second between its writes."""
    tasks = int(PACE * seconds / EVENTS_A_TASK)
    (folder / "from").mkdir(parents=True)
    write_ledger(folder / "from", MadeRun(tasks, open_share=0.0))
    with Recording(folder) as recording:
        writer = _Program("ledger_flood", str(folder / "from"), str(folder / "ledger"), str(PACE))
        cpu = recording.cpu
        told = writer.go()
        took = recording.settled() - cpu
    return {
        "events_per_second": round(told["events"] / told["seconds"]),
        "cpu_us_per_event": round(took / told["events"] * 1e6, 2),
    }


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
