"""The outcome of a fault: what became of the tasks that were within its reach when it landed."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from desktop.engine.api import FaultKind, FaultRecord, Forecast, Outcome, Record
from desktop.engine.supervise.outcome import plural
from desktop.engine.verdict.reading import ask

if TYPE_CHECKING:
    from desktop.engine.ledger.records import Task
    from desktop.engine.record.reading.jobs import Hand
    from desktop.engine.record.reading.questions import Reading
    from desktop.engine.verdict.blame import Harm

_WORDS = {
    "lost": ("was lost", "were lost"),
    "failed": ("failed", "failed"),
    "again": ("started once more", "started once more"),
    "back": ("was delivered again", "were delivered again"),
}


def outcome_of(
    record: Record, fault: FaultRecord, others: Sequence[FaultRecord] | None = None
) -> Outcome | None:
    """What a fault did, from the record alone; None for one that did not land. For a thread that may wait.

    `others`: the faults of the same run (None: those that its folder tells of), so that what a later one did
    is not counted. Raises DeskError where the record cannot be read.
    """
    known = record.faults() if others is None else others
    judged = outcomes_of(record, [fault, *(one for one in known if one.id != fault.id)])
    return next(one.outcome for one in judged if one.id == fault.id)


def outcomes_of(record: Record, faults: Iterable[FaultRecord]) -> tuple[FaultRecord, ...]:
    """The same faults, each with its outcome; those that did not land are left as they are.

    Rolling kills are what their kills are, each of which is a fault of its own.
    """
    faults = tuple(faults)
    landed = sorted((one for one in faults if one.landed_at is not None), key=_landed_at)
    single = [one for one in landed if one.spec.kind is not FaultKind.ROLLING]
    if not landed:
        return faults
    found = dict(ask(record, lambda reading, hand: _outcomes(reading, hand, single))) if single else {}
    for one in landed:
        if one.spec.kind is FaultKind.ROLLING:
            kills = [found[kill.id] for kill in single if _is_kill_of(one, kill)]
            found[one.id] = _together(one, kills)
    return tuple(
        dataclasses.replace(one, outcome=found[one.id]) if one.id in found else one for one in faults
    )


def _is_kill_of(rolling: FaultRecord, kill: FaultRecord) -> bool:
    """The clock keeps the processes that its kills hit."""
    return (
        kill.spec.kind is FaultKind.KILL_WORKER
        and _landed_at(kill) >= _landed_at(rolling)
        and bool(kill.pids)
        and set(kill.pids) <= set(rolling.pids)
    )


def _together(fault: FaultRecord, parts: Sequence[Outcome]) -> Outcome:
    """Each task once, as the worst that befell it."""
    taken: set[str] = set()
    ids: dict[str, tuple[str, ...]] = {}
    for name in _WORDS:
        fresh = dict.fromkeys(task for part in parts for task in getattr(part, name) if task not in taken)
        taken.update(fresh)
        ids[name] = tuple(fresh)
    found = Outcome(
        settled=all(part.settled for part in parts),
        first_back=min((part.first_back for part in parts if part.first_back is not None), default=None),
        still=max((part.still for part in parts), default=0),
        **ids,
    )
    return dataclasses.replace(found, differs=differences(fault.forecast, found))


def _landed_at(fault: FaultRecord) -> float:
    return fault.landed_at or 0.0


def _outcomes(reading: Reading, hand: Hand, faults: Sequence[FaultRecord]) -> Mapping[int, Outcome]:
    from desktop.engine.verdict.blame import harms
    from desktop.engine.verdict.reach import Reach, grips_of, reached

    reaches = [Reach.of(fault) for fault in faults]
    some = reached(reading, hand, reaches)
    done: dict[int, list[tuple[Task, list[Harm]]]] = defaultdict(list)
    still = defaultdict(int, some.waiting)
    for number, task in enumerate(some.tasks):
        if not number % 1000:
            hand.check()
        grips = grips_of(task, reaches, some.deaths)
        if not grips:
            continue
        by_fault: dict[int, list[Harm]] = defaultdict(list)
        for harm in harms(task, grips):
            by_fault[harm.fault].append(harm)
        for fault, some_harms in by_fault.items():
            done[fault].append((task, some_harms))
        if not task.over:
            for fault in {grip.reach.fault.id for grip in grips}:
                still[fault] += 1
    return {
        fault.id: _outcome(fault, done[fault.id], some.gone.get(fault.id, ()), still[fault.id])
        for fault in faults
    }


def _outcome(
    fault: FaultRecord, done: Sequence[tuple[Task, list[Harm]]], gone: Sequence[str], still: int
) -> Outcome:
    """Each task counts once: as the worst that befell it. `gone` are lost too."""
    ids: dict[str, list[str]] = {name: [] for name in _WORDS}
    ids["lost"] += gone
    back_at: list[float] = []
    for task, some in done:
        worst = next(name for name in _WORDS if any(harm.what == name for harm in some))
        ids[worst].append(task.id)
        back_at += [harm.t for harm in some if harm.t is not None]
    found = Outcome(
        settled=not still,
        lost=tuple(ids["lost"]),
        failed=tuple(ids["failed"]),
        again=tuple(ids["again"]),
        back=tuple(ids["back"]),
        first_back=min(back_at) - _landed_at(fault) if back_at else None,
        still=still,
    )
    return dataclasses.replace(found, differs=differences(fault.forecast, found))


def differences(said: Forecast | None, found: Outcome) -> tuple[str, ...]:
    """A sentence for each count that is not what the forecast said; none where it said that it cannot tell.

    Of tasks that are not over yet nothing is said: a count that they may still fill is none that differs.
    """
    if said is None or not said.sure:
        return ()
    sentences = []
    for name, (one, several) in _WORDS.items():
        count, number = getattr(said, name), len(getattr(found, name))
        if number > count.most or number + found.still < count.least:
            words = one if number == 1 else several
            expected = f"{count.least:,}" if count.exact else f"{count.least:,} to {count.most:,}"
            tasks = plural(number, "task") if number else "No task"
            sentences.append(f"{tasks} {words if number else one}; the forecast said {expected}.")
    return tuple(sentences)
