"""Forecasts of a worker that is away for a while: it stands still, or nothing reaches it."""

from __future__ import annotations

from desktop.engine.api import Count, FaultSpec
from desktop.engine.faults.catalog import seconds_of
from desktop.engine.forecast import rules
from desktop.engine.forecast.draft import NONE, Draft, exactly
from desktop.engine.forecast.other_rules import HALF_OPEN, HALF_OPEN_LONG
from desktop.engine.forecast.reach import Reach
from desktop.engine.forecast.rules import Fate
from desktop.engine.forecast.situation import SWEEPING, Situation, WorkerSituation
from desktop.engine.forecast.words import amounts, running_tasks, timeout_text
from desktop.engine.forecast.workers import Workers, reached
from desktop.engine.stack.model import Pool


def freeze(draft: Draft, workers: Workers, spec: FaultSpec) -> None:
    """SIGSTOP to the main process of each, SIGCONT after the fault's seconds."""
    names = frozenset(one.name for one in workers)
    seconds = seconds_of(spec)
    for worker in workers:
        reach = reached(draft, worker)
        if reach.running.most:
            draft.first(_stands(worker, reach.running))
        twice = _delivered_twice(draft.situation, worker, names, seconds)
        _apart(draft, worker, reach, twice, (rules.FREEZE_SHORT, rules.FREEZE_LONG))


def half_open(draft: Draft, workers: Workers, spec: FaultSpec) -> None:
    """Nothing passes between each of them and the broker, and nobody notices: to tasks, a freeze."""
    names = frozenset(one.name for one in workers)
    for worker in workers:
        twice = _delivered_twice(draft.situation, worker, names, seconds_of(spec))
        _apart(draft, worker, reached(draft, worker), twice, (HALF_OPEN, HALF_OPEN_LONG))


def _stands(worker: WorkerSituation, running: Count) -> str:
    who = running_tasks(running)
    one = running == Count(1, 1)
    if worker.pool is Pool.PREFORK:
        return f"The main process stands still; {who} {'goes' if one else 'go'} on in the pool processes."
    return f"{who} {'stands' if one else 'stand'} still until SIGCONT."


def _delivered_twice(
    situation: Situation, worker: WorkerSituation, frozen: frozenset[str], seconds: float | None
) -> bool | None:
    """Whether what it holds is delivered to another worker meanwhile; None: the moment decides.

    At its end a worker with an event loop looks itself, and gives back what is past the timeout.
    """
    settings = situation.settings
    others = any(
        one.consumes and one.pool in SWEEPING and one.name not in frozen for one in situation.workers
    )
    if seconds is None:
        return None
    if not others and worker.pool not in SWEEPING:
        return False
    if situation.age(worker) + seconds < settings.timeout:
        return False
    if seconds > settings.timeout + settings.sweep + 1.0 and others:
        return True
    return None


def _apart(
    draft: Draft, worker: WorkerSituation, reach: Reach, twice: bool | None, said_by: tuple[str, str]
) -> None:
    """It is away for a while and keeps what it has. `said_by`: the rules for a short while and a long one."""
    settings, (short, long) = draft.situation.settings, said_by
    unacked = settings.late or worker.pool is Pool.SOLO
    if not twice and twice is not None:
        draft.rule(short)
        return
    law = (Fate.TWICE if twice else Fate.MAYBE_AGAIN, long)
    running = reach.running if unacked else NONE
    put = draft.becomes if twice else draft.quietly
    put(law, "running", running)
    put(law, "reserved", reach.reserved)
    put(law, "scheduled", exactly(reach.scheduled))
    draft.back_after = settings.timeout
    if not twice and (who := amounts(running, reach.reserved, reach.scheduled)):
        timeout = timeout_text(settings.timeout)
        draft.because(f"Nothing is lost; but after {timeout} (visibility timeout) {who} may run twice.")
