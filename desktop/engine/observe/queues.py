"""What lies in the broker, queue by queue, exactly, and without taking part in its traffic."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from desktop.engine.api import DeskError

if TYPE_CHECKING:
    from redis import Redis

# Kombu's own defaults (kombu.transport.redis.Channel: sep, priority_steps, unacked_key).
_SEP = "\x06\x16"
_PRIORITY_STEPS = (0, 3, 6, 9)
_UNACKED = "unacked"

# kombu's spelling of a scheme → redis-py's.
_SCHEMES = {
    "redis": "redis",
    "valkey": "redis",
    "rediss": "rediss",
    "valkeys": "rediss",
    "redis+socket": "unix",
    "socket": "unix",
    "unix": "unix",
}
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
        options = transport_options or {}
        self.address = _address(url)
        self.problem = ""  # a sentence: why the last read gave nothing
        self._url = _redis_url(url)
        self._timeout = timeout
        self._sep = str(options.get("sep", _SEP))
        self._steps = tuple(int(step) for step in options.get("priority_steps") or _PRIORITY_STEPS)
        self._prefix = str(options.get("global_keyprefix", ""))
        self._unacked = self._prefix + str(options.get("unacked_key", _UNACKED))
        self._client: Redis | None = None
        self._reads = 0
        self._clients = 0
        self._used_memory = 0
        self._server = ""

    def __repr__(self) -> str:
        return f"QueueReader({self.address})"

    def keys(self, queue: str) -> list[str]:
        """The lists that kombu keeps the waiting messages of a queue in, one a priority step."""
        name = self._prefix + queue
        return [f"{name}{self._sep}{step}" if step else name for step in self._steps]

    def read(self, queues: Iterable[str]) -> Depths | None:
        """The depths now; None while the broker does not answer, with the reason in `problem`.

        A broker that is frozen costs at most two time-outs: one to connect, one to answer. The
        next read tries again.
        """
        names = tuple(dict.fromkeys(queues))
        fresh = self._client is None
        depths = self._try(names)
        # A connection from before the broker's restart fails once; the new one deserves its chance.
        if depths is None and not fresh and not self.problem.endswith(_SILENT):
            depths = self._try(names)
        return depths

    def close(self) -> None:
        """Close the connection. A later `read` opens another."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _try(self, queues: Sequence[str]) -> Depths | None:
        from redis.exceptions import RedisError, TimeoutError

        try:
            if self._client is None:
                self._client = self._connect()
                self._reads = 0
            replies = self._ask(self._client, queues)
        except TimeoutError:
            self._fail(_SILENT)
        except (RedisError, OSError, TypeError, ValueError) as error:
            self._fail(_reason(error))
        else:
            return self._told(queues, replies)
        return None

    def _fail(self, reason: str) -> None:
        self.problem = f"The broker at {self.address} {reason}"
        self.close()

    def _connect(self) -> Redis:
        # Importing redis takes a third of a second: not before a broker is there.
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        return Redis.from_url(
            self._url,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            # The next read is the retry: redis-py's own would multiply the time-out.
            retry=Retry(NoBackoff(), 0),
            client_name="celery-desk",
            protocol=2,
        )

    def _ask(self, client: Redis, queues: Sequence[str]) -> list[Any]:
        with client.pipeline(transaction=False) as pipe:
            for queue in queues:
                for key in self.keys(queue):
                    pipe.llen(key)
            pipe.hlen(self._unacked)
            if self._reads % _INFO_EVERY == 0:
                pipe.info("clients")
                pipe.info("memory")
            if self._reads == 0:
                pipe.info("server")
            replies: list[Any] = pipe.execute(raise_on_error=False)
        # NOAUTH, LOADING and their like come as the reply to every command.
        if all(isinstance(reply, Exception) for reply in replies):
            raise replies[0]
        self._reads += 1
        return replies

    def _told(self, queues: Sequence[str], replies: list[Any]) -> Depths:
        self.problem = ""
        # An error among good replies is a key of ours that somebody uses for something else.
        counts = [reply if isinstance(reply, int) else 0 for reply in replies]
        told: dict[str, tuple[int, Mapping[int, int]]] = {}
        at = 0
        for queue in queues:
            by_step = dict(zip(self._steps, counts[at : at + len(self._steps)], strict=True))
            told[queue] = (sum(by_step.values()), by_step)
            at += len(self._steps)
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


_SILENT = "is there, but does not answer."


def _reason(error: Exception) -> str:
    from redis.exceptions import AuthenticationError, BusyLoadingError

    if isinstance(error, BusyLoadingError):
        return "is still loading its data."
    if isinstance(error, AuthenticationError) or str(error).startswith("NOAUTH"):
        return "refuses the password of the broker URL."
    if isinstance(error, (TypeError, ValueError)):  # redis-py, of an option it does not know
        return "cannot be reached: its URL has an option or value that redis-py does not know."
    return "cannot be reached."


def _redis_url(url: str) -> str:
    scheme, colon, rest = url.partition("://")
    known = _SCHEMES.get(scheme)
    if not known or not colon:
        # Without a scheme all of it may be user and password.
        kind = f"of the kind {scheme!r}" if colon else "whose URL does not begin with its kind"
        raise DeskError(
            f"Queue depths cannot be read from a broker {kind}.",
            "They are read from Redis and Valkey: redis://, rediss:// or redis+socket://.",
        )
    if known == "unix":
        # kombu takes the database from ?virtual_host=, redis-py from ?db=.
        rest = rest.replace("virtual_host=", "db=")
    for name in ("NONE", "OPTIONAL", "REQUIRED"):
        rest = rest.replace(f"ssl_cert_reqs=CERT_{name}", f"ssl_cert_reqs={name.lower()}")
    return f"{known}://{rest}"


def _address(url: str) -> str:
    parts = urlsplit(url)
    if _SCHEMES.get(parts.scheme) == "unix":
        return parts.path
    try:
        return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"
    except ValueError:
        raise DeskError("The port of the broker URL is not a number from 1 to 65535.") from None
