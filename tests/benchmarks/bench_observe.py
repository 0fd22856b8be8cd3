"""What it costs to watch: process trees twice a second, and a read of the queues.

Beside each figure stands the same done in the plain way, in the same run.
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
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from desktop.engine.observe.proc import start_time
from desktop.engine.observe.processes import TreeSampler
from desktop.engine.observe.queues import QueueReader
from tests.support.valkey import ValkeyServer

INTERVAL = 0.5
SERVICES, PROCESSES = 4, 5
QUEUES = ["celery", "mails", "reports", "images"]

# As large as a worker (Celery imported), forked as prefork does; busy ones compute and allocate.
_WORKER = """
import os, sys, time
import celery.app.amqp, celery.worker, kombu.transport.redis, celery.concurrency.prefork
busy = sys.argv[1] == "busy"
for _ in range(int(sys.argv[2])):
    if os.fork() == 0: break
print("up", flush=True)
while True:
    if busy:
        block = [str(n) for n in range(30_000)]
        time.sleep(0.05)
    else:
        time.sleep(1)
"""


@contextmanager
def worker_trees(busy: bool) -> Iterator[dict[str, tuple[int, float]]]:
    """Four trees of five processes."""
    command = [sys.executable, "-c", _WORKER, "busy" if busy else "idle", str(PROCESSES - 1)]
    trees = [
        subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) for _ in range(SERVICES)
    ]
    try:
        for tree in trees:
            assert tree.stdout is not None
            for _ in range(PROCESSES):
                tree.stdout.readline()
        yield {f"w{n}": (tree.pid, start_time(tree.pid) or 0.0) for n, tree in enumerate(trees)}
    finally:
        for tree in trees:
            os.killpg(tree.pid, signal.SIGKILL)
            with tree:
                tree.wait()


def naive_sampler(roots: dict[str, tuple[int, float]]) -> Callable[[], int]:
    """As one writes it with psutil: the tree, then CPU, PSS (or USS) and threads of each process."""
    known: dict[int, psutil.Process] = {}

    def sample() -> int:
        seen = 0
        for pid, _ in roots.values():
            for found in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
                process = known.setdefault(found.pid, found)
                with process.oneshot():
                    process.cpu_percent()
                    process.num_threads()
                    process.memory_full_info()
                    process.status()
                seen += 1
        return seen

    return sample


def percent_of_a_core(sample: Callable[[], object], samples: int) -> tuple[float, float]:
    """(mean percent of a core at this cadence, median milliseconds of CPU a sample)."""
    sample()
    costs = []
    due = time.monotonic()
    for _ in range(samples):
        due += INTERVAL
        time.sleep(max(0.0, due - time.monotonic()))
        before = time.thread_time()
        sample()
        costs.append(time.thread_time() - before)
    return statistics.fmean(costs) / INTERVAL * 100, statistics.median(costs) * 1000


def bench_trees(busy: bool, samples: int) -> dict[str, Any]:
    """Ours beside the plain way, on the same processes, one after the other."""
    with worker_trees(busy) as roots:
        sampler = TreeSampler()
        seen = sum(len(tree.processes) for tree in sampler.sample(roots).values())
        ours, ours_ms = percent_of_a_core(lambda: sampler.sample(roots), samples)
        plain = naive_sampler(roots)
        assert plain() == seen == SERVICES * PROCESSES
        theirs, theirs_ms = percent_of_a_core(plain, samples)
    return {
        "processes": seen,
        "percent_of_a_core": round(ours, 2),
        "ms_per_sample": round(ours_ms, 2),
        "psutil_percent_of_a_core": round(theirs, 2),
        "psutil_ms_per_sample": round(theirs_ms, 2),
        "times_less": round(theirs / ours, 1),
    }


def microseconds(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Medians of five rounds: (wall, CPU of this thread) of one call."""
    rounds = []
    for _ in range(5):
        wall, cpu = time.perf_counter(), time.thread_time()
        for _ in range(times):
            work()
        rounds.append(((time.perf_counter() - wall) / times * 1e6, (time.thread_time() - cpu) / times * 1e6))
    return statistics.median(w for w, _ in rounds), statistics.median(c for _, c in rounds)


def bench_queues(times: int) -> dict[str, Any]:
    """One read of four queues at four priority steps, beside the same one command at a time."""
    from redis import Redis

    with tempfile.TemporaryDirectory() as folder:
        server = ValkeyServer(Path(folder))
        server.start()
        reader, client = QueueReader(server.url), Redis.from_url(server.url)
        keys = [key for queue in QUEUES for key in reader.keys(queue)]

        def plain() -> None:
            for key in keys:
                client.llen(key)
            client.hlen("unacked")

        try:
            assert reader.read(QUEUES) is not None
            ours, ours_cpu = microseconds(lambda: reader.read(QUEUES), times)
            theirs, theirs_cpu = microseconds(plain, times)
        finally:
            reader.close()
            client.close()
            server.kill()
    return {
        "queues": len(QUEUES),
        "us_per_read": round(ours),
        "cpu_us_per_read": round(ours_cpu),
        "plain_us_per_read": round(theirs),
        "plain_cpu_us_per_read": round(theirs_cpu),
    }


def run(quick: bool = False) -> dict[str, Any]:
    """All figures; `quick` takes about half a minute less."""
    samples = 12 if quick else 40
    return {
        "sampling_idle": bench_trees(busy=False, samples=samples),
        "sampling_busy": bench_trees(busy=True, samples=samples),
        "queue_read": bench_queues(times=100 if quick else 400),
    }


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
