"""How many tasks a worker will run and hold when the fault lands: known, or a range while tasks move."""

from __future__ import annotations

from dataclasses import dataclass

from desktop.engine.api import Count
from desktop.engine.forecast.draft import exactly, plus
from desktop.engine.forecast.situation import LONG_TASK, Situation, WorkerSituation

# Tasks that end on a worker in a second, above which a fault hits the window of BRPOP now and then.
_OFTEN = 3.0
_MOVING = "Tasks come, start and end while you read this: the numbers are ranges."


@dataclass(frozen=True, slots=True)
class Reach:
    """What one worker will run and hold."""

    running: Count
    reserved: Count
    scheduled: int
    why: str = ""  # why it is a range
    takes: bool = False  # it takes messages at that moment

    @property
    def held(self) -> Count:
        """Reserved and scheduled."""
        return plus(self.reserved, exactly(self.scheduled))


def reach_of(situation: Situation, worker: WorkerSituation) -> Reach:
    """Exact where nothing moves, or where what ends is replaced at once by what waits."""
    runs, reserved = worker.runs, worker.reserved
    ends = situation.moves(worker)
    comes = situation.arrivals if worker.consumes else 0
    waiting = sum(situation.waiting.get(queue, 0) for queue in worker.queues) if worker.consumes else 0
    free = max(0, worker.most_size - runs)
    starts = min(free + ends, reserved + waiting + comes)
    if not ends and not comes and not starts:
        return Reach(exactly(runs), exactly(reserved), worker.scheduled)
    full = runs >= worker.most_size > 0
    if full and worker.task_seconds > LONG_TASK and reserved + waiting > ends:
        running = exactly(runs)
    else:
        running = Count(max(0, runs - ends), runs + min(free, reserved + waiting + comes), runs)
    if full and waiting > 2 * ends and not comes and worker.task_seconds > LONG_TASK:
        held = exactly(reserved)
    else:
        taken = comes + (waiting if free else min(waiting, ends))
        held = Count(max(0, reserved - starts), reserved + taken, reserved)
    why = "" if running.exact and held.exact else _MOVING
    takes = comes > 0 or (waiting > 0 and (free > 0 or worker.ends_per_second > _OFTEN))
    return Reach(running, held, worker.scheduled, why, takes)
