"""Faults that are signals to processes: kill, freeze, and the shutdowns that a deployment sends."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence
from functools import partial

from desktop.engine.api import DeskError, FaultKind, FaultSpec, Kind, State, StopHow
from desktop.engine.faults.catalog import option
from desktop.engine.faults.ground import Doer, Ended, Ground, Landed, Undo, Victim, main_process, prove
from desktop.engine.faults.targets import Aim
from desktop.engine.observe.proc import is_frozen
from desktop.engine.supervise.outcome import plural
from desktop.engine.supervise.service import Service

_LOOK_AT_LEDGER = 0.05  # seconds between two questions to the recorder


def kill_process(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """SIGKILL to pool processes; proved by their end."""
    victims = [_pool_process(aim) for aim in aims]
    at = time.time()
    for aim, victim in _pairs(aims, victims):
        _signal_pool_process(ground, aim, victim, signal.SIGKILL)
    parts = []
    for aim, victim in _pairs(aims, victims):
        _prove_gone(victim, f"pool process {victim.pid} of {aim.worker}")
        parts.append(f"pool process {victim.pid} of {aim.worker}{_ran(ground, aim, victim)}")
    return Landed(at, _names(aims), f"SIGKILL to {_listed(parts)}", _pids(victims))


def freeze_process(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """SIGSTOP to pool processes; proved by their state."""
    victims = [_pool_process(aim) for aim in aims]
    parts = []
    for aim, victim in _pairs(aims, victims):
        who = f"pool process {victim.pid} of {aim.worker}"
        _refuse_frozen(victim, who)
        parts.append(f"{who}{_runs(ground, aim, victim)}")
    at = time.time()
    for aim, victim in _pairs(aims, victims):
        _signal_pool_process(ground, aim, victim, signal.SIGSTOP)
    for victim in victims:
        _prove_frozen(victim)

    def undo(_stopping: bool) -> Ended:
        now = time.time()
        living = [victim for victim in victims if victim.lives]
        for aim, victim in _pairs(aims, victims):
            if victim.lives:
                _signal_pool_process(ground, aim, victim, signal.SIGCONT)
        return _thawed(now, living, [f"pool process {victim.pid}" for victim in living])

    return Landed(at, _names(aims), f"SIGSTOP to {_listed(parts)}", _pids(victims), undo)


def kill_worker(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """SIGKILL to whole groups; proved by the end of the main processes."""
    victims = [main_process(ground, aim.worker) for aim in aims]
    parts: list[str] = []
    hit: list[int] = []
    for aim, victim in _pairs(aims, victims):
        pids = (victim.pid, *_pool_pids(ground, aim.worker))
        hit += pids
        parts.append(_worker_text(ground, aim.worker, pids))
    at = time.time()
    for aim, victim in _pairs(aims, victims):
        _send(ground, ground.worker(aim.worker), victim, signal.SIGKILL)
    for aim, victim in _pairs(aims, victims):
        _prove_gone(victim, f"{aim.worker} (pid {victim.pid})")
    return Landed(at, _names(aims), f"SIGKILL to {_listed(parts)}", tuple(hit))


def freeze_worker(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """SIGSTOP to main processes; proved by their state."""
    services = [ground.worker(aim.worker) for aim in aims]
    victims = [main_process(ground, aim.worker) for aim in aims]
    parts = []
    for aim, victim in _pairs(aims, victims):
        _refuse_frozen(victim, aim.worker)
        parts.append(_worker_text(ground, aim.worker, (victim.pid,)))
    at, undo = _freeze(ground, services, victims)
    return Landed(at, _names(aims), f"SIGSTOP to {_listed(parts)}", _pids(victims), undo)


def freeze_broker(ground: Ground, _spec: FaultSpec, _aims: tuple[Aim, ...]) -> Landed:
    """SIGSTOP to the broker; proved by its state."""
    victim = main_process(ground, "broker")
    _refuse_frozen(victim, "The broker")
    at, undo = _freeze(ground, [ground.live.broker], [victim])
    return Landed(at, ("broker",), f"SIGSTOP to the broker (pid {victim.pid})", (victim.pid,), undo)


_HOW: Mapping[FaultKind, tuple[StopHow, str]] = {
    FaultKind.WARM: (StopHow.WARM, "SIGTERM to"),
    FaultKind.COLD: (StopHow.COLD, "SIGQUIT to"),
    FaultKind.SOFT: (StopHow.COLD, "SIGQUIT to"),
    FaultKind.TERM_GROUP: (StopHow.WARM, "SIGTERM to the whole group of"),
}


def shut_down(ground: Ground, spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """A shutdown as a deployment sends it; proved by the worker's own word that it stops, or by its end."""
    if spec.kind is FaultKind.SOFT:
        _soft_timeout(ground)
    how, sent = _HOW[spec.kind]
    again, group = option(spec, "then") == "restart", spec.kind is FaultKind.TERM_GROUP
    victims = [_ready_to_stop(ground, aim.worker) for aim in aims]
    pids = [
        (one.pid, *(_pool_pids(ground, aim.worker) if group else ())) for aim, one in _pairs(aims, victims)
    ]
    starts = [ground.worker(aim.worker).starts for aim in aims]
    parts = [_worker_text(ground, aim.worker, hit) for aim, hit in zip(aims, pids, strict=True)]
    at = time.time()
    for aim in aims:
        ground.in_loop(partial(_stop, ground.worker(aim.worker), how, again, group))
    for (aim, victim), start in zip(_pairs(aims, victims), starts, strict=True):
        _prove_it_stops(ground, aim.worker, victim, start)
    end = "it is started again when it has ended" if again else "it stays stopped"
    every = tuple(pid for hit in pids for pid in hit)
    return Landed(at, _names(aims), f"{sent} {_listed(parts)}; {end}", every)


