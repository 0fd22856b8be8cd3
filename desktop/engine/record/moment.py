"""Where all messages were at the last moment of a run, as its `meta` keeps it for whoever opens the run.

The tasks themselves say where each of them was; what only the broker knew is kept here: whether the sum was
exact, priorities, which messages were copies, and when what is stranded would have come back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Any

from desktop.engine.api import Balance, Held
from desktop.engine.record.told import QueueTold, Told

MOMENT = "moment"  # the key of `meta`
_HELD = tuple(field.name for field in fields(Held))
_NUMBER = (int, float)


def kept(told: Told) -> dict[str, Any]:
    """As JSON can hold it; equal for two moments between which no message moved."""
    queues = {name: _of_queue(queue) for name, queue in told.queues.items() if queue.held or queue.seen}
    return {"balance": asdict(told.balance) if told.balance is not None else None, "queues": queues}


def after(told: Told, before: Any) -> dict[str, Any]:
    """As `kept`, once the broker is looked at no more: what was seen of it `before` still holds."""
    earlier = queues_of(before)
    queues = {name: _as_seen(queue, earlier.get(name)) for name, queue in told.queues.items()}
    last = kept(replace(told, queues=queues))
    if told.balance is None or not told.balance.exact:
        last["balance"] = before.get("balance") if isinstance(before, Mapping) else None
    return last


def _as_seen(queue: QueueTold, before: QueueTold | None) -> QueueTold:
    if before is None or queue.seen is not None:
        return queue
    return replace(queue, seen=before.seen, oldest_since=before.oldest_since)


def balance_of(moment: Any) -> Balance | None:
    """The sum that was kept; None where there is none, or none that makes sense: it may come from anybody."""
    said = moment.get("balance") if isinstance(moment, Mapping) else None
    if not isinstance(said, Mapping):
        return None
    known: dict[str, Any] = {field.name: said.get(field.name) for field in fields(Balance)}
    return Balance(**known) if all(isinstance(value, int) for value in known.values()) else None


def queues_of(moment: Any) -> Mapping[str, QueueTold]:
    """The queues that were kept, but for what makes no sense."""
    said = moment.get("queues") if isinstance(moment, Mapping) else None
    found = {}
    for name, queue in said.items() if isinstance(said, Mapping) else ():
        try:
            found[name] = _queue(name, queue)
        except (AttributeError, KeyError, TypeError, ValueError):
            continue
    return found


def _of_queue(queue: QueueTold) -> dict[str, Any]:
    waiting, by_priority = queue.seen or (queue.waiting, {})
    return {
        "waiting": waiting,
        "by_priority": {str(priority): count for priority, count in by_priority.items() if count},
        "oldest_since": queue.oldest_since if waiting else None,
        "held": [[getattr(held, name) for name in _HELD] for held in queue.held],
    }


def _queue(name: str, said: Mapping[str, Any]) -> QueueTold:
    by_priority = {int(priority): int(count) for priority, count in said["by_priority"].items()}
    oldest = said["oldest_since"]
    return QueueTold(
        name,
        waiting=int(said["waiting"]),
        held=tuple(_held(*one) for one in said["held"]),
        oldest_since=float(oldest) if oldest is not None else None,
        seen=(int(said["waiting"]), by_priority),
    )


def _held(worker: Any, *figures: Any) -> Held:
    counts, backs = figures[:4], figures[4:]
    wrong = not isinstance(worker, str) or len(figures) != len(_HELD) - 1
    if wrong or not all(isinstance(one, int) for one in counts):
        raise ValueError("no place of a message")
    if not all(one is None or isinstance(one, _NUMBER) for one in backs):
        raise ValueError("no time")
    return Held(worker, *figures)
