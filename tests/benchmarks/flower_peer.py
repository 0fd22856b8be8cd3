"""Flower, the monitor that everybody knows, on a broker of ours: what it has seen, takes, and answers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType

import psutil

from tests.benchmarks.watched_process import WatchedProcess
from tests.support.valkey import free_port
from tests.support.waiting import eventually

MAX_TASKS = 200_000  # above what it is given: its default drops tasks at 100,000
ROWS = 15  # of its task table
_RECEIVED = 6  # the column that its table is sorted by


class Flower(WatchedProcess):
    """A Flower process; `with Flower(url, folder) as flower:` ends it."""

    name = "Flower"

    def __init__(self, url: str, folder: Path) -> None:
        self._port = free_port()
        self._log = folder / "flower.log"
        command = [sys.executable, "-m", "celery", "flower", "--address=127.0.0.1", f"--port={self._port}"]
        # Else it would turn on the events of workers that are to be measured without.
        command += [f"--max_tasks={MAX_TASKS}", "--enable_events=False"]
        env = os.environ | {"CELERY_BROKER_URL": url, "FLOWER_UNAUTHENTICATED_API": "true"}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True
            )
        self._seen = psutil.Process(self._process.pid)

    def __enter__(self) -> Flower:
        eventually(self._answers, "Flower answers", within=60, every=0.1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"Flower ended:\n{self._log.read_text(errors='replace')[-2000:]}")
        try:
            return b"connected" in self._log.read_bytes().lower() and self.events() >= 0
        except OSError:
            return False

    def events(self) -> int:
        """Task events that it has counted."""
        lines = self._get("/metrics").decode().splitlines()
        mine = (line for line in lines if line.startswith("flower_events_total{") and 'type="task-' in line)
        return sum(int(float(line.rpartition(" ")[2])) for line in mine)

    def table(self, search: str = "", first: int = 0) -> float:
        """Milliseconds for a page of its task table, newest first, as its own page asks for it."""
        names = ("name", "uuid", "state", "args", "kwargs", "result", "received", "started", "runtime")
        asked = {f"columns[{at}][data]": name for at, name in enumerate(names)}
        asked |= {"draw": "1", "start": str(first), "length": str(ROWS), "search[value]": search}
        asked |= {"order[0][column]": str(_RECEIVED), "order[0][dir]": "desc"}
        began = time.perf_counter()
        answer = self._get("/tasks/datatable?" + urllib.parse.urlencode(asked))
        took = (time.perf_counter() - began) * 1000
        if b'"data"' not in answer:
            raise RuntimeError(f"Flower answered {answer[:200]!r}")
        return took

    def _get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=120) as answer:
            found: bytes = answer.read()
            return found
