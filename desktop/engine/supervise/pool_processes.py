"""Pool processes that die: each a mark on the time line, with the signal that ended it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from desktop.engine.supervise.loop import ExitWatch, Loop
from desktop.engine.supervise.outcome import signal_name

STATUS_LIMIT = 10.0  # seconds that Celery may take to ask for the status (up to 5 measured)


@dataclass(frozen=True, slots=True)
class _End:
    """A pool process that has ended, and what is known of it at once."""

    pid: int
    worker: str
    task: str | None
    seen: float
    watch: ExitWatch


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
                    self._watches[pid] = self._loop.watch_exit(pid, self._gone(worker, pid), keep=True)
                except OSError:
                    continue  # gone before we could look

    def _gone(self, worker: str, pid: int) -> Callable[[], None]:
        def gone() -> None:
            watch = self._watches.pop(pid)
            if self._wanted(worker):
                self._settle(_End(pid, worker, self._task_of(worker, pid), time.time(), watch))
            else:
                watch.close()

        return gone

    def _settle(self, end: _End) -> None:
        """The kernel tells us the status only once Celery has asked for it, which takes a moment."""
        status = end.watch.ask_status()
        if status is None and time.time() - end.seen < STATUS_LIMIT and self._wanted(end.worker):
            self._loop.later(0.1, lambda: self._settle(end))
            return
        end.watch.close()
        code = os.waitstatus_to_exitcode(status) if status is not None else 0
        if code >= 0 or (code == -signal.SIGTERM and end.task is None):
            return  # it left by itself, or the pool shrank: Celery sends SIGTERM for that
        text = f"pool process {end.pid} of {end.worker} was ended by {signal_name(-code)}"
        self._tell(end.seen, end.worker, f"{text}, while it ran {end.task}" if end.task else text)
