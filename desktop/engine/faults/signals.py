"""Faults that are signals to processes: kill and freeze."""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping, Sequence

from desktop.engine.api import DeskError, FaultKind, FaultSpec, Kind
from desktop.engine.faults.ground import Doer, Ended, Ground, Landed, Undo, Victim, main_process, prove
from desktop.engine.faults.targets import Aim
from desktop.engine.observe.proc import is_frozen, start_time
from desktop.engine.supervise.outcome import plural
from desktop.engine.supervise.service import Service


def kill_process(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """SIGKILL to pool processes; proved by their end."""
    victims = [_pool_process(aim) for aim in aims]
    at = time.time()
    for aim, victim in pairs(aims, victims):
        _signal_pool_process(ground, aim, victim, signal.SIGKILL)
    parts = []
    for aim, victim in pairs(aims, victims):
        _prove_gone(victim, f"pool process {victim.pid} of {aim.worker}")
        parts.append(f"pool process {victim.pid} of {aim.worker}{_ran(ground, aim, victim)}")
    return Landed(at, names_of(aims), f"SIGKILL to {listed(parts)}", _pids(victims))


def freeze_process(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """SIGSTOP to pool processes; proved by their state."""
    victims = [_pool_process(aim) for aim in aims]
    parts = []
    for aim, victim in pairs(aims, victims):
        who = f"pool process {victim.pid} of {aim.worker}"
        _refuse_frozen(victim, who)
        parts.append(f"{who}{_runs(ground, aim, victim)}")
    at = time.time()
    for aim, victim in pairs(aims, victims):
        _signal_pool_process(ground, aim, victim, signal.SIGSTOP)
    for victim in victims:
        _prove_frozen(victim)

    def undo(_stopping: bool) -> Ended:
        now = time.time()
        living = [victim for victim in victims if victim.lives]
        for victim in living:
            victim.thaw()
        return _thawed(now, living, [f"pool process {victim.pid}" for victim in living])

    return Landed(at, names_of(aims), f"SIGSTOP to {listed(parts)}", _pids(victims), undo)


def kill_worker(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """SIGKILL to whole groups; proved by the end of every process in them."""
    victims = [main_process(ground, aim.worker) for aim in aims]
    parts: list[str] = []
    hit: list[Victim] = []
    for aim, victim in pairs(aims, victims):
        group = [victim, *_living(pool_pids(ground, aim.worker))]
        hit += group
        parts.append(worker_text(ground, aim.worker, _pids(group)))
    at = time.time()
    for aim, victim in pairs(aims, victims):
        _send(ground, ground.worker(aim.worker), victim, signal.SIGKILL)
    for victim in hit:
        _prove_gone(victim, f"process {victim.pid} of {listed(names_of(aims))}")
    return Landed(at, names_of(aims), f"SIGKILL to {listed(parts)}", _pids(hit))


def _living(pids: Sequence[int]) -> list[Victim]:
    """Those of them that live: one may have ended since its worker told of it."""
    starts = [(pid, start_time(pid)) for pid in pids]
    return [Victim(pid, start) for pid, start in starts if start is not None]


def freeze_worker(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """SIGSTOP to main processes; proved by their state."""
    services = [ground.worker(aim.worker) for aim in aims]
    victims = [main_process(ground, aim.worker) for aim in aims]
    parts = []
    for aim, victim in pairs(aims, victims):
        _refuse_frozen(victim, aim.worker)
        parts.append(worker_text(ground, aim.worker, (victim.pid,)))
    at, undo = _freeze(ground, services, victims)
    return Landed(at, names_of(aims), f"SIGSTOP to {listed(parts)}", _pids(victims), undo)


def freeze_broker(ground: Ground, _spec: FaultSpec, _aims: tuple[Aim, ...]) -> Landed:
    """SIGSTOP to the broker; proved by its state."""
    victim = main_process(ground, "broker")
    _refuse_frozen(victim, "The broker")
    at, undo = _freeze(ground, [ground.live.broker], [victim])
    return Landed(at, ("broker",), f"SIGSTOP to the broker (pid {victim.pid})", (victim.pid,), undo)


def _freeze(ground: Ground, services: Sequence[Service], victims: Sequence[Victim]) -> tuple[float, Undo]:
    at = time.time()
    for service, victim in zip(services, victims, strict=True):
        _send(ground, service, victim, signal.SIGSTOP)
    for service, victim in zip(services, victims, strict=True):
        _prove_frozen(victim)
        ground.in_loop(service.look_at_freeze)  # now, and not at the supervisor's next look

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
    return Ended(at, f"SIGCONT to {listed(names)}" if names else "it had ended meanwhile")


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


def pool_pids(ground: Ground, name: str) -> tuple[int, ...]:
    """A prefork worker's pool processes, as its probe told last."""
    return ground.live.feed.pool_pids(name, ground.worker(name).starts)


def worker_text(ground: Ground, name: str, pids: Sequence[int]) -> str:
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


def pairs(aims: Sequence[Aim], victims: Sequence[Victim]) -> list[tuple[Aim, Victim]]:
    """Each aim with its process."""
    return list(zip(aims, victims, strict=True))


def names_of(aims: Sequence[Aim]) -> tuple[str, ...]:
    """The workers that are aimed at."""
    return tuple(aim.worker for aim in aims)


def _pids(victims: Sequence[Victim]) -> tuple[int, ...]:
    return tuple(victim.pid for victim in victims)


def listed(parts: Sequence[str]) -> str:
    """Several of them in one sentence."""
    return "; ".join(parts) if any("," in part for part in parts) else " and ".join(parts)


DOERS: Mapping[FaultKind, Doer] = {
    FaultKind.KILL_PROCESS: kill_process,
    FaultKind.FREEZE_PROCESS: freeze_process,
    FaultKind.KILL_WORKER: kill_worker,
    FaultKind.FREEZE_WORKER: freeze_worker,
    FaultKind.FREEZE_BROKER: freeze_broker,
}
