"""`drill`, as CI uses it: its verdicts, its exit codes, its JSON, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil

from tests.support.up import ROOT
from tests.support.waiting import eventually, runs

STACK = """
limit = "20 s"
[stack.celery]
task_acks_late = true
worker_prefetch_multiplier = 1
broker_transport_options.visibility_timeout = 3
broker_transport_options.unacked_restore_interval = 1
broker_transport_options.unacked_restore_throttle = 1
[[stack.worker]]
name = "w1"
pool = "threads"
concurrency = 2
"""
# Keys of the verdict that every consumer may rely on.
KEYS = {
    *("verdict", "reason", "seed", "submitted", "ended_once", "ended_more", "failed", "lost", "still"),
    *("recovery", "faults", "forecast", "run_folder"),
}


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "trial.toml"
    path.write_text(STACK + text)
    return path


def drill(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "main.py"), "drill", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ran(*arguments: str | Path) -> tuple[int, list[dict[str, Any]], str]:
    """Exit code, the JSON lines, and what was said to a person."""
    process = drill(*arguments)
    out, errors = process.communicate(timeout=120)
    return process.returncode, [json.loads(line) for line in out.splitlines()], errors


def test_a_drill_that_holds_passes_with_the_evidence_as_json(tmp_path: Path) -> None:
    text = '[[workload]]\ntask = "tasks.sleep"\nkwargs = { seconds = 1.0, api_key = "hush" }\ncount = 2\n'
    text = (
        text.replace(', api_key = "hush"', "") + '[[fault]]\nwhat = "kill-worker"\nwhen = "2 active on w1"\n'
    )
    out = tmp_path / "out"
    code, (verdict,), errors = ran(file(tmp_path, text), "--json", "--out", out)
    assert (code, verdict["verdict"]) == (0, "PASS"), errors
    assert set(verdict) >= KEYS
    assert (verdict["submitted"], verdict["ended_once"], verdict["lost"]) == (2, 2, [])
    (fault,) = verdict["faults"]
    assert (fault["what"], fault["target"], fault["landed"]) == ("kill-worker", "w1", True)
    assert json.loads((Path(verdict["run_folder"]) / "drill.json").read_text("utf-8")) == verdict
    assert json.loads((out / "trial-0.drill.json").read_text("utf-8")) == verdict
    assert "settling" in errors


def test_of_several_repeats_the_worst_counts_and_its_seeds_are_told(tmp_path: Path) -> None:
    text = '[[workload]]\ntask = "tasks.sleep"\nkwargs = { seconds = -1 }\ncount = 1\n[expect]\nfailed = 0\n'
    code, (first, second, summary), _ = ran(file(tmp_path, text), "--json", "--repeat", "2", "--seed", "40")
    assert code == 1
    assert [first["seed"], second["seed"]] == [40, 41]
    assert set(summary) >= KEYS
    assert summary["verdict"] == "FAIL"
    assert "ValueError" in summary["reason"]
    assert summary["verdicts"] == {"PASS": 0, "FAIL": 2, "UNKNOWN": 0}
    assert summary["seeds"]["FAIL"] == [40, 41]


def test_ctrl_c_halts_it_and_nothing_is_left(tmp_path: Path) -> None:
    text = '[[workload]]\ntask = "tasks.sleep"\nkwargs = { seconds = 1.0 }\ncount = 9\n'
    text += '[[fault]]\nwhat = "freeze-worker"\nwhen = "2 active on w1"\nfor = "60 s"\n'
    process = drill(file(tmp_path, text), "--json")
    family: list[psutil.Process] = []

    def frozen() -> bool:
        family[:] = psutil.Process(process.pid).children(recursive=True)
        return any(one.status() == psutil.STATUS_STOPPED for one in family if one.is_running())

    eventually(frozen, "the worker is frozen", 60)
    os.kill(process.pid, signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    verdict = json.loads(out.splitlines()[-1])
    assert (process.returncode, verdict["verdict"], verdict["halted"]) == (2, "UNKNOWN", True), errors
    assert verdict["submitted"] == 9
    eventually(lambda: not any(runs(one.pid) for one in family), "everything that it started has ended", 10)


def test_a_wrong_file_is_bad_input(tmp_path: Path) -> None:
    text = '[[workload]]\ntask = "a"\ncount = 1\n[[fault]]\nwhat = "kil-worker"\nat = 1\n'
    process = drill(file(tmp_path, text))
    out, errors = process.communicate(timeout=60)
    assert (process.returncode, out) == (64, "")
    assert "Did you mean `kill-worker`?" in errors
    assert "Traceback" not in errors


def test_it_is_said_what_there_is_and_what_is_missing(tmp_path: Path) -> None:
    listed = drill("--list")
    unknown = drill("kil-late")
    path = tmp_path / "living.toml"
    path.write_text('[[workload]]\ntask = "a"\ncount = 1\n')
    living = drill(path)
    assert "kill-late                  PASS" in listed.communicate(timeout=60)[0]
    assert "Did you mean `kill-late`?" in unknown.communicate(timeout=60)[1]
    assert "name a stack in it" in living.communicate(timeout=60)[1]
    assert [listed.returncode, unknown.returncode, living.returncode] == [0, 64, 64]
