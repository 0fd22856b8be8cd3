"""How many tasks a worker will run and hold when the fault lands: known, or a range while tasks move."""

from __future__ import annotations

from dataclasses import dataclass

from desktop.engine.api import Count
from desktop.engine.forecast.draft import exactly
from desktop.engine.forecast.situation import LONG_TASK, Situation, WorkerSituation

# Messages a second that one worker takes, above which a kill hits the window of BRPOP now and then.
FLOOD = 20.0
_MOVING = "Tasks start and end here while you read this ({rate:,.3g} a second): the numbers are ranges."


@dataclass(frozen=True, slots=True)
class Reach:
    """What one worker will run and hold."""

    running: Count
    reserved: Count
    scheduled: int
    why: str = ""  # why it is a range

    @property
    def held(self) -> Count:
        """Reserved and scheduled."""
        return Count(self.reserved.least + self.scheduled, self.reserved.most + self.scheduled)


def reach_of(situation: Situation, worker: WorkerSituation) -> Reach:
    """Exact where nothing moves, or where what ends is replaced at once by what waits."""
    runs, reserved = worker.runs, worker.reserved
    ends, comes = worker.moves, situation.arrivals if worker.consumes else 0
    if not ends and not comes:
        return Reach(exactly(runs), exactly(reserved), worker.scheduled)
    waiting = sum(situation.waiting.get(queue, 0) for queue in worker.queues)
    full = runs >= worker.size > 0
    if full and reserved + waiting > ends and worker.task_seconds > LONG_TASK:
        if waiting > ends and not comes:
            return Reach(exactly(runs), exactly(reserved), worker.scheduled)
        least = max(0, reserved - max(0, ends - waiting))
        reserved_count = Count(least, reserved + comes)
        why = "" if reserved_count.exact else _MOVING.format(rate=worker.ends_per_second or situation.sending)
        return Reach(exactly(runs), reserved_count, worker.scheduled, why)
    free = max(0, worker.size - runs) if worker.size else comes
    most = min(max(worker.size, runs), runs + min(free + ends, reserved + waiting + comes))
    return Reach(
        Count(max(0, runs - ends), max(runs, most)),
        Count(max(0, reserved - ends - free), reserved + (ends if waiting else 0) + comes),
        worker.scheduled,
        _MOVING.format(rate=worker.ends_per_second or situation.sending),
    )
