"""Forecasts of what is done to tasks, pools, logs and the network."""

from __future__ import annotations

from desktop.engine.api import Count, FaultKind, FaultSpec
from desktop.engine.faults.catalog import option
from desktop.engine.forecast import other_rules, rules
from desktop.engine.forecast.broker_rules import Broker
from desktop.engine.forecast.brokers import lose_connection, stand_still
from desktop.engine.forecast.draft import Draft, exactly
from desktop.engine.forecast.freezes import half_open
from desktop.engine.forecast.reach import reach_of
from desktop.engine.forecast.restoring import restoring
from desktop.engine.forecast.rules import Fate
from desktop.engine.forecast.situation import WorkerSituation
from desktop.engine.forecast.workers import Workers, on_its_way, reached, warm
from desktop.engine.stack.model import Pool, Restart


def poison(draft: Draft, workers: Workers, spec: FaultSpec) -> None:
    """Tasks that end the process they run in, sent to the first queue of each target."""
    count = int(option(spec, "count"))
    settings = draft.situation.settings
    back = tuple(one.name for one in workers if one.restart is not Restart.NEVER)
    draft.restoring = restoring(draft.situation, tuple(workers), restarted=back)
    for worker in workers:
        reach = reached(draft, worker)
        if worker.pool is Pool.PREFORK:
            _poisoned_process(draft, count)
            continue
        law = rules.KILLED[worker.pool][settings.late]
        maybe = Fate.MAYBE_LOST if law[0] is Fate.LOST else Fate.MAYBE_AGAIN
        draft.rule(other_rules.POISON_WORKER)
        most = reach.running.most + reach.held.most
        draft.quietly((maybe, law[1]), "running", Count(0, most))
        draft.quietly((Fate.MAYBE_BACK, rules.KILLED_HELD[1]), "reserved", Count(0, reach.held.most))
        draft.note(f"On {worker.pool.value} a task that ends its process ends the worker, as SIGKILL does.")
        on_its_way(draft)
        if most:
            fate = "be lost" if law[0] is Fate.LOST else "run again"
            draft.because(f"Up to {most:,} of what it runs and holds may {fate}: who runs beside the poison.")


def _poisoned_process(draft: Draft, count: int) -> None:
    settings = draft.situation.settings
    fate, rule = rules.worker_lost(settings.late, settings.reject_lost, settings.retry_lost)
    draft.rule(other_rules.POISON_PREFORK, rule)
    told = {
        Fate.FAILS: "fail with WorkerLostError",
        Fate.RETRIED: "are retried until they have failed for good",
    }.get(fate, "come back and end the next process, again and again")
    who = "1 poison task" if count == 1 else f"{count:,} poison tasks"
    draft.note(f"The pool processes that run the {who} die and are replaced; the {who} {told}.")


def hog(draft: Draft, workers: Workers, spec: FaultSpec) -> None:
    """Tasks that keep memory: the tasks within reach only have less of it."""
    draft.rule(other_rules.HOG)
    most = int(option(spec, "count")) * int(option(spec, "megabytes"))
    for worker in workers:
        _untouched(draft, worker, other_rules.HOG)
        if worker.max_memory:
            draft.note(f"A pool process over {worker.max_memory:,} KiB is replaced after its task.")
    draft.note(f"Up to {most:,} MB more are taken, at most {int(option(spec, 'cap')):,} MB by one process.")


def shrink(draft: Draft, workers: Workers, spec: FaultSpec) -> None:
    """Fewer processes or greenlets."""
    for worker in workers:
        left = max(1, worker.size - int(option(spec, "by")))
        _untouched(draft, worker, other_rules.SHRINK)
        if worker.pool is Pool.PREFORK and not reach_of(draft.situation, worker).running.exact:
            settings = draft.situation.settings
            fate, _ = rules.worker_lost(settings.late, settings.reject_lost, settings.retry_lost)
            maybe = Fate.MAYBE_FAILS if fate is Fate.FAILS else Fate.MAYBE_AGAIN
            draft.becomes((maybe, other_rules.SHRINK_TAKEN), "running", Count(0, worker.size - left))
        draft.note(f"{worker.name} goes from {worker.size} to {left}; what runs is not cut off.")


def node_name(draft: Draft, workers: Workers) -> None:
    """A second worker under the name of each."""
    for worker in workers:
        _untouched(draft, worker, other_rules.NODE_NAME)
        draft.note(f"Two workers answer to the name of {worker.name}: commands to it reach both.")


def disk_full(draft: Draft, workers: Workers) -> None:
    """A warm restart with a log that cannot be written."""
    warm(draft, workers, comes_back=True)
    draft.rule(other_rules.DISK_FULL)
    draft.note("Log lines are missing; tasks run all the same.")


def network(draft: Draft, workers: Workers, spec: FaultSpec) -> None:
    """What the relay does between workers and broker."""
    if spec.kind is FaultKind.CUT:
        lose_connection(draft, workers, Broker.KEEPS, network=True)
    elif spec.kind is FaultKind.HALF_OPEN:
        half_open(draft, workers, spec)
    else:
        stand_still(draft, workers, spec, other_rules.SLOW)


def _untouched(draft: Draft, worker: WorkerSituation, rule: str) -> None:
    """Within reach, and nothing happens to it."""
    reach = reached(draft, worker)
    draft.becomes((Fate.FINISHES, rule), "running", exactly(reach.running.most))
    draft.rule(rule)
