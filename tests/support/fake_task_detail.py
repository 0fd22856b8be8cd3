"""A made-up task in full: its attempts, deliveries, texts and relatives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from desktop.engine.api import AttemptRow, Delivery, Relative, TaskDetail, TaskState
from tests.support.fake_tasks import AWAY, TREE, WORKERS

if TYPE_CHECKING:
    from tests.support.fake_record import FakeRecord


def detail_of(record: FakeRecord, number: int) -> TaskDetail:
    """Everything about the task of a number, as it stands now."""
    row = record.row(number)
    made = {key: column[number - 1] for key, column in record.made.columns(number).items()}
    name, eta = int(made["name"]), float(made["eta"])
    root, parent, children = _tree(record, number)
    return TaskDetail(
        row=row,
        args=record.texts.args(name, number),
        kwargs=record.texts.kwargs(name, number),
        eta=None if math.isnan(eta) else eta,
        attempts=tuple(_attempt(record, number, k) for k in range(row.attempts)),
        deliveries=_deliveries(record, number),
        root=root,
        parent=parent,
        children=children,
        load=1 + number % 2,
        back_at=record.moment().now + AWAY if row.state is TaskState.STRANDED else None,
    )


def _attempt(record: FakeRecord, number: int, k: int) -> AttemptRow:
    row = record.row(number)
    made = {key: column[number - 1] for key, column in record.made.columns(number).items()}
    name, now = int(made["name"]), record.moment().now
    started, last = float(made["first"] + k * made["gap"]), k == int(made["attempts"]) - 1
    cut = bool(made["twice"]) and k == 0
    ended = started + float(made["run"] if last else made["held"])
    worker = "w2" if cut else WORKERS[made["worker"]]
    received = record.moment().received[number - 1] if k == 0 else _redelivered(made, k)
    held = AttemptRow(
        worker, 1 + k, 41_000 + 100 * int(made["worker"]) + number % 4, started, float(received)
    )
    if ended > now:
        return held
    state = "CUT" if cut or row.state is TaskState.LOST else "RETRY" if not last else row.state.value
    error = record.texts.error(row.state, name, number) if last else ""
    error = "Unlucky: 0.07 < 0.3" if state == "RETRY" else error
    return AttemptRow(
        held.worker,
        held.start,
        held.pid,
        started,
        held.received,
        ended,
        state,
        0 if made["twice"] else k,
        None if state == "CUT" else ended - started,
        None if state == "CUT" else (ended - started) * 0.8,
        error,
        record.texts.traceback(name, number, error) if state != "CUT" else "",
        record.texts.result(name, number) if state == "SUCCESS" else "",
        requeued=state == "RETRY",
    )


def _redelivered(made: Mapping[str, Any], k: int) -> float:
    """When the message of a later attempt came: of a retry at once, with an ETA; else just before it ran."""
    begun = float(made["first"] + k * made["gap"])
    return begun - 0.01 if made["twice"] else begun - float(made["gap"] - made["held"]) + 0.02


def _deliveries(record: FakeRecord, number: int) -> tuple[Delivery, ...]:
    row = record.row(number)
    made = {key: column[number - 1] for key, column in record.made.columns(number).items()}
    if row.received is None:
        return ()
    first = "w2" if made["twice"] or row.state is TaskState.STRANDED else WORKERS[made["worker"]]
    found = [Delivery(row.received, first, 1, eta=None if math.isnan(made["eta"]) else float(made["eta"]))]
    for k in range(1, row.attempts):
        begun, again = float(made["first"] + k * made["gap"]), bool(made["twice"])
        worker, t = WORKERS[made["worker"]], _redelivered(made, k)
        found.append(Delivery(t, worker, 1 + k, again, 0 if again else k, None if again else begun - 0.01))
    return tuple(found)


def _relative(record: FakeRecord, number: int) -> Relative:
    row = record.row(number)
    return Relative(row.id, row.name, row.state, number)


def _tree(record: FakeRecord, number: int) -> tuple[Relative | None, Relative | None, tuple[Relative, ...]]:
    """Of every forty tasks three are a chain and five a group under a parent."""
    place, base = number % TREE, number - number % TREE
    most = record.moment().count

    def of(*numbers: int) -> tuple[Relative, ...]:
        return tuple(_relative(record, n) for n in numbers if 0 < n <= most)

    if base == 0 or place not in (0, 1, 2, 10, 11, 12, 13, 14):
        return None, None, ()
    if place <= 2:
        above = of(base + place - 1)[0] if place else None
        return of(base)[0], above, of(base + place + 1) if place < 2 else ()
    head = of(base + 10)[0]
    return (head, None, of(*range(base + 11, base + 15))) if place == 10 else (head, head, ())
