"""Finding the queues that a broker knows, a few keys at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from desktop.engine.messages.bindings import Bindings
from desktop.engine.messages.envelope import envelope
from desktop.engine.messages.keys import PURGING, Keys

if TYPE_CHECKING:
    from redis import Redis

_PAGE = 1000  # keys that the server is asked to pass in one step; about 0.2 ms of its time
_STEPS = 2  # of a round, in one look


class Finder:
    """Goes through the keys of a database in rounds, and keeps what the last whole round found.

    A key is taken for a queue when it is a list and its next message is one of kombu's. A queue that was
    found stays for a whole round after it was last seen.
    """

    def __init__(self, keys: Keys, bindings: Bindings) -> None:
        self._keys = keys
        self._bindings = bindings
        self._cursor = 0
        self._queues: set[str] = set()  # of this round
        self._exchanges: set[str] = set()
        self._left: set[str] = set()
        self._before: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())

    def look(self, client: Redis) -> bool:
        """Go on with the round."""
        for _ in range(_STEPS):
            cursor, page = client.scan(self._cursor, match=escaped(self._keys.prefix) + "*", count=_PAGE)
            self._sort(client, [_text(key) for key in page])
            self._cursor = int(cursor)
            if not self._cursor:
                self._end_round()
                break
        return True

    def queues(self) -> tuple[str, ...]:
        """In which messages wait, in the order of their names."""
        return tuple(sorted(self._before[0] | self._queues))

    def bound(self) -> tuple[str, ...]:
        """That somebody once declared; kombu takes none of them back, so most stay for ever."""
        return tuple(sorted(self._bindings.queues()))

    def left(self) -> tuple[str, ...]:
        """Keys under which a purge that broke off has left messages."""
        return tuple(sorted(self._before[1] | self._left))

    def _sort(self, client: Redis, found: list[str]) -> None:
        lists: dict[str, str] = {}
        tables: dict[str, str] = {}
        for key in found:
            exchange = self._keys.exchange_of(key)
            if exchange is not None:
                tables[key] = exchange
            elif key.startswith(self._keys.prefix + PURGING):
                self._left.add(key)
            elif (queue := self._keys.queue_of(key)) is not None:
                lists[key] = queue
        with client.pipeline(transaction=False) as pipe:
            for key in tables:
                pipe.smembers(key)
            for key in lists:
                pipe.lindex(key, -1)
            replies: list[Any] = pipe.execute(raise_on_error=False) if tables or lists else []
        for exchange, members in zip(tables.values(), replies, strict=False):
            if isinstance(members, set):
                self._bindings.take(exchange, members)
                self._exchanges.add(exchange)
        for queue, raw in zip(lists.values(), replies[len(tables) :], strict=True):
            if isinstance(raw, bytes) and envelope(raw) is not None:
                self._queues.add(queue)

    def _end_round(self) -> None:
        self._bindings.keep(self._exchanges)
        self._before = (frozenset(self._queues), frozenset(self._left))
        self._queues, self._exchanges, self._left = set(), set(), set()


def escaped(prefix: str) -> str:
    """Give this text as a pattern of Redis that matches nothing else."""
    return "".join(f"\\{letter}" if letter in "*?[]\\^-" else letter for letter in prefix)


def _text(key: bytes | str) -> str:
    return key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else key
