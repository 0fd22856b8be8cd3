"""Forecasts of what ends a worker: kills, stops, and a clock of kills."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from desktop.engine.api import Count, FaultSpec
from desktop.engine.faults.catalog import option
from desktop.engine.forecast import rules
from desktop.engine.forecast.draft import Draft, exactly
from desktop.engine.forecast.reach import Reach, reach_of
from desktop.engine.forecast.restoring import restoring
from desktop.engine.forecast.rules import Fate, Law
from desktop.engine.forecast.situation import SWEEPING, WorkerSituation
from desktop.engine.forecast.words import amounts, listed, running_tasks
from desktop.engine.stack.model import Pool, Restart
from desktop.engine.supervise.outcome import duration

Workers = Sequence[WorkerSituation]
# Seconds between two looks for what is past the visibility timeout, up to which a kill may hit one.
_SWEEPS_OFTEN = 10.0


def kill(draft: Draft, workers: Workers) -> None:
    """SIGKILL to the whole group of each."""
    situation = draft.situation
    back = tuple(one.name for one in workers if one.restart is not Restart.NEVER)
    draft.restoring = restoring(situation, tuple(workers), restarted=back)
    looks = any(one.pool in SWEEPING and one.held + one.runs for one in workers)
    if looks and situation.settings.sweep <= _SWEEPS_OFTEN:
        draft.rule(rules.RESTORE_LOCK)
        draft.note("If it dies while it looks for such messages itself, nobody else looks for 300 s.")
    for worker in workers:
        reach = reached(draft, worker)
        law = rules.KILLED[worker.pool][situation.settings.late]
        if worker.pool is Pool.PREFORK:
            draft.rule(rules.CHILDREN_DIE)
            if worker.frozen and worker.runs:
                draft.rule(rules.FROZEN_KILL)
        draft.becomes(law, "running", reach.running)
        held(draft, rules.KILLED_HELD, reach)
        if reach.takes or (worker.frozen and not worker.held):
            on_its_way(draft)


def on_its_way(draft: Draft) -> None:
    """A message that this worker takes in the very moment may be lost."""
    draft.quietly((Fate.MAYBE_LOST, rules.BRPOP), "waiting", Count(0, 1))
    draft.because("A message that is on its way from the queue to a worker at that moment is lost.")


def warm(draft: Draft, workers: Workers, *, comes_back: bool) -> None:
    """SIGTERM to the main process of each."""
    for worker in workers:
        if _deaf(draft, worker):
            continue
        reach = reached(draft, worker)
        _waits(draft, worker, reach)
        draft.becomes(rules.WARM_RUNNING, "running", reach.running)
        held(draft, rules.STOP_HELD, reach)
    _who_goes_on(draft, workers, comes_back)


def _waits(draft: Draft, worker: WorkerSituation, reach: Reach) -> None:
    if reach.running.most:
        draft.first(f"Waits for {running_tasks(reach.running)}.")
    elif not draft.running:
        draft.first("No task runs: it ends at once.")


def cold(draft: Draft, workers: Workers, *, comes_back: bool) -> None:
    """SIGQUIT to the main process of each, with the soft shutdown where it is set."""
    soft = draft.situation.settings.soft
    for worker in workers:
        if _deaf(draft, worker):
            continue
        reach = reached(draft, worker)
        law = rules.COLD[worker.pool][draft.situation.settings.late]
        if not reach.running.most:
            draft.first("No task runs: it ends at once.")
        elif soft > 0:
            _soft(draft, worker, reach, law)
        else:
            if law[0] is Fate.FINISHES:
                draft.first(
                    f"{running_tasks(reach.running)} cannot be cancelled on {worker.pool.value}, "
                    "so it waits for them."
                )
            draft.becomes(law, "running", reach.running)
        if worker.pool is Pool.EVENTLET and reach.running.most and not soft:
            reach = _without_next(draft, reach)
        if worker.pool is Pool.THREADS and reach.running.most:
            _in_threads(draft, reach)
        else:
            held(draft, rules.STOP_HELD, reach)
    _who_goes_on(draft, workers, comes_back)


def _in_threads(draft: Draft, reach: Reach) -> None:
    """What threads had reserved runs in the time that the stop waits for others, or is given back."""
    draft.quietly(rules.COLD_THREADS_HELD, "reserved", reach.reserved)
    draft.quietly(rules.COLD_THREADS_HELD, "scheduled", exactly(reach.scheduled))
    draft.back_after = 0.0
    if who := amounts(Count(), reach.reserved, reach.scheduled):
        draft.note(f"Nothing is lost: {who} run while it waits, or go back to the queue at once.")


def _without_next(draft: Draft, reach: Reach) -> Reach:
    """On eventlet the next one in line may start, and be cut off as well."""
    one = min(1, reach.reserved.most)
    draft.quietly((Fate.MAYBE_LOST, rules.COLD_EVENTLET_NEXT), "reserved", Count(0, one))
    if one:
        draft.because("The next one that is reserved may start when the others are killed, and be lost too.")
    return replace(reach, reserved=Count(max(0, reach.reserved.least - one), reach.reserved.most))


def _soft(draft: Draft, worker: WorkerSituation, reach: Reach, law: Law) -> None:
    """Waits first; only what takes longer shares the fate of a cold stop."""
    soft, waits = draft.situation.settings.soft, rules.SOFT[worker.pool]
    if waits[0] is not Fate.FINISHES:
        draft.becomes(waits, "running", reach.running)
        return
    draft.first(f"Waits up to {soft:g} s for {running_tasks(reach.running)} (soft shutdown).")
    draft.becomes(waits, "running", reach.running)
    if worker.pool in rules.GREENLETS:
        draft.rule(rules.SOFT_GREENLETS)
        return
    if law[0] is Fate.FINISHES or worker.task_seconds * 2 < soft:
        return
    after = {Fate.LOST: "be lost", Fate.ACKED: "be cut off and lost, though acks are late"}
    what = after.get(law[0], "be cut off and run again")
    draft.first(f"One that takes longer will {what} (acks {draft.situation.settings.acks}).")
    fate = Fate.MAYBE_AGAIN if law[0] is Fate.AGAIN else Fate.MAYBE_LOST
    draft.quietly((fate, law[1]), "running", reach.running)


def term_group(draft: Draft, workers: Workers, *, comes_back: bool) -> None:
    """SIGTERM to every process of each: only prefork has more than one."""
    settings = draft.situation.settings
    law = rules.worker_lost(settings.late, settings.reject_lost, settings.retry_lost)
    for worker in workers:
        if worker.pool is not Pool.PREFORK:
            draft.rule(rules.TERM_GROUP_ONE)
            warm(draft, [worker], comes_back=comes_back)
            continue
        reach = reached(draft, worker)
        draft.becomes(law, "running", reach.running)
        if worker.frozen:
            draft.note(f"{worker.name} is frozen: its main process stops after SIGCONT.")
            continue
        held(draft, rules.STOP_HELD, reach)
    _who_goes_on(draft, workers, comes_back)


def _deaf(draft: Draft, worker: WorkerSituation) -> bool:
    """A stopped process gets every signal but KILL and CONT only when it goes on (signal(7))."""
    if not worker.frozen:
        return False
    draft.running += worker.runs
    draft.held += worker.held
    draft.first(f"Nothing while {worker.name} is frozen; the signal takes effect when it goes on.")
    return True


def _who_goes_on(draft: Draft, workers: Workers, comes_back: bool) -> None:
    """Where what was given back runs: somewhere else, here after the restart, or nowhere."""
    gone = frozenset(one.name for one in workers)
    if comes_back:
        return
    for worker in workers:
        if worker.held and not worker.frozen and not draft.situation.others(worker, gone):
            queues = listed(worker.queues)
            draft.note(f"No other worker takes from {queues}: they wait until one does.")


def rolling(draft: Draft, workers: Workers, spec: FaultSpec) -> None:
    """One worker after the other gets SIGKILL: what runs at each of them cannot be told now."""
    settings, times = draft.situation.settings, int(option(spec, "kills"))
    back = tuple(one.name for one in workers if one.restart is not Restart.NEVER)
    draft.restoring = restoring(draft.situation, tuple(workers), restarted=back)
    for worker in workers:
        reach = reached(draft, worker)
        law = rules.KILLED[worker.pool][settings.late]
        maybe = Fate.MAYBE_LOST if law[0] is Fate.LOST else Fate.MAYBE_AGAIN
        # Also what it holds now may run by the time of a later kill.
        most = reach.running.most + reach.held.most
        draft.quietly((maybe, law[1]), "running", Count(0, most))
        draft.quietly((Fate.MAYBE_BACK, rules.KILLED_HELD[1]), "reserved", Count(0, reach.held.most))
        on_its_way(draft)
        fate = "lost" if law[0] is Fate.LOST else "cut off and run again"
        draft.first(f"Whatever {worker.name} runs when its turn comes is {fate} (acks {settings.acks}).")
    mean = duration(float(option(spec, "mean")))
    draft.because(f"{times} kills, {mean} apart on the mean: how much that is cannot be told now.")


def held(draft: Draft, law: Law, reach: Reach) -> None:
    draft.becomes(law, "reserved", reach.reserved)
    draft.becomes(law, "scheduled", exactly(reach.scheduled))


def reached(draft: Draft, worker: WorkerSituation) -> Reach:
    """What it will run and hold, put down as within reach."""
    draft.running += worker.runs
    draft.held += worker.held
    reach = reach_of(draft.situation, worker)
    if reach.why:
        draft.because(reach.why)
    return reach
