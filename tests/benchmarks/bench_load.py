"""Tasks submitted per second: our load generator beside `apply_async` in a loop, in the same run.

`python -m tests.benchmarks.bench_load [--quick]` prints one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from desktop.engine.api import LoadState, TaskShare, Workload
from desktop.engine.load.client import Load
from desktop.engine.load.plan import Plan
from tests.support.valkey import ValkeyServer

AIM = 2.5

_LOOP = """
import sys, time
from celery import Celery
url, count = sys.stdin.readline().split()
app = Celery("bench", broker=url)

@app.task(name="tasks.noop", ignore_result=True)
def noop(): pass

noop.apply_async()  # the first one connects
began = time.perf_counter()
for _ in range(int(count)):
    noop.apply_async()
print(int(count) / (time.perf_counter() - began))
"""


def run(quick: bool = False) -> dict[str, Any]:
    """Medians over rounds in which the two take turns, each a process of its own on an empty queue."""
    rounds, count = (3, 3_000) if quick else (7, 10_000)
    loops, ours = [], []
    for number in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            valkey = ValkeyServer(Path(folder) / "broker")
            valkey.start()
            try:
                loops.append(_apply_async_loop(valkey.url, count))
            finally:
                valkey.kill()
            valkey = ValkeyServer(Path(folder) / "broker2")
            valkey.start()
            try:
                ours.append(_generator(valkey.url, number + 1, count, Path(folder)))
            finally:
                valkey.kill()
    ratios = [mine / loop for mine, loop in zip(ours, loops, strict=True)]
    return {
        "name": "tasks submitted per second",
        "ours": round(median(ours)),
        "peer": round(median(loops)),
        "peer_is": "apply_async in a loop",
        "ratio": round(median(ratios), 2),
        "ratio_lowest": round(min(ratios), 2),
        "aim": AIM,
        "reached": median(ratios) >= AIM,
        "rounds": rounds,
        "tasks": count,
    }


def _apply_async_loop(url: str, count: int) -> float:
    told = subprocess.run(
        [sys.executable, "-c", _LOOP], input=f"{url} {count}\n", capture_output=True, text=True, check=True
    )
    return float(told.stdout)


def _generator(url: str, number: int, count: int, folder: Path) -> float:
    plan = Plan(number, Workload((TaskShare("tasks.noop"),), count=count), folder / "ledger", url)
    load = Load(plan, log_file=folder / "load.log")
    try:
        load.wait(120)
        last = load.snapshot()
    finally:
        load.close()
    if last.state is not LoadState.DONE or last.sent != count:
        raise RuntimeError(f"the generator sent {last.sent} of {count}: {last.detail}")
    return last.rate


if __name__ == "__main__":
    print(json.dumps(run(quick="--quick" in sys.argv[1:]), indent=2))
