"""Runs every shipped drill, and compares its verdict with the one that it is known to give.

    python -m tests.benchmarks.drills_all                  # each once
    python -m tests.benchmarks.drills_all --times 5 kill-early kill-late
    python -m tests.benchmarks.drills_all --window         # in the failure lab of one real window

One line a run, then a summary; exit code 1 where a verdict is not the known one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from desktop.engine.drills.library import all_drills

if TYPE_CHECKING:
    from tests.benchmarks.drill_window import DrillWindow

ROOT = Path(__file__).parents[2]
LIMIT = 240.0  # seconds for one drill


def once(name: str, seed: int, home: str) -> tuple[dict[str, Any], float]:
    """The verdict of one run, and how long all of it took in seconds."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "drill", name, "--json", "--seed", str(seed)],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        env={**os.environ, "CELERY_DESK_HOME": home},
    )
    lines = done.stdout.splitlines()
    found = json.loads(lines[-1]) if lines else {"verdict": "none", "reason": done.stderr[-300:]}
    return found, time.monotonic() - began


def in_window(name: str, seed: int, window: DrillWindow) -> tuple[dict[str, Any], float]:
    """The same in the window's lab."""
    began = time.monotonic()
    found = window.verdict(name, seed)
    if found is None:
        return {"verdict": "none", "reason": "no verdict in time"}, time.monotonic() - began
    said = {"verdict": found.verdict.value, "reason": found.reason, "judged_in": found.judged_in}
    return said, time.monotonic() - began


def main() -> int:
    """Run them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", action="store_true")
    chosen = parser.parse_args()
    drills = [
        drill for drill in all_drills() if drill.shipped and drill.name in (chosen.names or [drill.name])
    ]
    counts: Counter[bool] = Counter()
    with tempfile.TemporaryDirectory(prefix="drills-") as home, ExitStack() as rest:
        if chosen.window:
            os.environ["CELERY_DESK_HOME"] = home
            from tests.benchmarks.drill_window import DrillWindow

            window = rest.enter_context(DrillWindow())
        for drill in drills:
            for number in range(chosen.times):
                seed = chosen.seed + number
                found, took = (
                    in_window(drill.name, seed, window) if chosen.window else once(drill.name, seed, home)
                )
                right = drill.gives is not None and found["verdict"] == drill.gives.value
                counts[right] += 1
                mark = "as known" if right else f"NOT {drill.gives}"
                judged = found.get("judged_in")
                judged_text = f"{judged:.1f}" if judged is not None else "-"
                print(
                    f"{drill.name:<22} {found['verdict']:<8} {mark:<10} {took:5.1f} s, "
                    f"judged in {judged_text} s: {found['reason']}",
                    flush=True,
                )
    print(f"{counts[True]} as known, {counts[False]} not, of {sum(counts.values())}")
    return 1 if counts[False] else 0


if __name__ == "__main__":
    sys.exit(main())
