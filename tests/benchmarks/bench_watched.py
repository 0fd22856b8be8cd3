"""What being watched costs with the watcher there: Flower on Celery's events, the recorder on the ledger.

Three workers live at once on one broker: bare; with Celery's events (`-E`) and a Flower that takes them in;
with the probe and a recorder that writes its ledger into a run's database. They take turns with the same
messages (`bursts`). `…_ratio` compares rates by the clock with the bare worker of the same round, while the
watcher takes its part of the same cores; `…_chain_cpu_ratio` compares the CPU time of the bare worker with
that of a worker and its watcher together; `…_watcher_us` is the watcher's own, for a task.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.benchmarks.bursts import POOLS, broker, ratio, take_turns, workers
from tests.benchmarks.flower_peer import Flower
from tests.benchmarks.recorder_peer import Recording
from tests.benchmarks.watched_process import WatchedProcess


def run(quick: bool) -> dict[str, Any]:
    """Ratios per pool."""
    tasks, rounds = (400, 3) if quick else (1500, 7)
    with broker() as (url, folder):
        pools = {pool: _measure(pool, url, folder / pool, tasks, rounds) for pool in POOLS}
    return {"tasks": tasks, "rounds": rounds, "pools": pools}


def _measure(pool: str, url: str, folder: Path, tasks: int, rounds: int) -> dict[str, Any]:
    folder.mkdir()
    own: dict[str, list[float]] = {"watched": [], "events": []}
    with Recording(folder) as recording, Flower(url, folder) as flower, workers(pool, url, folder) as pids:
        watchers: dict[str, WatchedProcess] = {"watched": recording, "events": flower}

        @contextmanager
        def watching(variant: str) -> Iterator[None]:
            watcher = watchers.get(variant)
            before = watcher.cpu if watcher else 0.0
            yield
            if watcher is not None:  # what it has not taken in yet is not the next worker's
                own[variant].append(watcher.settled() - before)

        taken = take_turns(url, pids, tasks, rounds, watching)
    return _figures(tasks, taken.seconds, taken.cpu, own)


def _figures(
    tasks: int, seconds: dict[str, list[float]], cpu: dict[str, list[float]], own: dict[str, list[float]]
) -> dict[str, Any]:
    found: dict[str, Any] = {"bare_per_second": round(tasks / statistics.median(seconds["bare"]))}
    for variant, watching in own.items():
        both = [worker + watcher for worker, watcher in zip(cpu[variant], watching, strict=True)]
        found[f"{variant}_ratio"] = ratio(seconds["bare"], seconds[variant])
        found[f"{variant}_chain_cpu_ratio"] = ratio(cpu["bare"], both)
        found[f"{variant}_watcher_us"] = round(statistics.median(watching) / tasks * 1e6, 1)
    return found


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
