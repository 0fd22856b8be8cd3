"""What watching costs a worker, and what reading its ledger costs us.

For each pool three workers live at once on one broker, each with a queue of its own: bare, watched by
the probe, and with Celery's own events (`-E`, nobody listening). They take turns: the same prepared
no-op messages are moved into one queue in one step, and the clock runs until the broker holds none of
them. Two figures, each the median over the rounds of (worker / bare worker of the same round): the rate by
the clock, and the CPU time that the worker's processes took, which a busy machine disturbs far less: a
worker is as fast as its CPU time a task lets it be. Beside them the rates of the best rounds.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import redis

from desktop.engine.ledger.account import Account
from desktop.engine.ledger.tail import Tail
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support_apps.workers import PROBE, ROOT

POOLS = ("prefork", "threads", "gevent", "eventlet", "solo")
VARIANTS = ("bare", "watched", "events")


def run(quick: bool) -> dict[str, Any]:
    """Ratios per pool, and microseconds per ledger line that is read and accounted for."""
    tasks, rounds = (800, 3) if quick else (3000, 5)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = ValkeyServer(folder / "valkey")
        server.start()
        try:
            pools = {pool: _measure(pool, server.url, folder / pool, tasks, rounds) for pool in POOLS}
        finally:
            server.kill()
        return {"tasks": tasks, "rounds": rounds, "pools": pools, "ledger": _reading(folder)}


def _measure(pool: str, url: str, folder: Path, tasks: int, rounds: int) -> dict[str, Any]:
    folder.mkdir()
    client: redis.Redis = redis.Redis.from_url(url)
    client.flushall()
    _prepare(client, url, tasks)
    seconds: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    cpu: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    with _workers(pool, url, folder) as workers:
        for variant in VARIANTS:
            _burst(client, variant, "warm")
        for turn in range(rounds):
            for variant in VARIANTS[turn % 3 :] + VARIANTS[: turn % 3]:
                before = _cpu(workers[variant])
                seconds[variant].append(_burst(client, variant, "burst"))
                cpu[variant].append(_cpu(workers[variant]) - before)
    client.close()
    found: dict[str, Any] = {}
    for variant in VARIANTS[1:]:
        found[f"{variant}_ratio"] = _ratio(seconds["bare"], seconds[variant])
        found[f"{variant}_best_ratio"] = round(min(seconds["bare"]) / min(seconds[variant]), 3)
        found[f"{variant}_cpu_ratio"] = _ratio(cpu["bare"], cpu[variant])
    for variant in VARIANTS:
        found[f"{variant}_per_second"] = round(tasks / statistics.median(seconds[variant]))
        found[f"{variant}_cpu_us"] = round(statistics.median(cpu[variant]) / tasks * 1e6)
    return found


def _ratio(bare: list[float], mine: list[float]) -> float:
    return round(statistics.median(b / m for b, m in zip(bare, mine, strict=True)), 3)


def _cpu(pid: int) -> float:
    """CPU seconds of a worker's main process and of its pool processes, so far."""
    main = psutil.Process(pid)
    return sum(sum(process.cpu_times()[:2]) for process in (main, *main.children(recursive=True)))


def _prepare(client: redis.Redis, url: str, tasks: int) -> None:
    """Leave `tasks` no-op messages in the list `burst`, and some in `warm`."""
    from celery import Celery

    app = Celery("bench", broker=url, set_as_current=False)
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(tasks):
            app.send_task(
                "tests.support_apps.endings.ok", queue="staged", producer=producer, ignore_result=True
            )
    app.close()
    client.rename("staged", "burst")
    for message in client.lrange("burst", 0, 199):
        client.lpush("warm", message)


def _burst(client: redis.Redis, queue: str, prepared: str) -> float:
    """Seconds until all of the prepared messages went through the worker of that queue."""
    client.copy(prepared, "next")
    began = time.perf_counter()
    client.rename("next", queue)
    deadline = began + 120
    while time.perf_counter() < deadline:
        pipeline = client.pipeline(transaction=False)
        pipeline.llen(queue)
        pipeline.hlen("unacked")
        waiting, held = pipeline.execute()
        if not waiting and not held:
            return time.perf_counter() - began
        time.sleep(0.002)
    raise RuntimeError(f"the {queue} worker did not finish within 120 s")


@contextmanager
def _workers(pool: str, url: str, folder: Path) -> Iterator[dict[str, int]]:
    """The pids of one worker of each variant, all ready."""
    started: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for variant in VARIANTS:
            started[variant] = _start(pool, variant, url, folder)
        for variant in VARIANTS:
            log = folder / f"{variant}.log"
            eventually(partial(_says_ready, log), f"{pool} {variant} ready", within=60)
        yield {variant: process.pid for variant, process in started.items()}
    finally:
        for process in started.values():
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _says_ready(log: Path) -> bool:
    return b" ready." in log.read_bytes()


def _start(pool: str, variant: str, url: str, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "celery", "-A", "tests.support_apps.endings", "worker", "-P", pool]
    command += ["-c", "2", "-n", f"{variant}@bench", "-Q", variant, "-l", "INFO"]
    command += ["--without-mingle", "--without-gossip", "--prefetch-multiplier", "4"]
    env = os.environ | {"CELERY_BROKER_URL": url, "PYTHONPATH": str(ROOT)}
    if variant == "watched":
        command += ["--include", "celery_desk_probe"]
        ledger = folder / "ledger"
        ledger.mkdir()
        env |= {"CELERY_DESK_LEDGER": str(ledger), "CELERY_DESK_SERVICE": "w1", "CELERY_DESK_START": "1"}
        env["PYTHONPATH"] = f"{PROBE}{os.pathsep}{ROOT}"
    elif variant == "events":
        command.append("-E")
    with (folder / f"{variant}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)


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
