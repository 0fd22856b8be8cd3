"""Looking at everything that lies in the broker, in one moment, without taking part in its traffic."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from desktop.engine.api import DeskError
from desktop.engine.messages import envelope
from desktop.engine.messages.bindings import Bindings
from desktop.engine.messages.find import Finder
from desktop.engine.messages.keys import Keys
from desktop.engine.messages.link import Link
from desktop.engine.messages.purge import Purged, finish

if TYPE_CHECKING:
    from redis import Redis

BOUND = 20_000  # unacknowledged messages that are read one by one; the longest held first
WHOLE = 500  # up to so many they come whole, in the same transaction; more are read by what is new of them
_PIECE = 500  # messages asked for at once


@dataclass(frozen=True, slots=True)
class View:
    """What lay in the broker at one moment: every figure is of the same instant."""

    t: float  # when the broker had answered; seconds since the epoch
    asked: float  # when it was asked: the instant lies between the two
    waiting: Mapping[str, tuple[int, Mapping[int, int]]]  # queue → all, and by priority step
    oldest: Mapping[str, str | None]  # queue → task id of the next message that a worker takes
    unacked: Mapping[str, tuple[str, float]]  # task id → its queue, and when it was delivered (0: not known)
    tags: Mapping[str, str]  # task id → delivery tag
    unacked_count: int  # delivered and not acknowledged, all queues together
    complete: bool  # every unacknowledged message of the instant was read
    doubles: tuple[
        Unacknowledged, ...
    ] = ()  # further deliveries of task ids that `unacked` has (a later one)
    foreign: Mapping[str, int] = field(default_factory=dict)  # queue → unacknowledged messages without a task


class Unacknowledged(NamedTuple):
    """One delivery that nobody acknowledged yet."""

    task_id: str
    queue: str
    delivered_at: float
    tag: str


class _Known(NamedTuple):
    """What an entry of the hash says; the same for as long as its tag is there."""

    task_id: str | None
    exchange: str
    routing_key: str


class BrokerLook:
    """Looks at a Redis or Valkey broker over one connection of its own. Not for several threads at once.

    `url` and `options` are what Celery is given (`broker_url`, `broker_transport_options`). Raises DeskError
    where the URL is of another kind of broker.
    """

    def __init__(self, url: str, options: Mapping[str, Any] | None = None, timeout: float = 2.0) -> None:
        self._link = Link(url, timeout)
        self._keys = Keys.of(options)
        self._bindings = Bindings(self._keys.sep)
        self._finder = Finder(self._keys, self._bindings)
        self._known: dict[bytes, _Known] = {}
        self._last_count: int | None = None

    @property
    def address(self) -> str:
        """Host and port, or the socket's path; no password."""
        return self._link.address

    @property
    def problem(self) -> str:
        """A sentence: why the last look gave nothing."""
        return self._link.problem

    def read(self, queues: Iterable[str]) -> View | None:
        """The moment; None while the broker does not answer, with the reason in `problem`.

        Costs two round trips (one while little is held), and 5 µs for each new unacknowledged message.
        """
        names = tuple(dict.fromkeys(queues))
        return self._link.ask(lambda client: self._look(client, names))

    def queues(self) -> tuple[str, ...]:
        """Names of the queues in which tasks wait, whether anybody consumes them or not.

        Looks on a little at each call, so it is for calling once a second: in a broker of up to 2,000 keys
        each call sees everything, in a larger one a round takes as many calls as it has thousands of keys.
        While the broker does not answer it gives what was found before.
        """
        self._link.ask(self._finder.look)
        return self._finder.queues()

    def bound(self) -> tuple[str, ...]:
        """Names of the queues that somebody once declared, empty ones too, as `queues` found them."""
        return self._finder.bound()

    def left(self) -> tuple[str, ...]:
        """Keys of purges that are under way or broke off in the middle, as `queues` found them."""
        return self._finder.left()

    def finish_purges(self, ledger: Path) -> Mapping[str, Purged]:
        """Finish the purges that broke off more than a minute ago; what was deleted, by queue.

        `ledger` is the folder that gets their `purged` lines. Costs nothing where nothing is left. Raises
        DeskError when the lines cannot be written.
        """
        left = self._finder.left()
        if not left:
            return {}
        try:
            return self._link.tell(lambda client: finish(client, self._keys, left, ledger))
        except DeskError:
            if self._link.problem:
                return {}
            raise

    def close(self) -> None:
        """Close the connection. A later look opens another."""
        self._link.close()

    def _look(self, client: Redis, queues: Sequence[str]) -> View:
        if self._last_count is None:
            self._last_count = int(client.hlen(self._keys.unacked))
        whole = self._last_count <= WHOLE
        asked = time.time()
        replies = self._ask(client, queues, whole)
        t = time.time()
        waiting, oldest = self._told(queues, replies)
        count, held, scores = replies[-3:]
        self._last_count = count if isinstance(count, int) else 0
        entries = self._whole(held) if whole else self._by_tag(client, held, scores)
        return self._view(t, asked, waiting, oldest, entries, dict(scores or ()))

    def _ask(self, client: Redis, queues: Sequence[str], whole: bool) -> list[Any]:
        keys = self._keys
        with client.pipeline(transaction=True) as pipe:
            for queue in queues:
                for key in keys.lists(queue):
                    pipe.llen(key)
                    pipe.lindex(key, -1)
            pipe.hlen(keys.unacked)
            if whole:
                pipe.hgetall(keys.unacked)
            else:
                pipe.hkeys(keys.unacked)
            pipe.zrange(keys.unacked_index, 0, -1, withscores=True)
            replies: list[Any] = pipe.execute(raise_on_error=False)
        if all(isinstance(reply, Exception) for reply in replies):
            raise replies[0]
        # An error among good replies is a key of ours that somebody uses for something else.
        return [None if isinstance(reply, Exception) else reply for reply in replies]

    def _told(
        self, queues: Sequence[str], replies: Sequence[Any]
    ) -> tuple[dict[str, tuple[int, Mapping[int, int]]], dict[str, str | None]]:
        waiting: dict[str, tuple[int, Mapping[int, int]]] = {}
        oldest: dict[str, str | None] = {}
        steps = self._keys.steps
        width = 2 * len(steps)
        for number, queue in enumerate(queues):
            of_queue = replies[number * width : (number + 1) * width]
            by_step = dict(zip(steps, (count or 0 for count in of_queue[::2]), strict=True))
            waiting[queue] = (sum(by_step.values()), by_step)
            first = envelope.envelope(next((raw for raw in of_queue[1::2] if raw is not None), None))
            oldest[queue] = envelope.task_id(first) if first is not None else None
        return waiting, oldest

    def _whole(self, held: Mapping[bytes, bytes] | None) -> dict[bytes, _Known | None]:
        known = self._known
        entries = {tag: known.get(tag) or _read(raw) for tag, raw in (held or {}).items()}
        self._known = entries
        return dict(entries)

    def _by_tag(
        self, client: Redis, held: Sequence[bytes] | None, scores: Sequence[tuple[bytes, float]] | None
    ) -> dict[bytes, _Known | None]:
        """Only what is new is asked for; an entry that went meanwhile stays unknown."""
        tags = list(held or ())
        if len(tags) > BOUND:
            there = set(tags)
            tags = [tag for tag, _ in scores or () if tag in there][:BOUND]
        new = [tag for tag in tags if tag not in self._known]
        read: dict[bytes, _Known] = {}
        for start in range(0, len(new), _PIECE):
            piece = new[start : start + _PIECE]
            raws: list[bytes | None] = client.hmget(self._keys.unacked, piece)  # type: ignore[assignment]
            read.update((tag, _read(raw)) for tag, raw in zip(piece, raws, strict=True) if raw is not None)
        entries = {tag: self._known.get(tag) or read.get(tag) for tag in tags}
        self._known = {tag: entry for tag, entry in entries.items() if entry is not None}
        return entries

    def _view(
        self,
        t: float,
        asked: float,
        waiting: Mapping[str, tuple[int, Mapping[int, int]]],
        oldest: Mapping[str, str | None],
        entries: Mapping[bytes, _Known | None],
        scores: Mapping[bytes, float],
    ) -> View:
        unacked: dict[str, tuple[str, float]] = {}
        tags: dict[str, str] = {}
        doubles: list[Unacknowledged] = []
        foreign: dict[str, int] = {}
        for tag, entry in entries.items():
            if entry is None:
                continue
            queue = self._bindings.queue_of(entry.exchange, entry.routing_key)
            if entry.task_id is None:
                foreign[queue] = foreign.get(queue, 0) + 1
                continue
            one = Unacknowledged(entry.task_id, queue, scores.get(tag, 0.0), tag.decode("utf-8", "replace"))
            before = unacked.get(one.task_id)
            if before is not None:
                other = Unacknowledged(one.task_id, *before, tags[one.task_id])
                one, other = sorted((one, other), key=lambda each: each.delivered_at, reverse=True)
                doubles.append(other)
            unacked[one.task_id] = (one.queue, one.delivered_at)
            tags[one.task_id] = one.tag
        count = self._last_count or 0
        complete = sum(1 for entry in entries.values() if entry is not None) == count
        return View(t, asked, waiting, oldest, unacked, tags, count, complete, tuple(doubles), foreign)


def _read(raw: bytes) -> _Known:
    entry = envelope.unacked(raw)
    if entry is None:
        return _Known(None, "", "")
    return _Known(envelope.task_id(entry.message), entry.exchange, entry.routing_key)
