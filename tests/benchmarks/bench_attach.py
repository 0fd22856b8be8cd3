"""Watching a stack through Celery's events: ours beside Flower 2.2, on the same events, in the same run.

`steady`: the events of one made-up run with the broker's limit on slow readers removed, so that nobody
loses any: CPU time for each event (ours with the account and the run's database), memory for each task
(`further`: for each of the second half, when what is taken once has been taken).
`flood`: 100,000 events as fast as one process can send them (batches of 24, as busy workers send), with the
broker's own limit: what is lost. `frozen`: our recorder is stopped by SIGSTOP until the broker cuts it off:
whether that is noticed, and the starts that it says it missed beside those that it did.

Where there are two cores, broker and publisher have one of them and the reader has the other.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import redis

from desktop.engine.attach.options import AttachOptions
from desktop.engine.record.client import Recorder
from tests.benchmarks.flower_peer import Flower
from tests.benchmarks.recorder_peer import Recording
from tests.engine.attach_support import dispatcher
from tests.support.valkey import ValkeyServer
from tests.support.waiting import eventually

PER_10K = 10_000
WORKERS = 4
CORES = sorted(psutil.Process().cpu_affinity() or [0]) if hasattr(psutil.Process, "cpu_affinity") else [0]


class Attached(Recording):
    """The recorder of an attached stack, as the panel starts it."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        (folder / "ledger").mkdir(parents=True, exist_ok=True)
        facts = {"stack": "bench", "attached": "bench", "began": time.time(), "texts": []}
        begin = {"source": "events", "folder": str(folder), "facts": facts} | AttachOptions.of(
            url
        ).to_message()
        self.recorder = Recorder(begin, log_file=folder / "recorder.log", env=os.environ)
        self._options = AttachOptions.of(url)

    def __enter__(self) -> Attached:
        super().__enter__()
        assert self.recorder.pid is not None
        _pin(self.recorder.pid, CORES[-1])
        eventually(lambda: self.told["listening"], "it listens")
        self.recorder.broker(self._options.url, {})
        time.sleep(2.0)  # imports, first looks, and the moment in which it only asks
        return self

    @property
    def told(self) -> dict[str, Any]:
        """What it says of the stack."""
        return dict(self.recorder.told.attached or {"listening": False, "events": 0, "gaps": []})


def _pin(pid: int, core: int) -> None:
    if len(CORES) > 1:
        process = psutil.Process(pid)
        for each in (process, *process.children(recursive=True)):
            each.cpu_affinity([core])


@contextmanager
def _broker(folder: Path, limited: bool) -> Iterator[str]:
    folder.mkdir(parents=True)
    server = ValkeyServer(folder / "valkey")
    server.start()
    try:
        if not limited:
            with redis.Redis.from_url(server.url) as client:
                client.config_set("client-output-buffer-limit", "pubsub 0 0 0")
        yield server.url
    finally:
        server.kill()


