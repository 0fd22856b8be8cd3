"""Rolling kills: a clock that kills one worker after the other, each kill a fault of its own."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from desktop.engine.api import DeskError, FaultKind, FaultSpec, Pick, State, Target
from desktop.engine.faults.catalog import option
from desktop.engine.faults.ground import Doer, Going, Ground, Landed
from desktop.engine.faults.targets import Aim

_BACK_WITHIN = 30.0  # seconds for which a worker that is down is waited for
_LOOK_AGAIN = 0.05


@dataclass(frozen=True, slots=True)
class Kill:
    """One tick of the clock."""

    worker: str
    after: float  # seconds from the kill before


def plan(spec: FaultSpec, workers: tuple[str, ...]) -> Iterator[Kill]:
    """The whole clock, drawn from the seed alone: the same spec on the same workers gives the same."""
    draw = random.Random(spec.seed)
    mean, least = float(option(spec, "mean")), float(option(spec, "least"))
    for number in range(int(option(spec, "kills"))):
        gap = max(least, draw.expovariate(1 / mean)) if number else 0.0
        in_turn = option(spec, "order") == "in-turn"
        yield Kill(workers[number % len(workers)] if in_turn else draw.choice(workers), gap)


def roll(ground: Ground, spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """The first kill at once, the others on the clock. It landed when the first did."""
    clock = plan(spec, tuple(aim.worker for aim in aims))
    first = _kill(ground, spec, next(clock))

    def go_on(going: Going) -> str:
        done = 1
        for kill in clock:
            if going.over.wait(kill.after) or not _is_back(ground, kill.worker, going):
                return f"ended after {done} kills"
            try:
                hit = _kill(ground, spec, kill)
            except DeskError as error:
                going.tell(f"{kill.worker} was missed: {error.what}")
            else:
                done += 1
                going.tell(_told(kill.worker, hit.at), hit.targets, hit.pids)
        return f"{done} kills done"

    text = f"Rolling kills with seed {spec.seed}: {_told(first.targets[0], first.at)}"
    return Landed(first.at, first.targets, text, first.pids, goes_on=go_on)


def _kill(ground: Ground, spec: FaultSpec, kill: Kill) -> Landed:
    record = ground.inject(FaultSpec(FaultKind.KILL_WORKER, Target(Pick.NAME, kill.worker), seed=spec.seed))
    assert record.landed_at is not None
    return Landed(record.landed_at, record.targets, record.text, record.pids)


def _is_back(ground: Ground, name: str, going: Going) -> bool:
    """Wait until it runs again, so that the clock hits it; False when the fault is over meanwhile."""
    until = time.monotonic() + _BACK_WITHIN
    while time.monotonic() < until:
        worker = ground.live.workers.get(name)
        if worker is None or worker.state in (State.READY, State.SILENT):
            break
        if going.over.wait(_LOOK_AGAIN):
            return False
    return True


def _told(worker: str, at: float) -> str:
    return f"{worker} at {time.strftime('%H:%M:%S', time.localtime(at))}"


DOERS: Mapping[FaultKind, Doer] = {FaultKind.ROLLING: roll}
