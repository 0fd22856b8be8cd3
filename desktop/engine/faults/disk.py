"""The fault of a full disk: a worker whose log takes no line, each write failing with a real ENOSPC."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from functools import partial

from desktop.engine.api import DeskError, FaultKind, FaultSpec, StopHow
from desktop.engine.faults.ground import Doer, Ended, Ground, Landed, main_process, prove
from desktop.engine.faults.targets import Aim
from desktop.engine.supervise.services import FULL_DISK, WorkerService

_RESTARTED_WITHIN = 60.0  # seconds; a warm stop waits for what runs
_LOOK_AGAIN = 0.01


def fill_up(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """A warm restart with the output on a full device; proved by the new process' own standard output."""
    if not FULL_DISK.exists():
        raise DeskError(f"This system has no {FULL_DISK}.", "It can be done on Linux.")
    workers = [ground.worker(aim.worker) for aim in aims]
    for worker in workers:
        main_process(ground, worker.name)
    at = time.time()
    starts = [_restart(ground, worker, full=True) for worker in workers]
    try:
        for worker, start in zip(workers, starts, strict=True):
            prove(
                partial(_writes_nowhere, worker, start),
                f"{worker.name} was not restarted, as tasks still run,",
                _RESTARTED_WITHIN,
                _LOOK_AGAIN,
            )
    except DeskError:
        for worker in workers:
            worker.disk_full = False
        raise

    def undo(stopping: bool) -> Ended:
        now = time.time()
        for worker in workers:
            worker.disk_full = False
        if stopping:
            return Ended(now, "its next start has a log again")
        living = [worker for worker in workers if worker.process is not None]
        again = [(worker, _restart(ground, worker, full=False)) for worker in living]
        for worker, start in again:
            prove(
                partial(_was_started, worker, start),
                f"{worker.name} was not restarted",
                _RESTARTED_WITHIN,
                _LOOK_AGAIN,
            )
        return Ended(now, "restarted warm with a log of its own")

    names = tuple(worker.name for worker in workers)
    pids = tuple(worker.process.pid for worker in workers if worker.process is not None)
    text = f"{' and '.join(names)} restarted warm with the log on a full disk ({FULL_DISK})"
    return Landed(at, names, text, pids, undo, since=time.time())


def _restart(ground: Ground, worker: WorkerService, *, full: bool) -> int:
    """Restart it warm; the number of the start before."""

    def restart() -> int:
        worker.disk_full = full
        start = worker.starts
        worker.restart(StopHow.WARM)
        return start

    return ground.in_loop(restart)


def _was_started(worker: WorkerService, start: int) -> bool:
    return worker.starts > start and worker.process is not None


def _writes_nowhere(worker: WorkerService, start: int) -> bool:
    process = worker.process
    if process is None or worker.starts <= start:
        return False
    try:
        return os.readlink(f"/proc/{process.pid}/fd/1") == str(FULL_DISK)
    except OSError:
        return False


DOERS: Mapping[FaultKind, Doer] = {FaultKind.DISK_FULL: fill_up}
