"""The kill menus of workers and pool processes: what each signal will do to the tasks of this moment.

They say what the forecasts of the same faults say (`desktop/engine/forecast`), from the same rules.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from desktop.engine.api import (
    FaultKind,
    FaultSpec,
    Forecast,
    Light,
    Pick,
    PoolProcess,
    SignalOffer,
    StackSnapshot,
    StackState,
    State,
    Target,
    WorkerSnapshot,
)
from desktop.engine.forecast import Situation, forecast, situation_of
from desktop.engine.stack.model import StackSpec

_TITLES = {
    "TERM": "Warm stop (SIGTERM)",
    "INT": "Interrupt (SIGINT)",
    "QUIT": "Cold stop (SIGQUIT)",
    "KILL": "Kill (SIGKILL)",
    "STOP": "Freeze (SIGSTOP)",
    "CONT": "Go on (SIGCONT)",
}
_PROCESS_TITLES = {**_TITLES, "TERM": "End (SIGTERM)", "QUIT": "End (SIGQUIT)"}
_STAYS = {"then": "stay"}  # a signal by hand: what follows is the restart policy's


def worker_offers(
    worker: WorkerSnapshot, celery: Mapping[str, Any], stack: StackSnapshot | None = None
) -> tuple[SignalOffer, ...]:
    """The kill menu of a worker: signals to its main process (KILL: to its whole group).

    `celery` is the stack's table of settings; with the whole `stack` the menu also knows who else polls.
    Empty while the worker has no process.
    """
    if worker.service.pid is None:
        return ()
    frozen = worker.service.process is Light.FROZEN
    stopping = worker.service.state is State.STOPPING
    situation = _situation(worker, celery, stack)
    heard = replace(situation, workers=tuple(replace(one, frozen=False) for one in situation.workers))
    warm = _of(heard, worker, FaultKind.WARM, _STAYS)
    cold = _of(heard, worker, FaultKind.COLD, _STAYS)
    kill = _of(situation, worker, FaultKind.KILL_WORKER)
    freeze = _of(situation, worker, FaultKind.FREEZE_WORKER, seconds=0)
    return (
        _offer("TERM", _later(_stops_already(warm) if stopping else _text(warm), frozen)),
        _offer("INT", _later(_interrupt(warm, cold, stopping), frozen), stopping and cold.hurts),
        _offer("QUIT", _later(_text(cold), frozen), cold.hurts),
        _offer("KILL", _text(kill), kill.hurts or kill.held > 0),
        _offer("STOP", "It is frozen already." if frozen else _frozen(freeze)),
        _offer("CONT", _go_on(frozen)),
    )


def _situation(worker: WorkerSnapshot, celery: Mapping[str, Any], stack: StackSnapshot | None) -> Situation:
    if stack is None:
        spec = StackSpec("", celery=celery, workers=(worker.spec,))
        stack = StackSnapshot(time.time(), spec, StackState.RUNNING, workers=(worker,))
    return situation_of(stack, stack.t)


def _of(
    situation: Situation,
    worker: WorkerSnapshot,
    kind: FaultKind,
    options: Mapping[str, Any] | None = None,
    *,
    seconds: float | None = None,
    pid: int | None = None,
) -> Forecast:
    target = Target(Pick.NAME, worker.name, pid)
    return forecast(replace(situation, broker_ours=True), FaultSpec(kind, target, seconds, options or {}))


def _text(said: Forecast) -> str:
    return " ".join(said.sentences)


def _offer(signal: str, effect: str, destructive: bool = False) -> SignalOffer:
    return SignalOffer(signal, _TITLES[signal], effect, destructive)


def _later(effect: str, frozen: bool) -> str:
    """A stopped process gets every signal but KILL and CONT only when it goes on (signal(7))."""
    return f"Nothing while it is frozen; after Go on (SIGCONT): {effect}" if frozen else effect


def _stops_already(warm: Forecast) -> str:
    """apps/worker.py, on_cold_shutdown: "Additional SIGTERM signals will be ignored."."""
    tasks = f"{warm.running:,} running task{'' if warm.running == 1 else 's'}"
    waits = f" and waits for {tasks}" if warm.running else ""
    return f"It is stopping already{waits}; another SIGTERM changes nothing."


def _interrupt(warm: Forecast, cold: Forecast, stopping: bool) -> str:
    """The first SIGINT is a warm stop (exit code 1) and turns the next into a cold one (apps/worker.py)."""
    if stopping:
        return f"The first SIGINT changes nothing while it stops; a second one is a cold stop. {_text(cold)}"
    return f"As a warm stop, and a second SIGINT is a cold one. {_text(warm)}"


def _frozen(said: Forecast) -> str:
    first = "" if said.running else "It takes and starts nothing until SIGCONT. "
    return f"{first}{_text(said)}"


def _go_on(frozen: bool) -> str:
    return (
        "Goes on where it stood still; signals sent meanwhile take effect."
        if frozen
        else "It is not frozen: nothing."
    )


def process_offers(
    worker: WorkerSnapshot,
    process: PoolProcess,
    celery: Mapping[str, Any],
    stack: StackSnapshot | None = None,
) -> tuple[SignalOffer, ...]:
    """The kill menu of one pool process of a prefork worker; its main process and siblings go on.

    Tried on a busy and an idle process: SIGTERM, SIGQUIT and SIGKILL all end it and come to the same for its
    task; SIGINT is ignored (concurrency/prefork.py, WORKER_SIGIGNORE).
    """
    if process not in worker.processes:
        worker = replace(worker, processes=(*worker.processes, process))
    situation = _situation(worker, celery, stack)
    kill = _of(situation, worker, FaultKind.KILL_PROCESS, pid=process.pid)
    freeze = _of(situation, worker, FaultKind.FREEZE_PROCESS, seconds=0, pid=process.pid)
    later = "Nothing while it is frozen; after SIGCONT: " if process.frozen else ""
    effects = {
        "TERM": f"{later}{_text(kill)}",
        "INT": "Pool processes ignore it: nothing.",
        "QUIT": f"{later}{_text(kill)}",
        "KILL": _text(kill),
        "STOP": "It is frozen already." if process.frozen else _text(freeze),
        "CONT": _go_on(process.frozen),
    }
    return tuple(
        SignalOffer(name, _PROCESS_TITLES[name], effect, kill.hurts and name in ("TERM", "QUIT", "KILL"))
        for name, effect in effects.items()
    )