def _ready_to_stop(ground: Ground, name: str) -> Victim:
    victim = main_process(ground, name)
    if ground.worker(name).state is State.STOPPING:
        raise DeskError(f"{name} is being stopped already.", "Wait until it runs again.")
    if is_frozen(victim.pid):
        raise DeskError(f"{name} is frozen: it would get the signal later.", "Thaw it first.")
    return victim


def _stop(service: Service, how: StopHow, again: bool, group: bool) -> None:
    if again:
        service.restart(how, group=group)
    else:
        service.stop(how, group=group)


def _soft_timeout(ground: Ground) -> None:
    if not float(ground.live.spec().celery.get("worker_soft_shutdown_timeout", 0) or 0) > 0:
        raise DeskError(
            "There is no soft shutdown: worker_soft_shutdown_timeout is not set, so SIGQUIT is a cold one.",
            "Set worker_soft_shutdown_timeout under [celery], in seconds, and restart the stack.",
        )


def _prove_it_stops(ground: Ground, name: str, victim: Victim, start: int) -> None:
    prove(
        lambda: not victim.lives or ground.live.held(name, start).closing,
        f"{name} (pid {victim.pid}) did not begin to stop",
        every=_LOOK_AT_LEDGER,
    )


def _freeze(ground: Ground, services: Sequence[Service], victims: Sequence[Victim]) -> tuple[float, Undo]:
    at = time.time()
    for service, victim in zip(services, victims, strict=True):
        _send(ground, service, victim, signal.SIGSTOP)
    for victim in victims:
        _prove_frozen(victim)

    def undo(_stopping: bool) -> Ended:
        now = time.time()
        living = [pair for pair in zip(services, victims, strict=True) if pair[1].lives]
        for service, victim in living:
            _send(ground, service, victim, signal.SIGCONT)
        names = [_called(service) for service, _ in living]
        return _thawed(now, [victim for _, victim in living], names)

    return at, undo


