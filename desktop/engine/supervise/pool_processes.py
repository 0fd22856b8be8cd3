"""Pool processes that die: each a mark on the time line, with the signal that ended it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from functools import partial

from desktop.engine.supervise.loop import ExitWatch, Loop
from desktop.engine.supervise.outcome import signal_name


class PoolProcesses:
    """Watches the children of prefork workers. Everything here runs in the loop's thread.

    `wanted` says whether an end of a worker's pool process is worth telling now (it is not while the
    worker itself ends), `task_of` what it ran, and `tell` gets (time, worker, sentence).
    """

    def __init__(
        self,
        loop: Loop,
        wanted: Callable[[str], bool],
        task_of: Callable[[str, int], str | None],
        tell: Callable[[float, str, str], None],
    ) -> None:
        self._loop = loop
        self._wanted = wanted
        self._task_of = task_of
        self._tell = tell
        self._watches: dict[int, ExitWatch] = {}

    def watch(self, worker: str, pids: Iterable[int]) -> None:
        """See to it that each of these is watched."""
        for pid in pids:
            if pid not in self._watches:
                try:
                    self._watches[pid] = self._loop.watch_exit(pid, partial(self._gone, worker, pid))
                except OSError:
                    continue  # gone before we could look

    def _gone(self, worker: str, pid: int) -> None:
        status = self._watches.pop(pid).status
        if status is None or not self._wanted(worker):
            return
        code, task = os.waitstatus_to_exitcode(status), self._task_of(worker, pid)
        if code >= 0 or (code == -signal.SIGTERM and task is None):
            return  # it left by itself, or the pool shrank: Celery sends SIGTERM for that
        text = f"pool process {pid} of {worker} was ended by {signal_name(-code)}"
        self._tell(time.time(), worker, f"{text}, while it ran {task}" if task else text)
