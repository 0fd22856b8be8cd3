"""What watching costs a worker, and what reading its ledger costs us.

For each pool three workers live at once on one broker: bare, watched by the probe, and with Celery's own
events (`-E`, nobody listening). They take turns with the same messages (`bursts`), in many short rounds.
Two figures, each the median over the rounds of (bare worker / worker, of the same round): the rate by the
clock, and the CPU time that the worker's processes took, which a busy machine disturbs less: a worker is as
fast as its CPU time a task lets it be. Beside them the rates of the best rounds.
"""

from __future__ import annotations

import json
import shutil
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from desktop.engine.ledger.account import Account
from desktop.engine.ledger.tail import Tail
from tests.benchmarks.bursts import POOLS, VARIANTS, broker, ratio, take_turns, workers


def run(quick: bool) -> dict[str, Any]:
    """Ratios per pool, and microseconds per ledger line that is read and accounted for."""
    tasks, rounds = (300, 6) if quick else (600, 24)
    with broker() as (url, folder):
        pools = {pool: _measure(pool, url, folder / pool, tasks, rounds) for pool in POOLS}
        return {"tasks": tasks, "rounds": rounds, "pools": pools, "ledger": _reading(folder)}


def _measure(pool: str, url: str, folder: Path, tasks: int, rounds: int) -> dict[str, Any]:
    folder.mkdir()
    with workers(pool, url, folder) as pids:
        taken = take_turns(url, pids, tasks, rounds)
    seconds, cpu = taken.seconds, taken.cpu
    found: dict[str, Any] = {}
    for variant in VARIANTS[1:]:
        found[f"{variant}_ratio"] = ratio(seconds["bare"], seconds[variant])
        found[f"{variant}_best_ratio"] = round(min(seconds["bare"]) / min(seconds[variant]), 3)
        found[f"{variant}_cpu_ratio"] = ratio(cpu["bare"], cpu[variant])
    for variant in VARIANTS:
        found[f"{variant}_per_second"] = round(tasks / statistics.median(seconds[variant]))
        found[f"{variant}_cpu_us"] = round(statistics.median(cpu[variant]) / tasks * 1e6)
    return found


def _reading(folder: Path) -> dict[str, Any]:
    """Read the ledgers just written, as the panel does, several times; the best is reported."""
    together = folder / "together"
    together.mkdir()
    for pool in POOLS:
        for file in (folder / pool / "ledger").iterdir():
            shutil.copy(file, together / file.name.replace("w1", pool))
    best, lines = float("inf"), 0
    for _ in range(5):
        tail, account, lines = Tail(together), Account(), 0
        began = time.process_time()
        while part := tail.poll():
            account.take(part)
            lines += len(part)
        best = min(best, time.process_time() - began)
        tail.close()
    return {"lines": lines, "us_per_line": round(best / lines * 1e6, 2)}


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
