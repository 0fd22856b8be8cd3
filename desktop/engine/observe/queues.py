"""What lies in the broker, queue by queue, exactly, and without taking part in its traffic."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from desktop.engine.messages.keys import Keys
from desktop.engine.messages.link import Link

if TYPE_CHECKING:
    from redis import Redis

_INFO_EVERY = 4


@dataclass(frozen=True, slots=True)
class Depths:
    """What lay in the broker at one moment."""

    t: float  # seconds since the epoch
    queues: Mapping[str, tuple[int, Mapping[int, int]]]  # waiting, and the same by priority step
    unacked: int  # delivered to some worker of this database and not acknowledged, all queues together
    clients: int  # connections to the server, ours among them; up to two seconds old, like the next
    used_memory: int  # bytes
    server: str  # "Valkey 9.1.2"; "" when the server does not say


class QueueReader:
    """Reads queue depths from a Redis or Valkey broker over one connection of its own.

    `url` and `transport_options` are what Celery is given (`broker_url`,
    `broker_transport_options`): `global_keyprefix`, `priority_steps`, `sep` and `unacked_key` are
    followed. Raises DeskError where the URL is of another kind of broker. Nothing that this
    object says holds the password. Not thread safe.
    """

    def __init__(
        self, url: str, transport_options: Mapping[str, Any] | None = None, timeout: float = 1.0
    ) -> None:
        self._link = Link(url, timeout)
        self._keys = Keys.of(transport_options)
        self._reads = (0, 0)  # over which of its connections, and how many of them
        self._clients = 0
        self._used_memory = 0
        self._server = ""

    @property
    def address(self) -> str:
        """Host and port, or the socket's path; no password."""
        return self._link.address

    @property
    def problem(self) -> str:
        """A sentence: why the last read gave nothing."""
        return self._link.problem

    def __repr__(self) -> str:
        return f"QueueReader({self.address})"

    def keys(self, queue: str) -> tuple[str, ...]:
        """The lists that kombu keeps the waiting messages of a queue in, one a priority step."""
        return self._keys.lists(queue)

    def read(self, queues: Iterable[str]) -> Depths | None:
        """The depths now; None while the broker does not answer, with the reason in `problem`.

        A broker that is frozen costs at most two time-outs: one to connect, one to answer. The
        next read tries again.
        """
        names = tuple(dict.fromkeys(queues))
        replies = self._link.ask(lambda client: self._ask(client, names))
        return self._told(names, replies) if replies is not None else None

    def close(self) -> None:
        """Close the connection. A later `read` opens another."""
        self._link.close()

    def _ask(self, client: Redis, queues: Sequence[str]) -> list[Any]:
        connection, reads = self._reads
        if connection != self._link.connects:
            connection, reads = self._link.connects, 0
        with client.pipeline(transaction=False) as pipe:
            for queue in queues:
                for key in self._keys.lists(queue):
                    pipe.llen(key)
            pipe.hlen(self._keys.unacked)
            if reads % _INFO_EVERY == 0:
                pipe.info("clients")
                pipe.info("memory")
            if reads == 0:
                pipe.info("server")
            replies: list[Any] = pipe.execute(raise_on_error=False)
        # NOAUTH, LOADING and their like come as the reply to every command.
        if all(isinstance(reply, Exception) for reply in replies):
            raise replies[0]
        self._reads = (connection, reads + 1)
        return replies

    def _told(self, queues: Sequence[str], replies: list[Any]) -> Depths:
        # An error among good replies is a key of ours that somebody uses for something else.
        counts = [reply if isinstance(reply, int) else 0 for reply in replies]
        told: dict[str, tuple[int, Mapping[int, int]]] = {}
        steps = self._keys.steps
        at = 0
        for queue in queues:
            by_step = dict(zip(steps, counts[at : at + len(steps)], strict=True))
            told[queue] = (sum(by_step.values()), by_step)
            at += len(steps)
        for info in replies[at + 1 :]:
            if isinstance(info, dict):
                self._note(info)
        return Depths(time.time(), told, counts[at], self._clients, self._used_memory, self._server)

    def _note(self, info: Mapping[str, Any]) -> None:
        self._clients = int(info.get("connected_clients", self._clients))
        self._used_memory = int(info.get("used_memory", self._used_memory))
        if "valkey_version" in info:  # it also gives the Redis version that it is compatible with
            self._server = f"Valkey {info['valkey_version']}"
        elif "redis_version" in info:
            self._server = f"Redis {info['redis_version']}"
