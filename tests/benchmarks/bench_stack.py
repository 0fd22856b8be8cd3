"""Supervision: how soon an exit is told, how soon a worker is back, how fast a stack is up.

Floors of the same run: the worker's own start-to-ready, and the same commands started by hand in parallel.
"""

from __future__ import annotations

import json
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from desktop.engine.stack.command import worker_command
from desktop.engine.stack.model import StackSpec
from desktop.engine.stack.parse import parse_stack
from desktop.engine.supervise import broker
from desktop.engine.supervise.control import ControlClient
from desktop.engine.supervise.process import ManagedProcess
from desktop.engine.supervise.services import app_env, base_env
from tests.support.up import Up

WORKERS = """
name = "bench"
[[worker]]
name = "w"
pool = "solo"
count = 4
"""
TWO = """
name = "bench"
[[worker]]
name = "w1"
pool = "prefork"
concurrency = 2
[[worker]]
name = "w2"
pool = "threads"
concurrency = 4
"""


def run(quick: bool) -> dict[str, Any]:
    """Milliseconds and ratios; medians."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CELERY_DESK_HOME"] = folder
        return {**kills(Path(folder), 8 if quick else 20), **stack_up(Path(folder), 2 if quick else 5)}


def kills(folder: Path, count: int) -> dict[str, Any]:
    """SIGKILL a worker from outside: until its line is read, and until it answers again."""
    file = folder / "kills.toml"
    file.write_text(WORKERS)
    desk = Up(file)
    names = [f"w-{number}" for number in range(1, 5)]
    ready = desk.wait_all_ready("broker", *names)
    pids = {name: ready[name]["pid"] for name in names}
    shown, back, ratio = [], [], []
    for turn in range(count):
        name = names[turn % len(names)]
        killed = time.time()
        os.kill(pids[name], signal.SIGKILL)
        desk.wait_for(service=name, state="exited")
        shown.append((time.time() - killed) * 1000)
        back_off = float(desk.wait_for(service=name, state="backing-off")["detail"].split()[-2])
        began = desk.wait_for(service=name, state="starting")
        again = desk.wait_for(service=name, state="ready")
        pids[name] = again["pid"]
        back.append(again["t"] - killed)
        ratio.append((again["t"] - killed) / (again["t"] - began["t"] + back_off))
    desk.end()
    return {
        "sigkill_to_line_ms": round(statistics.median(shown), 1),
        "sigkill_to_line_worst_ms": round(max(shown), 1),
        "back_again_s": round(statistics.median(back), 2),
        "back_again_over_own_start_and_back_off": round(statistics.median(ratio), 3),
        "kills": count,
    }


def stack_up(folder: Path, count: int) -> dict[str, Any]:
    """Broker and two workers answering: by `up`, and by hand in parallel, in turn."""
    file = folder / "two.toml"
    file.write_text(TWO)
    ours, by_hand = [], []
    for _ in range(count):
        by_hand.append(started_by_hand(parse_stack(TWO), folder))
        began = time.time()
        desk = Up(file)
        desk.wait_all_ready("broker", "w1", "w2")
        first = next(e["t"] for e in desk.events if e.get("state") == "starting")
        last = max(e["t"] for e in desk.events if e.get("state") == "ready")
        ours.append((last - first, time.time() - began))
        desk.end()
    hand = statistics.median(by_hand)
    return {
        "stack_up_s": round(statistics.median(o[0] for o in ours), 2),
        "stack_up_with_interpreter_s": round(statistics.median(o[1] for o in ours), 2),
        "stack_up_by_hand_s": round(hand, 2),
        "stack_up_ratio": round(statistics.median(o[0] / h for o, h in zip(ours, by_hand, strict=True)), 3),
    }


def started_by_hand(stack: StackSpec, folder: Path) -> float:
    """The same server and the same worker commands, without supervision; seconds until all answer."""
    server = broker.choose_server(stack.broker)
    endpoint = broker.new_endpoint(stack.broker)
    root = str(Path(__file__).parents[2])
    began = time.time()
    processes = [
        ManagedProcess.start(
            broker.command(server),
            env=base_env("bench"),
            cwd=folder,
            log_file=folder / "hand-broker.log",
            stdin=broker.configuration(server, stack.broker, endpoint, folder),
        )
    ]
    wait(lambda: broker.answers(endpoint), 0.005)
    for worker in stack.workers:
        argv = worker_command(stack, worker, Path(sys.executable), probe=False)
        processes.append(
            ManagedProcess.start(
                argv,
                env={**app_env(stack, worker, "bench", endpoint), "PYTHONPATH": root},
                cwd=folder,
                log_file=folder / f"hand-{worker.name}.log",
            )
        )
    control = ControlClient(endpoint.url, {})
    answered: set[str] = set()
    nodes = [f"{worker.name}@{stack.name}" for worker in stack.workers]
    while set(nodes) - answered:
        control.ask("ping", {}, nodes, lambda node, _: answered.add(node))
        time.sleep(0.05)
    took = time.time() - began
    for process in reversed(processes):
        process.kill_group()
        process.reap()
    control.close()
    return took


def wait(condition: Callable[[], bool], every: float) -> None:
    """Until it is so."""
    while not condition():
        time.sleep(every)


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
