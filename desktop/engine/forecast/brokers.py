"""Forecasts of what is done to the broker: every task that is not over is within reach."""

from __future__ import annotations

from collections.abc import Iterable

from desktop.engine.api import Count, FaultKind, FaultSpec
from desktop.engine.faults.catalog import seconds_of
from desktop.engine.forecast import broker_rules as rules
from desktop.engine.forecast.broker_rules import Broker, Loss, laws_of
from desktop.engine.forecast.draft import Draft, exactly
from desktop.engine.forecast.reach import Reach
from desktop.engine.forecast.restoring import restoring
from desktop.engine.forecast.rules import Fate, Law
from desktop.engine.forecast.situation import WorkerSituation
from desktop.engine.forecast.words import amounts, timeout_text
from desktop.engine.forecast.workers import held, on_its_way, reached
from desktop.engine.stack.model import Persistence

_PERHAPS = {
    Fate.GONE: Fate.MAYBE_GONE,
    Fate.LOST: Fate.MAYBE_LOST,
    Fate.BACK_LATER: Fate.MAYBE_BACK,
    Fate.LATER: Fate.MAYBE_AGAIN,
    Fate.FAILS: Fate.MAYBE_FAILS,
}


def broker_fault(draft: Draft, spec: FaultSpec) -> None:
    """Any kind that aims at the broker."""
    match spec.kind:
        case FaultKind.KILL_BROKER | FaultKind.STOP_BROKER:
            _restart(draft, spec)
        case FaultKind.CUT_CLIENTS:
            lose_connection(draft, draft.situation.alive, Broker.LIVES)
        case FaultKind.FLUSH_BROKER:
            _flush(draft)
        case FaultKind.FILL_BROKER:
            _fill(draft)
        case _:
            stand_still(draft, draft.situation.alive, spec, rules.FROZEN)


def _restart(draft: Draft, spec: FaultSpec) -> None:
    """Down for a while. What it has written to its disk decides."""
    situation = draft.situation
    persistence = situation.persistence
    orderly = spec.kind is FaultKind.STOP_BROKER
    if persistence is Persistence.APPEND_ONLY or (persistence is Persistence.SNAPSHOT and orderly):
        draft.rule(rules.KEEPS)
        lose_connection(draft, situation.alive, Broker.KEEPS)
    elif persistence is Persistence.SNAPSHOT:
        lose_connection(draft, situation.alive, Broker.FORGETS, perhaps=True)
        _forget(draft, (Fate.MAYBE_GONE, rules.SNAPSHOT_KILLED))
        draft.rule(rules.SNAPSHOT_KILLED)
        draft.because("What came and went since the broker's last save cannot be told.")
    else:
        lose_connection(draft, situation.alive, Broker.FORGETS)
        _forget(draft, rules.WAITING_GONE)
    if seconds_of(spec) is None:
        draft.note("It stays down until it is undone by hand: nothing goes on before.")


def _forget(draft: Draft, law: Law) -> None:
    draft.becomes(law, "waiting", _waiting(draft))
    # Among the stranded there may be second messages of tasks that have ended.
    perhaps = (Fate.MAYBE_GONE, law[1])
    draft.becomes(perhaps, "stranded", exactly(draft.situation.stranded))


def lose_connection(
    draft: Draft,
    workers: Iterable[WorkerSituation],
    broker: Broker,
    *,
    perhaps: bool = False,
    network: bool = False,
) -> None:
    """The connections of these workers break; they connect again when they can.

    `perhaps`: nobody can tell what the broker forgets. `network`: the broker lives, and cannot be reached.
    """
    workers = tuple(workers)
    situation = draft.situation
    # They poll again themselves, and look at their own start of polling.
    draft.restoring = restoring(situation, workers, restarted=tuple(one.name for one in workers))
    loss = Loss(broker, situation.results, network)
    for worker in workers:
        reach = reached(draft, worker)
        runs, waits = laws_of(worker.pool, situation.settings, loss)
        if perhaps:
            runs, waits = _perhaps(runs), _perhaps(waits)
            held(draft, (Fate.MAYBE_BACK, waits[1]), reach)
        draft.becomes(runs, "running", reach.running)
        held(draft, waits, reach)
        if reach.takes:
            on_its_way(draft)


