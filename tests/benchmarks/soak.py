"""An hour of `up` under a steady load: the panel's memory is flat, no descriptor leaks, logs stay in bounds.

`python -m tests.benchmarks.soak --minutes 60`; prints a line a minute and, at the end, one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

import psutil

from desktop.engine.ledger import read
from tests.support.up import ROOT, Up

RATE = 20


def main() -> int:
    """Exit code 1 where something grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELERY_DESK_HOME"] = folder
        told = soak(minutes)
    print(json.dumps(told, indent=2))
    return 0 if told["flat"] else 1


def soak(minutes: float) -> dict[str, Any]:
    """Figures of the panel's process, once a minute, after a minute to settle."""
    desk = Up("laptop")
    desk.wait_all_ready("broker", "w1", "w2", "web")
    load = subprocess.Popen(
        [
            *(sys.executable, str(ROOT / "main.py"), "load", str(desk.run_folder)),
            *("--task", "tasks.sleep:3", "--task", "tasks.noop:5", "--task", "tasks.hash:1"),
            *("--rate", str(RATE), "--seconds", str(minutes * 60)),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    panel = psutil.Process(desk.process.pid)
    rows = []
    began = time.monotonic()
    while load.poll() is None:
        time.sleep(60 if minutes >= 5 else 5)
        memory, files = panel.memory_full_info().uss, panel.num_fds()
        cpu = sum(panel.cpu_times()[:2])
        rows.append((time.monotonic() - began, memory, files, panel.num_threads(), cpu))
        logs = sum(file.stat().st_size for file in (desk.run_folder / "logs").iterdir())
        print(
            f"{rows[-1][0]:6.0f} s  {memory / 2**20:6.1f} MiB  {files} fds  {logs / 2**20:.1f} MiB of logs",
            flush=True,
        )
    logs_folder = desk.run_folder / "logs"
    sizes = {file.name: file.stat().st_size for file in logs_folder.iterdir()}
    desk.end(120)
    totals = read(desk.run_folder / "ledger").totals()
    return figures(
        rows, sizes, {"submitted": totals.submitted, "succeeded": totals.succeeded, "cut": totals.cut}
    )


def figures(
    rows: list[tuple[float, int, int, int, float]], sizes: dict[str, int], tasks: dict[str, int]
) -> dict[str, Any]:
    """The second quarter beside the last: in the first the windows of lines, series and tasks fill."""
    quarter = max(1, len(rows) // 4)
    first = statistics.median(row[1] for row in rows[quarter : 2 * quarter] or rows) / 2**20
    last = statistics.median(row[1] for row in rows[-quarter:]) / 2**20
    descriptors = [row[2] for row in rows]
    return {
        "minutes": round(rows[-1][0] / 60, 1),
        "memory_second_quarter_mib": round(first, 1),
        "memory_last_quarter_mib": round(last, 1),
        "descriptors": [descriptors[0], max(descriptors), descriptors[-1]],
        "threads": [rows[0][3], rows[-1][3]],
        "panel_cpu_percent": round(100 * (rows[-1][4] - rows[0][4]) / max(1.0, rows[-1][0] - rows[0][0]), 2),
        "largest_log_mib": round(max(sizes.values()) / 2**20, 2),
        "tasks": tasks,
        "flat": last < first * 1.05 + 1
        and descriptors[-1] <= descriptors[0] + 3
        and max(sizes.values()) < 12 * 2**20,
    }


if __name__ == "__main__":
    raise SystemExit(main())
