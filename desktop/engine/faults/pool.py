"""The fault of a pool that shrinks under load, and grows again at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from desktop.engine.api import DeskError, FaultKind, FaultSpec, State
from desktop.engine.faults.catalog import option
from desktop.engine.faults.ground import LANDS_WITHIN, Doer, Ended, Ground, Landed, Undo, prove
from desktop.engine.faults.targets import Aim
from desktop.engine.supervise.outcome import plural

_ANSWER = 2.0  # seconds for one control command
_ASK_AGAIN = 0.02  # seconds, where all processes were busy
_GROWN_WITHIN = 30.0  # seconds; a busy prefork worker starts its new processes when it finds the time
_TOLD_WITHIN = 0.4  # seconds; the probe tells of the pool five times a second, the recorder ten times


@dataclass(frozen=True, slots=True)
class _Shrunk:
    """One pool that did."""

    at: float
    undo: Undo
    text: str


def shrink(ground: Ground, spec: FaultSpec, aims: tuple[Aim, ...]) -> Landed:
    """`pool_shrink`, or lower bounds for an autoscaler; proved by the pool's own figures."""
    shrunk: list[_Shrunk] = []
    for aim in aims:
        worker = ground.worker(aim.worker)
        if worker.state is not State.READY:
            raise DeskError(f"{aim.worker} does not answer now ({worker.state}).", "Wait until it does.")
        act = _lower_bounds if worker.spec.autoscale is not None else _take_away
        shrunk.append(act(ground, aim.worker, int(option(spec, "by"))))

    def undo_all(stopping: bool) -> Ended:
        ends = [one.undo(stopping) for one in shrunk]
        return Ended(ends[0].at, "; ".join(dict.fromkeys(end.text for end in ends)))

    names, text = tuple(aim.worker for aim in aims), "; ".join(one.text for one in shrunk)
    return Landed(min(one.at for one in shrunk), names, text, undo=undo_all)


def _size(ground: Ground, name: str) -> int:
    pool = ground.live.feed.pool(name, ground.worker(name).starts)
    if pool is None:
        raise DeskError(f"The size of {name}'s pool is not known yet.", "Try again in a moment.")
    return pool.size


def _take_away(ground: Ground, name: str, by: int) -> _Shrunk:
    worker = ground.worker(name)
    before, starts = _size(ground, name), worker.starts
    by = min(by, before - 1)
    if by < 1:
        raise DeskError(f"The pool of {name} has one slot: it cannot shrink.", "Give it more concurrency.")
    at, taken = _ask_to_shrink(ground, name, by, before)
    prove(lambda: _size(ground, name) <= before - taken, f"the pool of {name} is as large as before")

    def undo(stopping: bool) -> Ended:
        now = time.time()
        if stopping or worker.starts != starts or worker.process is None:
            return Ended(now, f"{name} was not grown again: its next start has its size")
        ground.live.control().request("pool_grow", {"n": taken}, ground.node(name))
        prove(
            lambda: worker.starts != starts or _size(ground, name) >= before,
            f"the pool of {name} did not grow again",
            _GROWN_WITHIN,
        )
        return Ended(now, f"the pool of {name} grows by {taken} again")

    return _Shrunk(at, undo, f"pool_shrink {taken} to {name}, whose pool had {plural(before, 'slot')}")


def _ask_to_shrink(ground: Ground, name: str, by: int, before: int) -> tuple[float, int]:
    """Take slots away one by one: the moment of the first, and how many it came to.

    Prefork only gives up a process that runs nothing, and says no while all are busy: it is asked again.
    """
    taken, first = 0, 0.0
    until = time.monotonic() + LANDS_WITHIN
    while taken < by:
        at, asked, had = time.time(), time.monotonic(), taken
        try:
            ground.live.control().request("pool_shrink", {"n": 1}, ground.node(name), _ANSWER)
            taken += 1
        except DeskError as error:
            if time.monotonic() > until:
                if not taken:
                    reason = error.what
                    raise DeskError(f"It did not land: {reason}", "Try it while a process is idle.") from None
                break
            # One that was done, and whose answer was lost, is seen a little later.
            time.sleep(_TOLD_WITHIN if time.monotonic() - asked >= _ANSWER else _ASK_AGAIN)
            taken = max(taken, before - _size(ground, name))
        if taken and not had:
            first = at
    return first, taken


def _lower_bounds(ground: Ground, name: str, by: int) -> _Shrunk:
    worker = ground.worker(name)
    starts, scale = worker.starts, worker.spec.autoscale
    pool = ground.live.feed.pool(name, starts)
    low, high = (pool.bounds if pool else None) or ((scale.min, scale.max) if scale else (1, 1))
    size = _size(ground, name)
    top = max(1, min(high, size) - by)
    if top >= min(high, size):
        raise DeskError(f"The pool of {name} has one slot: it cannot shrink.", "Wait until it has grown.")
    at = time.time()
    _scale(ground, name, min(low, top), top)
    prove(partial(_bounds_are, ground, name, starts, (min(low, top), top)), f"{name} kept its bounds")

    def undo(stopping: bool) -> Ended:
        now = time.time()
        if stopping or worker.starts != starts or worker.process is None:
            return Ended(now, f"{name} kept its bounds: its next start has its own")
        _scale(ground, name, low, high)
        return Ended(now, f"the autoscaler of {name} goes from {low} to {high} again")

    return _Shrunk(
        at, undo, f"autoscale {min(low, top)} to {top} to {name}, whose pool had {plural(size, 'slot')}"
    )


def _scale(ground: Ground, name: str, low: int, high: int) -> None:
    ground.live.control().request("autoscale", {"max": high, "min": low}, ground.node(name))


def _bounds_are(ground: Ground, name: str, starts: int, bounds: tuple[int, int]) -> bool:
    pool = ground.live.feed.pool(name, starts)
    return pool is not None and pool.bounds == bounds


DOERS: Mapping[FaultKind, Doer] = {FaultKind.SHRINK: shrink}
