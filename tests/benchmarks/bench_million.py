"""A run of a million tasks in the real window: from a wish to the frame that shows it, and its memory.

The run is made once by the recorder from the ledger of a made-up run (`made`), then opened offscreen on the
page Tasks. Each wish is measured several times, each time another one; medians, and the worst.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.bench_window import Panel
from tests.benchmarks.made import recorded
from tests.support.up import ROOT

SETTLE = 3.0  # seconds until what comes after the first rows (counts, graph) is there

_FILTERS: tuple[dict[str, Any], ...] = (
    {"states": ["FAILURE"]},
    {"names": ["tasks.io.slow_http"]},
    {"ran_twice": True},
    {"states": ["SUCCESS"], "names": ["tasks.mail.send_mail"]},
)
_TEXTS = ("no such user", "orders/77", "refused")
_COLUMNS = ("run", "name", "cpu", "wait", "ended", "number")


class RunPanel(Panel):
    """The program on a recorded run."""

    def __init__(self, run: Path) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.million_panel",
            "open",
            str(run),
            "--page",
            "tasks",
        ]
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )


def run(quick: bool = False) -> dict[str, Any]:
    """Milliseconds and MiB."""
    folder = recorded(50_000 if quick else 1_000_000)
    with tempfile.TemporaryDirectory() as home:
        os.environ["CELERY_DESK_HOME"] = home
        os.environ["QT_QPA_PLATFORM"] = "offscreen"
        window = RunPanel(folder)
        try:
            return _look_through(window)
        finally:
            window.close()


def _look_through(window: RunPanel) -> dict[str, Any]:
    opened = window.ask("opened")
    found: dict[str, Any] = {"tasks": opened["tasks"], "opened_ms": round(opened["ms"])}
    time.sleep(SETTLE)
    found["memory_opened"] = _memory(window)
    asked: dict[str, list[dict[str, Any]]] = {
        "filter": [{"do": "filter", **wish} for wish in _FILTERS],
        "search": [{"do": "filter", "text": text} for text in _TEXTS],
        "everything": [{"do": "filter"}],
        "sort": [{"do": "sort", "column": column} for column in _COLUMNS],
        "scroll": [{"do": "scroll", "share": share} for share in (0.5, 0.9, 0.1, 0.7)],
    }
    for name, wishes in asked.items():
        found |= _times(name, [window.ask(**wish)["ms"] for wish in wishes])
    groups = []
    for _ in range(3):
        groups.append(window.ask("groups")["ms"])
        window.ask("list")
    found |= _times("groups", groups)
    details = []
    for share in (0.1, 0.5, 0.9):
        details.append(window.ask("task", at=int(opened["tasks"] * share))["ms"])
        window.ask("back")
    found |= _times("task", details)
    found |= _times("graphs", [window.ask("graphs")["ms"]])
    window.ask("tasks_page")
    time.sleep(SETTLE)
    found["memory"] = _memory(window)
    found["rss_mib"], found["uss_mib"] = found["memory"]["rss_mib"], found["memory"]["uss_mib"]
    return found


def _memory(window: RunPanel) -> dict[str, Any]:
    told = window.ask("memory")
    helpers = {name: round(mib, 1) for name, mib in told["helpers_uss_mib"].items()}
    return {"rss_mib": round(told["rss_mib"], 1), "uss_mib": round(told["uss_mib"], 1), "helpers": helpers}


def _times(name: str, times: list[float]) -> dict[str, float]:
    return {f"{name}_ms": round(statistics.median(times), 1), f"{name}_worst_ms": round(max(times), 1)}


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