def _publish(url: str, tasks: int) -> dict[str, float]:
    """Let `event_flood` send; how many events, and how long it took."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.event_flood", str(tasks)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"CELERY_BROKER_URL": url},
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    told, _ = process.communicate("\n")
    found: dict[str, float] = json.loads(told)
    return found


def run(quick: bool) -> dict[str, Any]:
    """Every part; each with a broker of its own."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, {CORES[0]})
    steady, flood = (10_000, 24_000) if quick else (80_000, 24_000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found: dict[str, Any] = {"cores": len(CORES), "ours": {}, "flower": {}}
        for who, of in (("ours", _ours), ("flower", _flower)):
            found[who]["steady"] = of(folder / f"{who}-steady", steady, limited=False)
            found[who]["flood"] = of(folder / f"{who}-flood", flood, limited=True)
        found["ours"]["frozen"] = _frozen(folder / "frozen", 20_000)
        return found


def _ours(folder: Path, tasks: int, limited: bool) -> dict[str, Any]:
    with ExitStack() as stack:
        url = stack.enter_context(_broker(folder, limited))
        reader = stack.enter_context(Attached(folder / "run", url))
        cpu, rss = reader.cpu, reader.rss
        with ThreadPoolExecutor(1) as publisher:
            told = publisher.submit(_publish, url, tasks)
            warm = _rss_at(reader, tasks // 2)
        took, grown = reader.settled() - cpu, reader.rss - rss
        seen = int(reader.told["events"])
        gaps = len(reader.told["gaps"])
        within = reader.recorder.told.totals
    recorded, _ = reader.written()
    figures = _figures(told.result(), tasks, seen, took, grown)
    further = round((rss + grown - warm) / (tasks / 2) * PER_10K, 2)
    figures |= {"further_mib_per_10k_tasks": further, "gaps": gaps}
    return figures | {"tasks_recorded": recorded, "received": within.received}


def _rss_at(reader: Attached, tasks: int) -> float:
    """Its memory when it has heard of so many tasks: what it takes once is taken by then."""
    eventually(lambda: reader.recorder.told.totals.received >= tasks, "half of them", within=600, every=0.05)
    return reader.rss


def _flower(folder: Path, tasks: int, limited: bool) -> dict[str, Any]:
    with _broker(folder, limited) as url, Flower(url, folder) as flower:
        _pin(flower._process.pid, CORES[-1])
        before, cpu, rss = flower.events(), flower.cpu, flower.rss
        told = _publish(url, tasks)
        took, grown = flower.settled() - cpu, flower.rss - rss
        return _figures(told, tasks, flower.events() - before, took, grown)


def _figures(told: dict[str, float], tasks: int, seen: int, took: float, grown: float) -> dict[str, Any]:
    sent = int(told["events"])
    return {
        "events": sent,
        "per_second": round(sent / told["seconds"]),
        "lost_percent": round(100 * (1 - seen / sent), 2),
        "cpu_us_per_event": round(took / max(seen, 1) * 1e6, 2),
        "mib_per_10k_tasks": round(grown / tasks * PER_10K, 2),
    }


def _frozen(folder: Path, tasks: int) -> dict[str, Any]:
    """Cut off while it is frozen: what it says of it, and what is so."""
    with ExitStack() as stack:
        url = stack.enter_context(_broker(folder, limited=True))
        client: redis.Redis = stack.enter_context(redis.Redis.from_url(url))
        senders = [stack.enter_context(dispatcher(url, f"w{n}@bench")) for n in range(WORKERS)]
        reader = stack.enter_context(Attached(folder / "run", url))
        for sender in senders:
            sender.heartbeat(kind="online")
        eventually(lambda: len(reader.told["nodes"]) == WORKERS, "every worker is heard")
        pid = reader.recorder.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        cuts = 0
        while not cuts:
            for _ in range(tasks // 10):
                for sender in senders:
                    sender.task()
            stats: Any = client.info("stats")
            cuts = int(stats["client_output_buffer_limit_disconnections"])
        for sender in senders:
            sender.flush()
        os.kill(pid, signal.SIGCONT)
        began = time.monotonic()
        eventually(
            lambda: [gap for gap in reader.told["gaps"] if gap["until"]], "the cut is told", every=0.01
        )
        noticed = time.monotonic() - began
        for _ in range(4):
            time.sleep(0.3)
            for sender in senders:
                sender.heartbeat()
        eventually(lambda: reader.told["gaps"][0]["missed"], "what was missed is counted")
        time.sleep(1.0)
        started = sum(sender.processed for sender in senders)
        seen = reader.recorder.told.totals.started
        [gap] = reader.told["gaps"]
        return {
            "started": started,
            "missed": started - seen,
            "missed_as_told": gap["missed"],
            "untold": started - seen - gap["missed"],
            "why": gap["why"],
            "noticed_after_ms": round(noticed * 1000),
            "says": reader.recorder.told.gaps[0],
        }


if __name__ == "__main__":
    print(json.dumps(run("--quick" in sys.argv), indent=2))
