"""When each fault of a drill is done, as its seed draws it."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from desktop.engine.api import DrillSpec, FaultSpec, LoadSnapshot, PlannedFault, StackSnapshot
from desktop.engine.drills.conditions import Condition, parse_condition

_LEAST, _MOST = 0.5, 1.5  # a gap, as a share of its mean


@dataclass(frozen=True, slots=True)
class Due:
    """One fault that is to be done: `at` so many seconds after the first task was sent, or `when`."""

    spec: FaultSpec
    planned: PlannedFault
    at: float | None = None
    when: Condition | None = None

    @property
    def text(self) -> str:
        """For people: "kill-worker when 2 active on w1"."""
        moment = f"when {self.planned.when}" if self.at is None else f"at {self.at:.3g} s"
        return f"{self.spec.kind} {moment}"


def plan(drill: DrillSpec, seed: int) -> tuple[Due, ...]:
    """Every fault of a drill, in the order of its file; the same seed draws the same moments and targets."""
    found: list[Due] = []
    for index, planned in enumerate(drill.faults):
        draw = random.Random(f"{seed}:{index}")
        found += _dues(planned, draw)
    return tuple(found)


def _dues(planned: PlannedFault, draw: random.Random) -> Iterable[Due]:
    if planned.when is not None:
        return [Due(_seeded(planned.spec, draw), planned, when=parse_condition(planned.when))]
    if planned.every is None:
        first = planned.at or 0.0
        at = first if planned.at_latest is None else draw.uniform(first, planned.at_latest)
        return [Due(_seeded(planned.spec, draw), planned, at)]
    found, at = [], 0.0
    for _ in range(planned.times):
        at += planned.every * draw.uniform(_LEAST, _MOST)
        found.append(Due(_seeded(planned.spec, draw), planned, at))
    return found


def _seeded(spec: FaultSpec, draw: random.Random) -> FaultSpec:
    """The same fault with the seed that draws its target and its clock."""
    return dataclasses.replace(spec, seed=draw.randrange(2**31))


def now_due(
    dues: Sequence[Due],
    done: frozenset[int],
    elapsed: float | None,
    moment: StackSnapshot,
    loads: Sequence[LoadSnapshot],
) -> list[int]:
    """Indices of those whose moment has come. `elapsed`: since the first task was sent; None: not yet.

    A condition is looked at once everything above it in the file has been done: so that "w1 ready" can
    follow a kill.
    """
    if elapsed is None:
        return []

    def come(index: int, due: Due) -> bool:
        if due.at is not None:
            return elapsed >= due.at
        above_done = all(above in done for above in range(index))
        return above_done and due.when is not None and due.when.holds(moment, loads)

    return [index for index, due in enumerate(dues) if index not in done and come(index, due)]
