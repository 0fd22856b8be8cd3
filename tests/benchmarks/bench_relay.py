"""What the relay costs: no-op tasks through it beside direct, and what it adds to a round trip.

For each pool two workers live at once on one broker, one of them behind the relay. They take turns with the
same messages (`bursts`); the ratio is the median over the rounds of (direct / relayed, of the same round).
Round trips are PINGs, one by one, in turns too. The relay's own CPU time stands beside both.
"""

from __future__ import annotations

import json
import os
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

import redis

from tests.benchmarks.bursts import burst, cpu_of, prepare, ratio
from tests.engine.relay_support import Relayed
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually
from tests.support_apps.workers import ROOT

POOLS = ("prefork", "threads")
WAYS = ("direct", "relayed")


def run(quick: bool) -> dict[str, Any]:
    """Ratios per pool, and microseconds of a round trip."""
    tasks, rounds, pings = (300, 4, 1_000) if quick else (1_000, 12, 5_000)
    with tempfile.TemporaryDirectory() as name:
        server = ValkeyServer(Path(name) / "valkey")
        server.start()
        try:
            with Relayed(server, "relayed") as relay:
                trips = _round_trips(relay, pings)
                pools = {pool: _tasks(pool, relay, Path(name), tasks, rounds) for pool in POOLS}
        finally:
            server.kill()
    return {"tasks": tasks, "rounds": rounds, "pools": pools, "round_trip": trips}


def _round_trips(relay: Relayed, pings: int) -> dict[str, Any]:
    server = relay.server
    ports = {"direct": server.port, "relayed": relay.ports["relayed"]}
    clients = {way: redis.Redis(port=port, password=server.password) for way, port in ports.items()}
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for client in clients.values():
        client.ping()
    before = cpu_of(relay.process.pid)
    for turn in range(pings):
        for way in WAYS if turn % 2 else WAYS[::-1]:
            began = time.perf_counter()
            clients[way].ping()
            taken[way].append(time.perf_counter() - began)
    cpu = cpu_of(relay.process.pid) - before
    for client in clients.values():
        client.close()
    found = {f"{way}_us": round(statistics.median(taken[way]) * 1e6, 1) for way in WAYS}
    found["added_us"] = round(found["relayed_us"] - found["direct_us"], 1)
    tails = {f"{way}_p99_us": round(statistics.quantiles(taken[way], n=100)[98] * 1e6, 1) for way in WAYS}
    return {**found, **tails, "relay_cpu_us": round(cpu / pings * 1e6, 1)}


def _tasks(pool: str, relay: Relayed, folder: Path, tasks: int, rounds: int) -> dict[str, Any]:
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    relay_cpu: list[float] = []
    with redis.Redis.from_url(relay.server.url) as client, _workers(pool, relay, folder):
        prepare(client, relay.server.url, tasks)
        for way in WAYS:
            burst(client, way, "warm")
        for turn in range(rounds):
            for way in WAYS if turn % 2 else WAYS[::-1]:
                before = cpu_of(relay.process.pid)
                taken[way].append(burst(client, way, "burst"))
                if way == "relayed":
                    relay_cpu.append(cpu_of(relay.process.pid) - before)
        client.flushall()
    rates = {f"{way}_per_second": round(tasks / statistics.median(taken[way])) for way in WAYS}
    return {
        "relayed_ratio": ratio(taken["direct"], taken["relayed"]),
        **rates,
        "relay_cpu_us_per_task": round(statistics.median(relay_cpu) / tasks * 1e6, 1),
    }


@contextmanager
def _workers(pool: str, relay: Relayed, folder: Path) -> Iterator[None]:
    """One that goes straight to the broker and one behind the relay, each with a queue of its own name."""
    url = relay.server.url
    urls = {"direct": url, "relayed": url.replace(f":{relay.server.port}/", f":{relay.ports['relayed']}/")}
    started: list[subprocess.Popen[bytes]] = []
    try:
        for way in WAYS:
            started.append(_start(pool, way, urls[way], folder / f"{pool}-{way}.log"))
        for way in WAYS:
            ready = partial(_says_ready, folder / f"{pool}-{way}.log")
            eventually(ready, f"the {way} {pool} worker is ready", within=60)
        yield
    finally:
        for process in started:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _start(pool: str, way: str, url: str, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "celery", "-A", "tests.support_apps.endings", "worker", "-P", pool]
    command += ["-c", "2", "-n", f"{way}@bench", "-Q", way, "-l", "INFO", "--prefetch-multiplier", "4"]
    command += ["--without-mingle", "--without-gossip"]
    env = os.environ | {"CELERY_BROKER_URL": url, "PYTHONPATH": str(ROOT)}
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=out, stderr=out, start_new_session=True)


def _says_ready(log: Path) -> bool:
    return b" ready." in log.read_bytes()


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