def _perhaps(law: Law) -> Law:
    return _PERHAPS.get(law[0], law[0]), law[1]


def _waiting(draft: Draft) -> Count:
    """How many wait in the broker when it lands: what workers take and workloads send meanwhile moves it."""
    situation = draft.situation
    count, come = situation.all_waiting, situation.arrivals
    if not count and not come:
        return exactly(0)
    # Depths are older than what is known of workers: more may have been taken since.
    taken = sum(2 * situation.moves(one) + _room(one) for one in situation.alive if one.consumes)
    if taken or come:
        draft.because("Messages come and go while you read this: the numbers are ranges.")
    return Count(max(0, count - taken), count + come)


def _room(worker: WorkerSituation) -> int:
    """How much more it will take at once: it runs less than it could."""
    free = max(0, worker.size - worker.runs)
    return free * 5 if free else 0


def _flush(draft: Draft) -> None:
    law = (Fate.GONE, rules.FLUSHED)
    _forget(draft, law)
    for worker in draft.situation.alive:
        _untouched(draft, reached(draft, worker), rules.FLUSHED)
    draft.rule(rules.FLUSHED)


def _untouched(draft: Draft, reach: Reach, rule: str) -> None:
    draft.becomes((Fate.FINISHES, rule), "running", reach.running)
    held(draft, (Fate.FINISHES, rule), reach)


def _fill(draft: Draft) -> None:
    """Only who takes a message is hit: where none waits, nobody does."""
    situation = draft.situation
    draft.restoring = restoring(situation, (), restarted=tuple(one.name for one in situation.alive))
    takers = 0
    for worker in situation.alive:
        reach = reached(draft, worker)
        waiting = sum(situation.waiting.get(queue, 0) for queue in worker.queues)
        if not worker.consumes or not (waiting or situation.arrivals):
            _untouched(draft, reach, rules.FILL_IDLE[1])
            continue
        takers += 1
        draft.rule(rules.FILL_HELD)
        draft.quietly((Fate.MAYBE_BACK, rules.FILL_HELD), "reserved", Count(0, reach.held.most))
        draft.quietly((Fate.MAYBE_AGAIN, rules.FILL_HELD), "running", _all_of(reach))
        if situation.results:
            draft.quietly((Fate.MAYBE_FAILS, rules.FILL_HELD), "running", _all_of(reach))
        who = amounts(Count(), reach.reserved, reach.scheduled)
        rest = f": its {who} come back, and some may run twice." if who else "."
        draft.note(f"{worker.name} ends with code 1 when it takes a message{rest}")
    lost = min(takers, situation.all_waiting + situation.arrivals)
    draft.becomes((Fate.MAYBE_LOST, rules.FILL_TAKEN[1]), "waiting", Count(0, lost))
    if lost:
        draft.because("Each worker that takes a message meanwhile loses it: it cannot be noted down.")


def _all_of(reach: Reach) -> Count:
    return Count(0, reach.running.most + reach.held.most)


def stand_still(draft: Draft, workers: Iterable[WorkerSituation], spec: FaultSpec, rule: str) -> None:
    """Nothing passes between them and the broker for a while; acknowledgements wait as long."""
    seconds, settings = seconds_of(spec), draft.situation.settings
    draft.rule(rule)
    for worker in workers:
        reach = reached(draft, worker)
        touched = worker.held > 0 or (settings.late and worker.runs > 0)
        if not touched or (seconds is not None and seconds + draft.situation.age(worker) < settings.timeout):
            _untouched(draft, reach, rule)
            continue
        law = (Fate.MAYBE_AGAIN, rule)
        draft.quietly(law if settings.late else (Fate.FINISHES, rule), "running", reach.running)
        draft.quietly(law, "reserved", reach.held)
        running = reach.running if settings.late else Count()
        if who := amounts(running, reach.reserved, reach.scheduled):
            timeout = timeout_text(settings.timeout)
            draft.because(
                f"After {timeout} (visibility timeout) {who} may be delivered again, and run twice."
            )
