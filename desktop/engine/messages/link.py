"""One connection to a Redis or Valkey broker that takes no part in its traffic."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from desktop.engine.api import DeskError

if TYPE_CHECKING:
    from redis import Redis

T = TypeVar("T")

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
_SILENT = "is there, but does not answer."


class Link:
    """Asks a broker over a connection that is made when it is needed, and made again when it broke.

    Raises DeskError where the URL is of another kind of broker. Nothing that it says holds the password.
    Not for several threads at once. `connects` counts the connections made.
    """

    def __init__(self, url: str, timeout: float = 1.0) -> None:
        self.address = _address(url)
        self.problem = ""  # a sentence: why the last question got no answer
        self.connects = 0
        self._url = _redis_url(url)
        self._timeout = timeout
        self._client: Redis | None = None

    def __repr__(self) -> str:
        return f"Link({self.address})"

    def ask(self, question: Callable[[Redis], T]) -> T | None:
        """What `question` gives; None while the broker does not answer, with the reason in `problem`.

        `question` may be called twice, and so must only read. A broker that is frozen costs at most two
        time-outs: one to connect, one to answer. The next question tries again.
        """
        fresh = self._client is None
        answer = self._try(question)
        # A connection from before the broker's restart fails once; the new one deserves its chance.
        if answer is None and not fresh and self.problem and not self.problem.endswith(_SILENT):
            answer = self._try(question)
        return answer

    def tell(self, command: Callable[[Redis], T]) -> T:
        """Call `command` once, which may write. Raises DeskError where the broker does not answer.

        The connection is proved before, so that one which a restart broke does not count as an answer.
        """
        if self.ask(lambda client: client.ping()) is None:
            raise self.unanswered()
        answer = self._try(command)
        if self.problem:
            raise self.unanswered()
        return answer  # type: ignore[return-value]  # None only where the command gives it

    def unanswered(self) -> DeskError:
        """The error for people when a question got no answer."""
        return DeskError(self.problem, "Try again when the broker answers.")

    def close(self) -> None:
        """Close the connection. A later question opens another."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _try(self, question: Callable[[Redis], T]) -> T | None:
        from redis.exceptions import RedisError, TimeoutError

        try:
            if self._client is None:
                self._client = self._connect()
                self.connects += 1
            answer = question(self._client)
        except TimeoutError:
            self._fail(_SILENT)
        except (RedisError, OSError, TypeError, ValueError) as error:
            self._fail(_reason(error))
        else:
            self.problem = ""
            return answer
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
            # The next question is the retry: redis-py's own would multiply the time-out.
            retry=Retry(NoBackoff(), 0),
            client_name="celery-desk",
            protocol=2,
        )


def _reason(error: Exception) -> str:
    from redis.exceptions import AuthenticationError, BusyLoadingError, ResponseError

    if isinstance(error, BusyLoadingError):
        return "is still loading its data."
    if isinstance(error, AuthenticationError) or str(error).startswith("NOAUTH"):
        return "refuses the password of the broker URL."
    if isinstance(error, ResponseError):
        # redis-py puts the whole command before it, with what is in it.
        return f"refuses to ({str(error).rpartition('caused error: ')[2].rstrip('.')})."
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