def _called(service: Service) -> str:
    return f"the {service.name}" if service.kind is Kind.BROKER else service.name


def _send(ground: Ground, service: Service, victim: Victim, number: int) -> None:
    """Signal this very process of the service, not one that was started meanwhile."""

    def send() -> None:
        if service.process is not None and service.process.pid == victim.pid:
            service.send(number)

    ground.in_loop(send)


def _thawed(at: float, victims: Sequence[Victim], names: Sequence[str]) -> Ended:
    for victim in victims:
        _prove_thawed(victim)
    return Ended(at, f"SIGCONT to {_listed(names)}" if names else "it had ended meanwhile")


def _prove_gone(victim: Victim, who: str) -> None:
    prove(lambda: not victim.lives, f"{who} still runs")


def _prove_frozen(victim: Victim) -> None:
    prove(lambda: is_frozen(victim.pid), f"process {victim.pid} does not stand still")


def _prove_thawed(victim: Victim) -> None:
    prove(lambda: not victim.lives or not is_frozen(victim.pid), f"process {victim.pid} stands still")


def _pool_process(aim: Aim) -> Victim:
    if aim.pid is None:
        raise DeskError(f"No pool process of {aim.worker} was chosen.", "Choose one.")
    return Victim.of(aim.pid, f"The pool process of {aim.worker}")


def _signal_pool_process(ground: Ground, aim: Aim, victim: Victim, number: int) -> None:
    ground.in_loop(lambda: ground.live.signal_pool_process(aim.worker, victim.pid, number))


def _refuse_frozen(victim: Victim, who: str) -> None:
    if is_frozen(victim.pid):
        raise DeskError(f"{who} (pid {victim.pid}) is frozen already.", "Thaw it first.")


def _pool_pids(ground: Ground, name: str) -> tuple[int, ...]:
    return ground.live.feed.pool_pids(name, ground.worker(name).starts)


def _worker_text(ground: Ground, name: str, pids: Sequence[int]) -> str:
    """`w1 (pid 4242, 3 processes), while it ran 2 tasks`."""
    many = f", {plural(len(pids), 'process')}" if len(pids) > 1 else ""
    running = len(ground.worker(name).held.running)
    ran = f", while it ran {plural(running, 'task')}" if running else ""
    return f"{name} (pid {pids[0]}{many}){ran}"


def _ran(ground: Ground, aim: Aim, victim: Victim) -> str:
    """What a pool process that died ran."""
    task = ground.live.feed.task_of(aim.worker, ground.worker(aim.worker).starts, victim.pid)
    return f", while it ran {task}" if task else ""


def _runs(ground: Ground, aim: Aim, victim: Victim) -> str:
    running = ground.worker(aim.worker).held.running
    task = next((task.name for task in running if task.pid == victim.pid), "")
    return f", while it ran {task}" if task else ""


def _pairs(aims: Sequence[Aim], victims: Sequence[Victim]) -> list[tuple[Aim, Victim]]:
    return list(zip(aims, victims, strict=True))


def _names(aims: Sequence[Aim]) -> tuple[str, ...]:
    return tuple(aim.worker for aim in aims)


def _pids(victims: Sequence[Victim]) -> tuple[int, ...]:
    return tuple(victim.pid for victim in victims)


def _listed(parts: Sequence[str]) -> str:
    return "; ".join(parts) if any("," in part for part in parts) else " and ".join(parts)


DOERS: Mapping[FaultKind, Doer] = {
    FaultKind.KILL_PROCESS: kill_process,
    FaultKind.FREEZE_PROCESS: freeze_process,
    FaultKind.KILL_WORKER: kill_worker,
    FaultKind.FREEZE_WORKER: freeze_worker,
    FaultKind.FREEZE_BROKER: freeze_broker,
    FaultKind.WARM: shut_down,
    FaultKind.COLD: shut_down,
    FaultKind.SOFT: shut_down,
    FaultKind.TERM_GROUP: shut_down,
}
