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
from tests.benchmarks.watched_process import WatchedProcess


class Recording(WatchedProcess):
    """Records the ledger of a run folder; `with Recording(folder) as recording:` ends it."""

    name = "the recorder"
    idle = 0.05

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

    def written(self) -> tuple[int, int]:
        """(tasks, runs of tasks that ended) in the database."""
        with closing(sqlite3.connect(f"file:{self._folder / NAME}?mode=ro", uri=True)) as database:
            tasks = database.execute("SELECT count(*) FROM task").fetchone()[0]
            ended = database.execute("SELECT count(*) FROM attempt WHERE ended IS NOT NULL").fetchone()[0]
        return tasks, ended
