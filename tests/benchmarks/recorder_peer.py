"""The recorder of a run, as the panel starts it: what it has recorded and what it takes."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from types import TracebackType

import psutil

from desktop.engine.record.client import Recorder
from desktop.engine.record.schema import NAME


class Recording:
    """Records the ledger of a run folder; `with Recording(folder) as recording:` ends it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        (folder / "ledger").mkdir(exist_ok=True)
        facts = {"stack": "bench", "began": time.time(), "texts": []}
        begin = {"source": "ledger", "folder": str(folder), "facts": facts}
        self.recorder = Recorder(begin, log_file=folder / "recorder.log", env=os.environ)

    def __enter__(self) -> Recording:
        self.recorder.start()
        until = time.monotonic() + 30
        while self.recorder.told.t == 0.0:
            if time.monotonic() > until:
                raise RuntimeError((self._folder / "recorder.log").read_text())
            time.sleep(0.01)
        assert self.recorder.pid is not None
        self._seen = psutil.Process(self.recorder.pid)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.recorder.stop()

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        times = self._seen.cpu_times()
        return times.user + times.system

    @property
    def rss(self) -> float:
        """MiB of memory."""
        return self._seen.memory_info().rss / 2**20

    def settled(self, within: float = 600.0) -> float:
        """Its CPU time when it had read and written everything: when it takes less than 0.05 s a second."""
        until = time.monotonic() + within
        while time.monotonic() < until:
            before = self.cpu
            time.sleep(1.0)
            if self.cpu - before < 0.05:
                return before
        raise RuntimeError(f"the recorder was not done within {within:g} s")

    def written(self) -> tuple[int, int]:
        """(tasks, runs of tasks that ended) in the database."""
        with closing(sqlite3.connect(f"file:{self._folder / NAME}?mode=ro", uri=True)) as database:
            tasks = database.execute("SELECT count(*) FROM task").fetchone()[0]
            ended = database.execute("SELECT count(*) FROM attempt WHERE ended IS NOT NULL").fetchone()[0]
        return tasks, ended
