"""From a run at rest to its verdict: account, outcome and recovery of two faults, and the judge.

Beside it, what the ledger's lines say when they are read one after the other in plain Python, which is what a
script of one's own would do. Every round opens the record anew, as a drill's first look at it does.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from desktop.engine.api import Account, DrillSpec, FaultKind, FaultRecord, FaultSpec, FaultState
from desktop.engine.record.reading.reader import RunReader
from desktop.engine.verdict.account import account_of
from desktop.engine.verdict.judge import judge
from desktop.engine.verdict.outcome import outcomes_of
from desktop.engine.verdict.recovery import recovery_of
from tests.benchmarks.made import recorded
from tests.support.made_run import BEGAN, MadeRun

ROUNDS = 5


def run(quick: bool = False) -> dict[str, Any]:
    """Milliseconds, medians, by the number of tasks."""
    sizes = (20_000,) if quick else (100_000, 1_000_000)
    return {f"{size:,} tasks": _measure(recorded(size), size) for size in sizes}


def _measure(folder: Path, size: int) -> dict[str, Any]:
    middle = BEGAN + size / MadeRun(size).rate / 2
    faults = (
        _fault(1, FaultKind.KILL_WORKER, "w1", middle),
        _fault(2, FaultKind.CUT_CLIENTS, "broker", middle),
    )
    naive, lines = _naive(folder)
    found = {
        "account_ms": _rounds(folder, account_of),
        "outcome_ms": _rounds(folder, lambda record: outcomes_of(record, faults)),
        "recovery_ms": _rounds(folder, lambda record: recovery_of(record, faults[0])),
        "verdict_ms": _rounds(folder, lambda record: _verdict(record, faults)),
        "naive_ms": round(naive, 1),
        "lines": lines,
    }
    return {**found, "faster": round(naive / found["account_ms"], 1)}


def _fault(number: int, kind: FaultKind, target: str, t: float) -> FaultRecord:
    return FaultRecord(number, FaultSpec(kind), FaultState.OVER, t, (target,), landed_at=t, ended_at=t)


def _rounds(folder: Path, work: Callable[[RunReader], object]) -> float:
    """Median milliseconds, the record opened anew each time."""
    took = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        record = RunReader.open(folder)
        try:
            work(record)
        finally:
            record.close()
        took.append(1000 * (time.perf_counter() - began))
    return round(statistics.median(took), 1)


def _verdict(record: RunReader, faults: tuple[FaultRecord, ...]) -> object:
    account: Account = account_of(record)
    judged = outcomes_of(record, faults)
    stages = [recovery_of(record, fault) for fault in judged]
    return judge(DrillSpec("bench"), account, stages, judged, rested=True)


def _naive(folder: Path) -> tuple[float, int]:
    """Read every line, note starts and ends of each task, and count; milliseconds and lines."""
    began, lines = time.perf_counter(), 0
    starts: dict[str, list[int]] = {}
    ends: dict[str, list[str]] = {}
    known: set[str] = set()
    for file in sorted((folder / "ledger").glob("*.jsonl")):
        with file.open("rb") as opened:
            for line in opened:
                lines += 1
                told = json.loads(line)
                kind = told["k"]
                if kind == "sent":
                    known.update(told["ids"])
                elif kind == "started":
                    starts.setdefault(told["id"], []).append(told["retries"])
                elif kind == "ended" and told["state"] != "RETRY":
                    ends.setdefault(told["id"], []).append(told["state"])
    once = sum(1 for task in known if ends.get(task) == ["SUCCESS"])
    twice = sum(1 for some in starts.values() if len(some) > len(set(some)))
    took = 1000 * (time.perf_counter() - began)
    _must_agree(folder, len(known), once, twice)
    return took, lines


def _must_agree(folder: Path, submitted: int, once: int, twice: int) -> None:
    record = RunReader.open(folder)
    try:
        account = account_of(record)
    finally:
        record.close()
    told = (account.submitted, account.ended_once, len(account.ran_twice))
    if told != (submitted, once, twice):
        raise SystemExit(f"the account says {told}, the lines say {(submitted, once, twice)}")


def main() -> None:
    """Print one JSON object."""
    print(json.dumps(run("--quick" in sys.argv[1:])))


if __name__ == "__main__":
    main()
