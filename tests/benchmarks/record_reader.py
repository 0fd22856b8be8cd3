"""How long the reader of a run takes for what a task list asks, and its memory: `record_reader RUN ROUNDS`.

Each question is asked once before it is timed as often as it is told: `…_first_ms` is that first time, with
nothing in memory yet, `…_ms` the median of the others, each of which asks something else than the one before.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import psutil

from desktop.engine.api import TaskColumn, TaskFilter, TaskQuery, TaskState, TextIn
from desktop.engine.record.reading.reader import RunReader

PAGE = 50
_RECEIVED = TaskQuery(order=TaskColumn.RECEIVED)


def questions(reader: RunReader) -> dict[str, Callable[[], Any]]:
    """What is asked, by name; each call asks the next variant and waits for the answer."""
    total = reader.tasks(_RECEIVED, 0, 1).result(120).total
    places = cycle([total // 2, total // 3, total // 7])
    states = cycle([TaskState.FAILURE, TaskState.LOST, TaskState.REVOKED])
    words = cycle(["no such user", "orders/77", "refused", "out of range", "orders/123"])
    names = cycle(["tasks.cpu.primes", "tasks.io.slow_http", "tasks.flaky.always"])
    orders = cycle([TaskColumn.RUN, TaskColumn.NAME, TaskColumn.CPU, TaskColumn.WAIT, TaskColumn.ENDED])

    def tasks(query: TaskQuery, first: int = 0) -> Any:
        return reader.tasks(query, first, PAGE).result(120)

    return {
        "page": lambda: tasks(_RECEIVED),
        "deep_page": lambda: tasks(_RECEIVED, next(places)),
        "state": lambda: tasks(TaskQuery(TaskFilter(frozenset({next(states)})), TaskColumn.RECEIVED)),
        "name": lambda: tasks(TaskQuery(TaskFilter(names=frozenset({next(names)})), TaskColumn.RECEIVED)),
        "sort": lambda: tasks(TaskQuery(order=next(orders))),
        "search": lambda: tasks(TaskQuery(TaskFilter(text=next(words)), TaskColumn.RECEIVED)),
        "search_error": lambda: tasks(TaskQuery(TaskFilter(text=next(words), text_in=TextIn.ERROR))),
        "groups": lambda: reader.groups(TaskFilter(states=frozenset({next(states)}))).result(120),
    }


def main() -> None:
    """Print one JSON object."""
    folder, rounds = Path(sys.argv[1]), int(sys.argv[2])
    me = psutil.Process()
    import numpy

    del numpy  # what it takes by itself is not memory of tasks
    before = me.memory_info().rss
    began = time.perf_counter()
    reader = RunReader.open(folder)
    total = reader.tasks(_RECEIVED, 0, PAGE).result(120).total
    found: dict[str, float] = {"tasks": total, "open_ms": round((time.perf_counter() - began) * 1000, 1)}
    for name, ask in questions(reader).items():
        times = list(_times(ask, rounds + 1))
        found[f"{name}_first_ms"] = round(times[0], 1)
        found[f"{name}_ms"] = round(statistics.median(times[1:]), 1)
        found[f"{name}_worst_ms"] = round(max(times[1:]), 1)
    found["rss_grown_mib"] = round((me.memory_info().rss - before) / 2**20, 1)
    reader.close()
    print(json.dumps(found))


def _times(ask: Callable[[], Any], count: int) -> Iterator[float]:
    for _ in range(count):
        began = time.perf_counter()
        ask()
        yield (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    main()
