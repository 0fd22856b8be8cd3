"""Faults that are tasks: poison, which ends the process that runs it, and memory hogs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial

from desktop.engine.api import (
    DeskError,
    FaultKind,
    FaultSpec,
    LoadSnapshot,
    LoadState,
    TaskShare,
    Workload,
)
from desktop.engine.faults.catalog import option
from desktop.engine.faults.ground import Doer, Ground, Landed, prove
from desktop.engine.faults.targets import Aim
from desktop.engine.supervise.outcome import plural
from desktop.engine.supervise.services import SAMPLE_APP

_SENT_WITHIN = (
    15.0  # seconds; the generator starts a process of its own, and a broken broker may be waited for
)
_LOOK_AGAIN = 0.02  # seconds
_TASKS: Mapping[FaultKind, tuple[str, tuple[str, ...]]] = {
    FaultKind.POISON: ("tasks.crash", ("how", "after")),
    FaultKind.HOG: ("tasks.leak", ("megabytes", "cap", "hold")),
}


def send(ground: Ground, spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """Tasks to the first queue of each target; proved by the broker's word for each of them."""
    app = ground.live.spec().app.target
    if app.partition(".")[0] != SAMPLE_APP.partition(".")[0]:
        raise DeskError(
            f"'{spec.kind}' sends tasks of the sample app, and this stack serves {app}.",
            "Submit tasks of your own that do the same, in a workload.",
        )
    queues = tuple(dict.fromkeys(ground.worker(aim.worker).spec.queues[0] for aim in aims))
    at = time.time()
    loads = [ground.in_loop(partial(ground.submit, _workload(spec, queue))) for queue in queues]
    for number in loads:
        prove(partial(_sent, ground, number), "not every task was sent", _SENT_WITHIN, _LOOK_AGAIN)
    task, count = _TASKS[spec.kind][0], int(option(spec, "count"))
    text = f"{plural(count, 'task')} {task} sent to {' and '.join(queues)}"
    return Landed(at, tuple(aim.worker for aim in aims), text)


def _workload(spec: FaultSpec, queue: str) -> Workload:
    task, arguments = _TASKS[spec.kind]
    share = TaskShare(task, kwargs={name: option(spec, name) for name in arguments}, queue=queue)
    return Workload((share,), count=int(option(spec, "count")), name=f"fault: {spec.kind}", seed=spec.seed)


def _sent(ground: Ground, number: int) -> bool:
    """Whether the broker took all of a load. Raises DeskError where it never will."""
    load = _load(ground, number)
    if load is not None and load.state in (LoadState.FAILED, LoadState.CANCELLED):
        raise DeskError(f"It did not land: {load.detail or load.state}.", "Look at the log of the load.")
    return load is not None and load.sent >= (load.workload.count or 0)


def _load(ground: Ground, number: int) -> LoadSnapshot | None:
    return next((load for load in ground.draw().loads if load.id == number), None)


DOERS: Mapping[FaultKind, Doer] = {FaultKind.POISON: send, FaultKind.HOG: send}
