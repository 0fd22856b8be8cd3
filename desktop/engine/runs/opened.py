"""A finished run that is shown instead of a stack: everything of its last moment, and its whole record."""

from __future__ import annotations

import contextlib
import math
import threading
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from desktop.engine import snapshots
from desktop.engine.api import (
    Balance,
    DeskError,
    Facets,
    Leftover,
    LogLine,
    Outcome,
    QueueSnapshot,
    Record,
    Series,
    StackSnapshot,
    TaskFilter,
    TaskQuery,
    TaskState,
    Totals,
)
from desktop.engine.ledger.records import CUT
from desktop.engine.ledger.tally import Tally
from desktop.engine.record import moment, schema
from desktop.engine.record.told import QueueTold
from desktop.engine.runs.catalog import info_of, read_meta
from desktop.engine.runs.folders import DATABASE, STACK
from desktop.engine.runs.logs import RecordedLogs
from desktop.engine.stack.model import Pool, StackSpec, WorkerSpec
from desktop.engine.stack.parse import parse_stack

_LAST = 900.0  # seconds at the end that the small graphs show
_BEAT = 0.5  # seconds between two points of them
_MARKS = 1000
_MOST_QUEUES = 50
_ENDED = "It ran while this was recorded."
_HELD = ("reserved", "active", "scheduled", "stranded")
_PATIENCE = 60.0  # seconds for what a small answer of the record may take


class OpenedRun:
    """Reads a run folder, read only. `close` lets go of it."""

    def __init__(self, folder: Path, record: Record) -> None:
        """Takes the record over, and closes it also where it cannot be read: then it raises DeskError."""
        self.folder, self.record = folder, record
        self.info = info_of(folder)
        self._graphs: Mapping[str, Series] = {}
        try:
            shown = _moment(folder, record, record.facets().result(_PATIENCE))
            self._snapshot = replace(shown, faults=record.faults())
        except BaseException:
            record.close()
            raise
        self.logs = RecordedLogs(folder / "logs")
        threading.Thread(target=self._read_graphs, name="run-graphs", daemon=True).start()

    def snapshot(self, leftovers: Sequence[Leftover]) -> StackSnapshot:
        """Its last moment; the same at every call."""
        if self._snapshot.leftovers != tuple(leftovers):
            self._snapshot = replace(self._snapshot, leftovers=tuple(leftovers))
        return self._snapshot

    def judge(self, outcomes: Mapping[int, Outcome]) -> None:
        """Show what became of the tasks in reach of these faults; nothing is written."""
        faults = self._snapshot.faults
        judged = tuple(replace(one, outcome=outcomes.get(one.id, one.outcome)) for one in faults)
        self._snapshot = replace(self._snapshot, faults=judged)

    def series(self, name: str, seconds: float) -> Series:
        """The last `seconds` before its end, as far as they were read already."""
        whole = self._graphs.get(name)
        if whole is None:
            return Series(array("d"), array("d"))
        first = self._snapshot.t - seconds
        start = next((at for at, t in enumerate(whole.t) if t >= first), len(whole.t))
        return Series(whole.t[start:], whole.v[start:])

    def _read_graphs(self) -> None:
        """Not before the run is shown: a graph may come a moment later."""
        end = self._snapshot.t
        buckets = round(_LAST / _BEAT)
        with contextlib.suppress(Exception):  # it was closed, or has no samples: then there are no graphs
            bands = self.record.series(self.record.series_names(), end - _LAST, end, buckets).result(
                _PATIENCE
            )
            self._graphs = {name: _points(band.t, band.last) for name, band in bands.items()}

    def log_lines(self, after: int, limit: int) -> Sequence[LogLine]:
        """As `Desk.log_lines`."""
        return self.logs.lines(after, limit)

    def close(self) -> None:
        """Let go of its files."""
        self.logs.close()
        self.record.close()


def _points(t: array[float], values: array[float]) -> Series:
    """Buckets without a sample are left out: a run that was sampled less often has no holes between them."""
    kept = [at for at, value in enumerate(values) if not math.isnan(value)]
    return Series(array("d", (t[at] for at in kept)), array("d", (values[at] for at in kept)))


def _moment(folder: Path, record: Record, facets: Facets) -> StackSnapshot:
    began, ended = record.span()
    spec, why = read_spec(folder)
    counted = Counted.of(folder, facets)
    known = record.settings()
    foreign = bool(known.get("attached"))
    if foreign:
        spec = replace(spec, name=str(known["attached"]), workers=_watched(known.get("workers")))
    stopped = snapshots.of_stopped(spec, False, ())
    workers = tuple(
        replace(worker, service=replace(worker.service, detail=_ENDED), done=counted.done.get(worker.name, 0))
        for worker in stopped.workers
    )
    if foreign:  # nobody knows how they were started
        workers = tuple(replace(worker, command="") for worker in workers)
    return replace(
        stopped,
        t=ended,
        started_at=began,
        workers=workers,
        queues=_queues(spec, record, facets, counted),
        balance=counted.balance,
        totals=counted.totals,
        marks=tuple(record.marks()[-_MARKS:]),
        run_folder=folder,
        recorded=folder,
        gaps=(*_gaps(known), *([why] if why else [])),
    )


def _gaps(known: Mapping[str, Any]) -> list[str]:
    said = known.get("gaps", ())
    return [str(gap) for gap in said] if isinstance(said, (list, tuple)) else []


