"""The record by itself: what a line costs to record, and how long the reader takes, at sizes up to a million.

`python -m tests.benchmarks.bench_record [--quick]` prints one JSON object. Lines are recorded in batches as
large as half a second of a flood has them, in this process: tail, account and database, nothing else. The
reader is measured in processes of its own (`record_reader`); here are the questions that it leaves out.
"""

from __future__ import annotations

import gc
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from desktop.engine.api import TaskColumn, TaskFilter, TaskQuery, TextIn
from desktop.engine.ledger.account import Account
from desktop.engine.ledger.lines import Line
from desktop.engine.ledger.tail import Tail
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.record.writing.store import Store
from tests.benchmarks.made import read_by_itself, recorded
from tests.support.made_run import BEGAN, MadeRun, write_ledger

BATCH_LINES = 4_000  # half a second of 8,000 lines a second
SAMPLED = 40  # series
HOURS = 24


def run(quick: bool = False) -> dict[str, Any]:
    """CPU in microseconds, times in milliseconds, sizes in MiB or bytes."""
    sizes = (20_000,) if quick else (100_000, 1_000_000)
    with tempfile.TemporaryDirectory() as temporary:
        found: dict[str, Any] = {"lines": _record(Path(temporary) / "lines", 20_000 if quick else 100_000)}
        found["series"] = _series(Path(temporary) / "series")
        found["live"] = _live(Path(temporary) / "live", 20_000 if quick else 200_000)
    for size in sizes:
        folder = recorded(size)
        found[f"tasks_{size}"] = {
            "database_bytes_per_task": round((folder / "run.db").stat().st_size / size),
            **_single(folder),
            "reader": read_by_itself(folder, 5),
        }
    return found


def _record(folder: Path, count: int) -> dict[str, Any]:
    """What a line costs, all in, and how much of it is whose."""
    lines = write_ledger(folder / "ledger", MadeRun(count))
    tail = Tail(folder / "ledger")
    began = time.process_time()
    read: list[Line] = []
    while some := tail.poll():
        read += some
    tail.close()
    tailed = time.process_time() - began
    # Files are read one after the other; a recorder reads them side by side.
    read.sort(key=lambda line: float(line.data["t"]))
    gc.collect()
    gc.freeze()  # no recorder has all lines in memory, for its collector to walk over
    store = Store.create(folder, {})
    account = Account(recall=store.recall)
    spent = {"account": 0.0, "store": 0.0}
    began = time.process_time()
    for start in range(0, len(read), BATCH_LINES):
        mark = time.thread_time()
        account.take(read[start : start + BATCH_LINES])
        changed = account.changed()
        between = time.thread_time()
        store.write(changed)
        store.put("account", account.saved())
        store.commit({"ledger": start})
        spent["store"] += time.thread_time() - between
        spent["account"] += between - mark
        account.forget(changed)
    store.close(clean=True)
    recorded_in = time.process_time() - began
    return {
        "lines": lines,
        "tasks": count,
        "cpu_us_per_line": round((tailed + recorded_in) / lines * 1e6, 2),
        "tail_us_per_line": round(tailed / lines * 1e6, 2),
        "account_us_per_line": round(spent["account"] / lines * 1e6, 2),
        "store_us_per_task": round((recorded_in - spent["account"]) / count * 1e6, 2),
        "store_own_thread_us_per_task": round(spent["store"] / count * 1e6, 2),
    }


def _single(folder: Path) -> dict[str, Any]:
    """One task by its id, and by a part of it."""
    reader = RunReader.open(folder)
    try:
        newest = reader.tasks(TaskQuery(), 0, 1).result(60).newest
        ids = [row.id for n in range(1, 20) for row in _page(reader, newest * n // 20)]
        by_id = _median([lambda one=one: reader.task(one).result(60) for one in ids])
        parts = [TaskQuery(TaskFilter(text=one[4:16], text_in=TextIn.ID)) for one in ids]
        return {
            "task_by_id_ms": by_id,
            "part_of_id_ms": _median([lambda q=q: reader.tasks(q, 0, 50).result(60) for q in parts]),
        }
    finally:
        reader.close()


def _page(reader: RunReader, first: int) -> Any:
    return reader.tasks(TaskQuery(), first, 1).result(60).rows


def _live(folder: Path, count: int) -> dict[str, Any]:
    """How long the next page takes after a commit of a thousand tasks, while the run is recorded."""
    folder.mkdir(parents=True)
    store = Store.create(folder, {})
    tasks = list(MadeRun(count).tasks())
    store.write(tasks[: count // 2])
    store.commit({})
    _settled(store)
    reader = RunReader.open(folder, live=True)
    times: dict[str, list[float]] = {"sorted": [], "filtered": [], "text": []}
    queries = {
        "sorted": TaskQuery(order=TaskColumn.RUN),
        "filtered": TaskQuery(TaskFilter(names=frozenset({"tasks.cpu.primes"})), TaskColumn.ENDED),
        "text": TaskQuery(TaskFilter(text="orders/7")),
    }
    for query in queries.values():
        reader.tasks(query, 0, 50).result(60)
    for start in range(count // 2, count // 2 + 20_000 * count // 200_000, 1_000):
        store.write(tasks[start : start + 1_000])
        store.commit({})
        _settled(store)
        for name, query in queries.items():
            began = time.perf_counter()
            reader.tasks(query, 0, 50).result(60)
            times[name].append((time.perf_counter() - began) * 1000)
    reader.close()
    store.close(clean=True)
    return {"tasks": count // 2} | {
        f"{name}_ms": round(statistics.median(ms), 1) for name, ms in times.items()
    }


def _settled(store: Store) -> None:
    while not store.settled:
        time.sleep(0.001)


def _series(folder: Path) -> dict[str, Any]:
    """A day of forty series: what a beat costs, its size, and a look at all of it and at a minute."""
    folder.mkdir(parents=True)
    store = Store.create(folder, {})
    names = [f"cpu:w{n}" for n in range(SAMPLED)]
    beats = HOURS * 7_200
    began = time.process_time()
    for beat in range(beats):
        store.sample(BEGAN + beat / 2, {name: float((beat * 7 + n) % 400) for n, name in enumerate(names)})
        if beat % 128 == 127:
            store.commit({})
    store.close(clean=True)
    cpu = time.process_time() - began
    reader = RunReader.open(folder)
    day, end = HOURS * 3600.0, BEGAN + HOURS * 3600.0
    found = {
        "cpu_us_per_beat": round(cpu / beats * 1e6, 1),
        "mib": round((folder / "run.db").stat().st_size / 2**20, 1),
        "day_ms": _median([lambda: reader.series(names, BEGAN, BEGAN + day, 1_000).result(60)]),
        "hour_ms": _median([lambda: reader.series(names, end - 3600, end, 1_000).result(60)]),
        "minute_ms": _median([lambda: reader.series(names, end - 60, end, 1_000).result(60)]),
    }
    reader.close()
    return found


def _median(asks: list[Callable[[], Any]]) -> float:
    times = []
    for ask in asks * (1 if len(asks) > 5 else 7):
        began = time.perf_counter()
        ask()
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 2)


def main() -> None:
    """Print one JSON object."""
    found = run("--quick" in sys.argv[1:])
    found["sqlite"] = sqlite3.sqlite_version
    print(json.dumps(found))


if __name__ == "__main__":
    main()
