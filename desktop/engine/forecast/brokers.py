"""Forecasts of what is done to the broker: every task that is not over is within reach."""

from __future__ import annotations

from desktop.engine.api import Count, FaultKind, FaultSpec
from desktop.engine.faults.catalog import seconds_of
from desktop.engine.forecast import rules
from desktop.engine.forecast.draft import Draft, exactly
from desktop.engine.forecast.reach import Reach
from desktop.engine.forecast.restoring import restoring
from desktop.engine.forecast.rules import Fate, Law
from desktop.engine.forecast.workers import held, reached
from desktop.engine.stack.model import Persistence


def broker_fault(draft: Draft, spec: FaultSpec) -> None:
    """Any kind that aims at the broker."""
    match spec.kind:
        case FaultKind.KILL_BROKER | FaultKind.STOP_BROKER:
            _restart(draft, spec)
        case FaultKind.CUT_CLIENTS:
            connection_lost(draft, [one.name for one in draft.situation.alive])
        case FaultKind.FLUSH_BROKER:
            _flush(draft)
        case FaultKind.FILL_BROKER:
            _fill(draft)
        case _:
            _freeze(draft, spec)


def _restart(draft: Draft, spec: FaultSpec) -> None:
    """Down for a while. What it has written to its disk decides."""
    situation = draft.situation
    persistence = situation.persistence
    keeps = persistence is Persistence.APPEND_ONLY or (
        persistence is Persistence.SNAPSHOT and spec.kind is FaultKind.STOP_BROKER
    )
    draft.restoring = restoring(situation, ())
    waiting = _waiting(draft)
    if keeps:
        draft.rule(rules.BROKER_KEEPS)
        draft.becomes((Fate.FINISHES, rules.BROKER_KEEPS), "waiting", waiting)
    elif persistence is Persistence.SNAPSHOT:
        draft.becomes((Fate.MAYBE_GONE, rules.BROKER_SNAPSHOT), "waiting", waiting)
        draft.because("What came and went since the broker's last save cannot be told.")
    else:
        draft.becomes((Fate.GONE, rules.BROKER_WAITING_GONE), "waiting", waiting)
    stranded = exactly(situation.stranded)
    if not keeps:
        gone = Fate.GONE if persistence is Persistence.NONE else Fate.MAYBE_GONE
        draft.becomes((gone, rules.BROKER_WAITING_GONE), "stranded", stranded)
    for worker in situation.alive:
        reach = reached(draft, worker)
        table = rules.BROKER_KEPT if keeps else rules.BROKER_LOST
        runs, waits = table[worker.pool][situation.settings.late]
        if persistence is Persistence.SNAPSHOT and not keeps:
            runs, waits = _perhaps(runs), _perhaps(waits)
        _put(draft, reach, runs, waits)
    if seconds_of(spec) is None:
        draft.because("It stays down until it is undone by hand: nothing goes on before.")


def _perhaps(law: Law) -> Law:
    fates = {Fate.GONE: Fate.MAYBE_GONE, Fate.TWICE_LATER: Fate.MAYBE_AGAIN, Fate.BACK_LATER: Fate.MAYBE_BACK}
    return fates.get(law[0], law[0]), law[1]


def connection_lost(draft: Draft, names: list[str]) -> None:
    """The connections of these workers break while the broker lives; they connect again."""
    situation = draft.situation
    draft.restoring = restoring(situation, ())
    for name in names:
        worker = situation.worker(name)
        if worker is None:
            continue
        reach = reached(draft, worker)
        runs, waits = rules.DISCONNECTED[worker.pool][situation.settings.late]
        _put(draft, reach, runs, waits)


def _put(draft: Draft, reach: Reach, runs: Law, waits: Law) -> None:
    draft.becomes(runs, "running", reach.running)
    held(draft, waits, reach)


def _waiting(draft: Draft) -> Count:
    """How many wait in the broker when it lands: what workers take and workloads send meanwhile moves it."""
    situation = draft.situation
    count = situation.all_waiting
    taken = sum(one.moves for one in situation.alive)
    come = situation.arrivals
    if not count and not come:
        return exactly(0)
    if taken or come:
        draft.because("Messages come and go while you read this: the numbers are ranges.")
    return Count(max(0, count - taken), count + come)


def _flush(draft: Draft) -> None:
    draft.becomes((Fate.GONE, rules.FLUSHED), "waiting", _waiting(draft))
    draft.becomes((Fate.GONE, rules.FLUSHED), "stranded", exactly(draft.situation.stranded))
    for worker in draft.situation.alive:
        reach = reached(draft, worker)
        _put(draft, reach, (Fate.FINISHES, rules.FLUSHED), (Fate.FINISHES, rules.FLUSHED))


def _fill(draft: Draft) -> None:
    for worker in draft.situation.alive:
        reach = reached(draft, worker)
        runs, waits = rules.FILLED[worker.pool][draft.situation.settings.late]
        _put(draft, reach, runs, waits)
    waiting = _waiting(draft)
    draft.becomes((Fate.MAYBE_LOST, rules.FILLED_WAITING), "waiting", waiting)
    if waiting.most:
        draft.because("A worker that takes a message and cannot note it down may lose it.")


def _freeze(draft: Draft, spec: FaultSpec) -> None:
    """It stands still: nothing is lost, and what ends meanwhile is acknowledged afterwards."""
    seconds, settings = seconds_of(spec), draft.situation.settings
    for worker in draft.situation.alive:
        reach = reached(draft, worker)
        law = (Fate.FINISHES, rules.BROKER_FROZEN)
        if seconds is None or seconds > settings.timeout:
            law = (Fate.MAYBE_AGAIN, rules.BROKER_FROZEN)
            draft.because(
                "It stands still for longer than the visibility timeout: the first worker that polls "
                "afterwards may give back what others hold."
            )
        _put(draft, reach, law if settings.late else (Fate.FINISHES, rules.BROKER_FROZEN), law)
    draft.rule(rules.BROKER_FROZEN)
