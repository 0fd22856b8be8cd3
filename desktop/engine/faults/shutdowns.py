"""Faults that are shutdowns, as a deployment sends them: warm, cold, soft, and SIGTERM to the whole group."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from desktop.engine.api import DeskError, FaultKind, FaultSpec, State, StopHow
from desktop.engine.faults.catalog import option
from desktop.engine.faults.ground import LANDS_WITHIN, Doer, Ground, Landed, Victim, main_process, prove
from desktop.engine.faults.signals import listed, names_of, pool_pids, worker_text
from desktop.engine.faults.targets import Aim
from desktop.engine.observe.proc import is_frozen
from desktop.engine.supervise.service import Service

_LOOK_AGAIN = 0.05  # seconds between two questions to the recorder

_HOW: Mapping[FaultKind, tuple[StopHow, str]] = {
    FaultKind.WARM: (StopHow.WARM, "SIGTERM to"),
    FaultKind.COLD: (StopHow.COLD, "SIGQUIT to"),
    FaultKind.SOFT: (StopHow.COLD, "SIGQUIT to"),
    FaultKind.TERM_GROUP: (StopHow.WARM, "SIGTERM to the whole group of"),
}

# What a worker prints first when SIGQUIT arrives (celery/apps/worker.py, on_cold_shutdown). Its signal
# `worker_shutting_down`, by which the probe knows, comes only after the soft wait and the cancelling.
_COLD_BEGINS = b"worker: Hitting Ctrl+C again will terminate all running tasks!"


@dataclass(frozen=True, slots=True)
class _Stopping:
    """One worker that is to stop."""

    service: Service
    victim: Victim
    start: int
    pids: tuple[int, ...]
    text: str
    log_file: Path | None
    log_size: int

    @classmethod
    def of(cls, ground: Ground, name: str, *, group: bool) -> _Stopping:
        """Raises DeskError where the signal would not take effect now."""
        service, victim = ground.worker(name), main_process(ground, name)
        if service.state is State.STOPPING:
            raise DeskError(f"{name} is being stopped already.", "Wait until it runs again.")
        if is_frozen(victim.pid):
            raise DeskError(f"{name} is frozen: it would get the signal later.", "Thaw it first.")
        pids = (victim.pid, *(pool_pids(ground, name) if group else ()))
        log_file = service.log_file
        size = log_file.stat().st_size if log_file is not None and log_file.exists() else 0
        return cls(service, victim, service.starts, pids, worker_text(ground, name, pids), log_file, size)

    def begun(self, ground: Ground) -> bool:
        """It has ended, its probe says that it stops, or its log does."""
        if not self.victim.lives or ground.live.held(self.service.name, self.start).closing:
            return True
        if self.log_file is None or not self.log_file.exists():
            return False
        with self.log_file.open("rb") as file:
            file.seek(self.log_size)
            return _COLD_BEGINS in file.read()


def shut_down(ground: Ground, spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """The signal; proved by the worker's own word that it stops, or by its end."""
    soft = _soft_timeout(ground)
    if spec.kind is FaultKind.SOFT and not soft:
        raise DeskError(
            "There is no soft shutdown: worker_soft_shutdown_timeout is not set, so SIGQUIT is a cold one.",
            "Set worker_soft_shutdown_timeout under [celery], in seconds, and restart the stack.",
        )
    how, sent = _HOW[spec.kind]
    again, group = option(spec, "then") == "restart", spec.kind is FaultKind.TERM_GROUP
    stopping = [_Stopping.of(ground, aim.worker, group=group) for aim in aims]
    at = time.time()
    for one in stopping:
        ground.in_loop(partial(_stop, one.service, how, again, group))
    # A worker whose log cannot be written says so only after its soft wait.
    within = LANDS_WITHIN + (soft if how is StopHow.COLD else 0.0)
    for one in stopping:
        what = f"{one.service.name} (pid {one.victim.pid}) did not begin to stop"
        prove(partial(one.begun, ground), what, within, _LOOK_AGAIN)
    end = "it is started again when it has ended" if again else "it stays stopped"
    text = f"{sent} {listed([one.text for one in stopping])}; {end}"
    return Landed(at, names_of(aims), text, tuple(pid for one in stopping for pid in one.pids))


def _stop(service: Service, how: StopHow, again: bool, group: bool) -> None:
    if again:
        service.restart(how, group=group)
    else:
        service.stop(how, group=group)


def _soft_timeout(ground: Ground) -> float:
    return float(ground.live.spec().celery.get("worker_soft_shutdown_timeout", 0) or 0)


DOERS: Mapping[FaultKind, Doer] = {
    FaultKind.WARM: shut_down,
    FaultKind.COLD: shut_down,
    FaultKind.SOFT: shut_down,
    FaultKind.TERM_GROUP: shut_down,
}