def _watched(told: Any) -> tuple[WorkerSpec, ...]:
    """The workers of a stack that somebody else started, as they answered."""
    found = []
    with contextlib.suppress(TypeError, ValueError):  # written by another version
        for name, pool, queues in told or ():
            found.append(WorkerSpec(str(name), Pool(pool), queues=tuple(map(str, queues))))
    return tuple(found)


def read_spec(folder: Path) -> tuple[StackSpec, str]:
    """The stack as it was run, and why it cannot be told where this version does not understand its file."""
    name = info_of(folder).stack
    try:
        return parse_stack((folder / STACK).read_text(encoding="utf-8")), ""
    except DeskError as error:
        first = str(error).splitlines()[0]
        return StackSpec(name=name), f"The stack file of this run is not understood here: {first}"
    except (OSError, ValueError):
        return StackSpec(name=name), "The stack file of this run is missing: its workers are not known."


def _queues(spec: StackSpec, record: Record, facets: Facets, counted: Counted) -> tuple[QueueSnapshot, ...]:
    """Where the messages were at the end. The broker itself may have forgotten them since."""
    used = [name for name, _ in facets.queues if name]
    used += [name for name in counted.queues if name not in used]
    there = [state for state, count in facets.states if count and not state.over]
    found = []
    for name in snapshots.queue_names(spec, used):
        states = there if name in used[:_MOST_QUEUES] else ()
        asked = {state: record.tasks(_of(name, state), 0, 1) for state in states}
        count = {state: future.result(_PATIENCE).matching for state, future in asked.items()}
        shown = QueueSnapshot(
            name,
            waiting=count.get(TaskState.WAITING, 0),
            reserved=count.get(TaskState.RESERVED, 0),
            active=count.get(TaskState.ACTIVE, 0),
            scheduled=count.get(TaskState.SCHEDULED, 0),
            stranded=count.get(TaskState.STRANDED, 0),
        )
        kept = counted.queues.get(name)
        found.append(_with_places(shown, kept, counted.balance.exact) if kept is not None else shown)
    return tuple(found)


def _with_places(shown: QueueSnapshot, kept: QueueTold, exact: bool) -> QueueSnapshot:
    """What only the recorder knew beside the record: it died, perhaps, before the last of the tasks moved."""
    waiting, by_priority = kept.seen or (kept.waiting, {})
    if exact or waiting == shown.waiting:
        shown = replace(shown, waiting=waiting, by_priority=by_priority, oldest_since=kept.oldest_since)
    sums = [sum(getattr(held, place) for held in kept.held) for place in _HELD]
    fits = sums == [getattr(shown, place) for place in _HELD]
    return replace(shown, held=kept.held) if fits else shown


def _of(queue: str, state: TaskState) -> TaskQuery:
    return TaskQuery(TaskFilter(states=frozenset({state}), queues=frozenset({queue})))


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted over the whole run."""

    totals: Totals
    done: Mapping[str, int]  # attempts that ended, by worker
    balance: Balance
    queues: Mapping[str, QueueTold]  # as they were in the last moment that the recorder told of

    @classmethod
    def of(cls, folder: Path, facets: Facets) -> Counted:
        """As the recorder counted; where that is not known, by the states of the tasks."""
        with contextlib.closing(schema.open_to_read(folder / DATABASE)) as connection:
            meta = read_meta(connection)
        kept = meta.get(moment.MOMENT)
        where = _balance(moment.balance_of(kept), facets), moment.queues_of(kept)
        try:
            account = meta["account"]
            tally = Tally()
            tally.restore(account["tally"])
            sent = sum(int(load[0]) for load in account["loads"].values())
            return cls(_of_tally(tally, sent), tally.done, *where)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            return cls(_of_states(facets), dict(facets.workers), *where)


def _balance(kept: Balance | None, facets: Facets) -> Balance:
    """The last sum, where it was exact and is that of these tasks; else where the tasks themselves say."""
    count = dict(facets.states)
    told = Balance(
        submitted=sum(count.values()),
        waiting=count.get(TaskState.WAITING, 0),
        reserved=count.get(TaskState.RESERVED, 0),
        active=count.get(TaskState.ACTIVE, 0),
        scheduled=count.get(TaskState.SCHEDULED, 0),
        stranded=count.get(TaskState.STRANDED, 0),
        ended=sum(number for state, number in count.items() if state.over),
        lost=count.get(TaskState.LOST, 0),
        exact=False,
    )
    if kept is None or not kept.exact:
        return told
    same = ("submitted", "reserved", "active", "scheduled", "ended", "lost")
    return kept if all(getattr(kept, one) == getattr(told, one) for one in same) else told


def _of_tally(tally: Tally, sent: int) -> Totals:
    ends = tally.by_state
    return Totals(
        submitted=sent,
        received=tally.received,
        started=tally.started,
        succeeded=ends["SUCCESS"],
        failed=ends["FAILURE"],
        retried=ends["RETRY"],
        revoked=ends["REVOKED"],
        cut=ends[CUT],
        ran_twice=tally.twice,
    )


def _of_states(facets: Facets) -> Totals:
    count = dict(facets.states)
    known = sum(count.values())
    return Totals(
        submitted=known,
        received=known - count.get(TaskState.WAITING, 0),
        succeeded=count.get(TaskState.SUCCESS, 0),
        failed=count.get(TaskState.FAILURE, 0),
        revoked=count.get(TaskState.REVOKED, 0),
        cut=count.get(TaskState.LOST, 0),
        ran_twice=facets.ran_twice,
    )
