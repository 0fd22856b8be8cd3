"""Putting stranded messages back into their queues, as kombu does after the visibility timeout.

kombu's own way is `QoS.restore_by_tag` and `Channel._do_restore_message` (kombu.transport.redis). Done here
with three differences: only a delivery that is still the very one that was found stranded is touched; a
message whose queue is bound no more stays where it is (kombu would drop it); and what was moved is counted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from desktop.engine.messages import envelope
from desktop.engine.messages.bindings import Bindings
from desktop.engine.messages.keys import Keys
from desktop.engine.messages.stranded import Stranded

if TYPE_CHECKING:
    from redis import Redis
    from redis.client import Pipeline

_BATCH = 100  # messages of one transaction; halved each time that somebody else comes in between
_ASKED = 500


@dataclass(slots=True)
class Restored:
    """What became of the messages that were to be restored."""

    moved: dict[str, list[str]] = field(default_factory=dict)  # queue → ids
    gone: int = 0  # acknowledged or restored by somebody else meanwhile
    unbound: int = 0  # left alone: nothing is bound to their exchange, so no queue would get them

    @property
    def count(self) -> int:
        """Messages that are back in their queues."""
        return sum(map(len, self.moved.values()))


class _Found(NamedTuple):
    tag: bytes
    stranded: Stranded


def restore(client: Redis, keys: Keys, stranded: Iterable[Stranded]) -> Restored:
    """Put these deliveries back, to the end that workers take from, marked as redelivered.

    Never one that was acknowledged, restored or delivered again meanwhile: that is looked at inside each
    transaction. Where the connection breaks redis' error is raised; what was done stays done.
    """
    # What is pushed last is taken first: so the one that was delivered first comes last.
    wanted = sorted(set(stranded), key=lambda one: one.delivered_at, reverse=True)
    restored = Restored()
    found = _tags(client, keys, wanted)
    restored.gone = len(wanted) - len(found)
    bindings = Bindings(keys.sep)
    size, at = _BATCH, 0
    while at < len(found):
        batch = found[at : at + size]
        if _move(client, keys, bindings, batch, restored):
            at += len(batch)
        else:
            size = max(1, size // 2)
    return restored


def _tags(client: Redis, keys: Keys, wanted: Sequence[Stranded]) -> list[_Found]:
    """The delivery tags, by the moments of the deliveries: a tag is the same for each delivery."""
    found: list[_Found] = []
    for start in range(0, len(wanted), _ASKED):
        piece = wanted[start : start + _ASKED]
        with client.pipeline(transaction=False) as pipe:
            for one in piece:
                pipe.zrangebyscore(keys.unacked_index, repr(one.delivered_at), repr(one.delivered_at))
            replies = pipe.execute()
        pairs = [_Found(tag, one) for one, tags in zip(piece, replies, strict=True) for tag in tags]
        entries = client.hmget(keys.unacked, [pair.tag for pair in pairs]) if pairs else []
        found.extend(pair for pair, raw in zip(pairs, entries, strict=True) if _is(raw, pair.stranded))
    return found


def _is(raw: Any, stranded: Stranded) -> bool:
    entry = envelope.unacked(raw)
    return entry is not None and envelope.task_id(entry.message) == stranded.task_id


def _move(client: Redis, keys: Keys, bindings: Bindings, batch: Sequence[_Found], restored: Restored) -> bool:
    """Move a batch in one transaction; False when somebody else touched what it rests on."""
    from redis.exceptions import WatchError

    moved: list[tuple[str, str]] = []
    gone = unbound = 0
    with client.pipeline(transaction=True) as pipe:
        pipe.watch(keys.unacked, keys.unacked_index)  # type: ignore[no-untyped-call]
        # Watched, these are answered at once.
        raws: Any = pipe.hmget(keys.unacked, [found.tag for found in batch])
        scores = _scores(pipe, keys, [found.tag for found in batch])
        pushes: list[tuple[bytes, list[str], str]] = []
        for found, raw, score in zip(batch, raws, scores, strict=True):
            if score != found.stranded.delivered_at or not _is(raw, found.stranded):
                gone += 1
                continue
            lists, payload = _again(pipe, keys, bindings, raw)
            if not lists:
                unbound += 1
                continue
            pushes.append((found.tag, lists, payload))
            moved.append((found.stranded.queue, found.stranded.task_id))
        pipe.multi()
        for tag, lists, payload in pushes:
            pipe.zrem(keys.unacked_index, tag)
            pipe.hdel(keys.unacked, tag)
            for key in lists:
                pipe.rpush(key, payload)
        try:
            pipe.execute()
        except WatchError:
            return False
    for queue, task_id in moved:
        restored.moved.setdefault(queue, []).append(task_id)
    restored.gone += gone
    restored.unbound += unbound
    return True


def _scores(pipe: Pipeline, keys: Keys, tags: list[Any]) -> Sequence[float | None]:
    from redis.exceptions import ResponseError

    try:
        scores: Any = pipe.zmscore(keys.unacked_index, tags)
    except ResponseError:  # before Redis 6.2
        scores = [pipe.zscore(keys.unacked_index, tag) for tag in tags]
    return [None if score is None else float(score) for score in scores]


def _again(pipe: Pipeline, keys: Keys, bindings: Bindings, raw: bytes) -> tuple[list[str], str]:
    """The lists that the message goes back to, and the message as redelivered."""
    # Python's own JSON, as kombu has it: orjson would round numbers beyond 64 bits.
    message, exchange, routing_key = json.loads(raw)
    try:
        message["headers"]["redelivered"] = True
        message["properties"]["delivery_info"]["redelivered"] = True
    except (KeyError, TypeError):
        pass  # as kombu has it: a message without them is put back as it is
    if exchange:
        bindings.take(exchange, pipe.smembers(keys.binding(exchange)))
    targets = bindings.targets(exchange or "", routing_key or "")
    priority = _priority(message["properties"])
    return [keys.list_of(queue, priority) for queue in targets], json.dumps(message)


def _priority(properties: dict[str, Any]) -> int:
    """As `kombu.transport.virtual.base.Channel._get_message_priority`."""
    try:
        return max(min(int(properties["priority"]), 9), 0)
    except (TypeError, ValueError, KeyError):
        return 0
