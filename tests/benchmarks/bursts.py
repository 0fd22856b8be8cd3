"""Workers that take turns with the same no-op messages: bare, watched by the probe, with Celery's own events.

Each has a queue of its own. The messages are prepared once, and moved into one queue in one step; the clock
runs until the broker holds none of them.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import psutil
import redis

from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support_apps.workers import PROBE, ROOT

POOLS = ("prefork", "threads", "gevent", "eventlet", "solo")
VARIANTS = ("bare", "watched", "events")


@contextmanager
def broker() -> Iterator[tuple[str, Path]]:
    """The URL of a broker of its own, and a folder; both are gone afterwards."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = ValkeyServer(folder / "valkey")
        server.start()
        try:
            yield server.url, folder
        finally:
            server.kill()


@dataclass(frozen=True, slots=True)
class Taken:
    """What each burst of each variant took: seconds by the clock, and of the CPU."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {variant: [] for variant in VARIANTS})
    cpu: dict[str, list[float]] = field(default_factory=lambda: {variant: [] for variant in VARIANTS})


def take_turns(
    url: str,
    pids: Mapping[str, int],
    tasks: int,
    rounds: int,
    around: Callable[[str], AbstractContextManager[None]] = lambda _variant: nullcontext(),
) -> Taken:
    """Let the workers take turns with `tasks` messages; `around`: what is done about each burst."""
    client: redis.Redis = redis.Redis.from_url(url)
    client.flushall()
    prepare(client, url, tasks)
    taken = Taken()
    for variant in VARIANTS:
        burst(client, variant, "warm")
    for turn in range(rounds):
        for variant in VARIANTS[turn % 3 :] + VARIANTS[: turn % 3]:
            with around(variant):
                before = cpu_of(pids[variant])
                taken.seconds[variant].append(burst(client, variant, "burst"))
                taken.cpu[variant].append(cpu_of(pids[variant]) - before)
    client.close()
    return taken


def ratio(bare: Sequence[float], mine: Sequence[float]) -> float:
    """The median of bare / mine of each round."""
    return round(statistics.median(b / m for b, m in zip(bare, mine, strict=True)), 3)


def cpu_of(pid: int) -> float:
    """CPU seconds of a worker's main process and of its pool processes, so far, to the microsecond."""
    main = psutil.Process(pid)
    return sum(_scheduled(process.pid) for process in (main, *main.children(recursive=True)))


def _scheduled(pid: int) -> float:
    """Of every thread of a process. /proc/PID/stat counts in hundredths of a second only."""
    found = 0
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found += int((thread / "schedstat").read_text().split()[0])
    return found / 1e9


def prepare(client: redis.Redis, url: str, tasks: int) -> None:
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


def burst(client: redis.Redis, queue: str, prepared: str) -> float:
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
def workers(pool: str, url: str, folder: Path) -> Iterator[dict[str, int]]:
    """The pids of one worker of each variant, all ready. The ledger of the watched one is in `folder`."""
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
        ledger.mkdir(exist_ok=True)
        env |= {"CELERY_DESK_LEDGER": str(ledger), "CELERY_DESK_SERVICE": "w1", "CELERY_DESK_START": "1"}
        env["PYTHONPATH"] = f"{PROBE}{os.pathsep}{ROOT}"
    elif variant == "events":
        command.append("-E")
    with (folder / f"{variant}.log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
