"""The fault of two workers under one node name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from functools import partial

from desktop.engine.api import DeskError, FaultKind, FaultSpec, State, StopHow
from desktop.engine.faults.ground import Doer, Ended, Ground, Landed, main_process, prove
from desktop.engine.faults.targets import Aim
from desktop.engine.stack.model import Restart
from desktop.engine.supervise.service import Launch
from desktop.engine.supervise.services import StackContext, WorkerService

_READY_WITHIN = 30.0  # seconds, as for every worker
_ENDED_WITHIN = 60.0  # seconds; it is stopped warm, and may run tasks
_LOOK_AGAIN = 0.02


class TwinService(WorkerService):
    """A worker that calls itself by another one's node name. In the panel it has a name of its own.

    Whoever of the two answers a ping, the other is not known by it: the probe says that this one is ready.
    """

    def __init__(self, context: StackContext, original: WorkerService, name: str) -> None:
        super().__init__(context, replace(original.spec, name=name, restart=Restart.NEVER))
        self._node = original.node

    @property
    def node(self) -> str:
        return self._node

    def launch(self) -> Launch:
        launch = super().launch()
        argv = list(launch.argv)
        argv[argv.index("-n") + 1] = self._node
        return replace(launch, argv=argv)

    def prove_ready(self) -> None:
        if self.held.ready:
            self.answered()

    def look_at_health(self) -> None:
        """Nothing: a ping cannot tell it from its twin."""


def start_twins(ground: Ground, _spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """A second worker for each target; proved by its probe, which says that it is ready."""
    originals = [ground.worker(aim.worker) for aim in aims]
    for original in originals:
        main_process(ground, original.name)
    at = time.time()
    twins = [ground.in_loop(partial(_start, ground, original)) for original in originals]
    try:
        for twin in twins:
            _prove_ready(twin)
    except DeskError:
        _end(ground, twins)
        raise

    def undo(stopping: bool) -> Ended:
        now = time.time()
        if not stopping:
            _end(ground, twins)
        return Ended(now, f"{' and '.join(twin.name for twin in twins)} stopped warm")

    parts = [f"a second worker named {twin.node} (pid {twin.pid}), here {twin.name}" for twin in twins]
    pids = tuple(twin.pid for twin in twins if twin.pid is not None)
    return Landed(at, tuple(aim.worker for aim in aims), "; ".join(parts), pids, undo, since=time.time())


def _start(ground: Ground, original: WorkerService) -> TwinService:
    """In the loop."""
    live = ground.live
    name, number = f"{original.name}-twin", 1
    while name in live.workers:
        number += 1
        name = f"{original.name}-twin{number}"
    twin = TwinService(live, original, name)
    live.workers[name] = twin
    twin.start()
    return twin


def _prove_ready(twin: TwinService) -> None:
    prove(
        lambda: twin.state is State.READY or twin.process is None,
        f"{twin.name} did not become ready",
        _READY_WITHIN,
        _LOOK_AGAIN,
    )
    if twin.process is None:
        raise DeskError(f"It did not land: {twin.detail}.", f"Its log: {twin.log_file}")


def _end(ground: Ground, twins: list[TwinService]) -> None:
    for twin in twins:
        ground.in_loop(partial(twin.stop, StopHow.WARM))
    for twin in twins:
        _prove_ended(twin)
        ground.in_loop(partial(_forget, ground, twin))


def _forget(ground: Ground, twin: TwinService) -> None:
    """In the loop: it is in no stack file, so nothing else knows it."""
    live = ground.live
    live.workers.pop(twin.name, None)
    live.network.forget(twin.name)
    live.changed()


def _prove_ended(twin: TwinService) -> None:
    prove(lambda: twin.process is None, f"{twin.name} still waits for its tasks", _ENDED_WITHIN, _LOOK_AGAIN)


DOERS: Mapping[FaultKind, Doer] = {FaultKind.NODE_NAME: start_twins}
