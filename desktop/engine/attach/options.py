"""Where a stack that we did not start is reached, and under which names it talks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from desktop.engine.api import DeskError
from desktop.engine.messages.link import Link

# Celery's and kombu's own defaults (`event_exchange`, `control_exchange`, `Channel.keyprefix_fanout`).
EVENT_EXCHANGE = "celeryev"
CONTROL_EXCHANGE = "celery"
FANOUT_PREFIX = "/{db}."
_KINDS = ("redis", "valkey", "rediss", "valkeys", "redis+socket", "socket", "unix")
# What may stand in the query of the URL although no client library knows it: settings of the workers that
# decide under which names they talk.
OURS = ("global_keyprefix", "event_exchange", "control_exchange")


@dataclass(frozen=True, slots=True)
class AttachOptions:
    """A broker and the names that its workers use. The URL may hold a password: it is never shown."""

    url: str = field(repr=False)
    db: int = 0
    event_exchange: str = EVENT_EXCHANGE
    control_exchange: str = CONTROL_EXCHANGE
    transport_options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, url: str, settings: Mapping[str, Any] | None = None) -> AttachOptions:
        """From a broker URL as Celery takes it.

        Its query may name `global_keyprefix`, `event_exchange` and `control_exchange` too; `settings` are
        Celery's own lower-case names and go before. Raises DeskError where it is no URL of a Redis broker.
        """
        told = dict(settings or {})
        transport = dict(told.get("broker_transport_options") or {})
        url, ours = _without_ours(url.strip())
        if "global_keyprefix" in ours:
            transport.setdefault("global_keyprefix", ours["global_keyprefix"])
        _check_kind(url)
        Link(url)  # says what else is wrong with it
        return cls(
            url=url,
            db=_database(url),
            event_exchange=str(told.get("event_exchange") or ours.get("event_exchange") or EVENT_EXCHANGE),
            control_exchange=str(
                told.get("control_exchange") or ours.get("control_exchange") or CONTROL_EXCHANGE
            ),
            transport_options=transport,
        )

    @classmethod
    def from_message(cls, message: Mapping[str, Any]) -> AttachOptions:
        """What `to_message` made."""
        return cls(
            url=str(message["url"]),
            db=int(message["db"]),
            event_exchange=str(message["event_exchange"]),
            control_exchange=str(message["control_exchange"]),
            transport_options=dict(message.get("transport_options") or {}),
        )

    def to_message(self) -> dict[str, Any]:
        """For another process, through a pipe: it holds the password."""
        return {
            "url": self.url,
            "db": self.db,
            "event_exchange": self.event_exchange,
            "control_exchange": self.control_exchange,
            "transport_options": dict(self.transport_options),
        }

    @property
    def address(self) -> str:
        """What may be shown: "127.0.0.1:6379/0"."""
        return f"{Link(self.url).address}/{self.db}"

    @property
    def shown_url(self) -> str:
        """The URL without its password."""
        parts = urlsplit(self.url)
        user, at, host = parts.netloc.rpartition("@")
        user = user.partition(":")[0]
        return _joined(parts._replace(netloc=f"{user}{at}{host}" if user else host))

    @property
    def prefix(self) -> str:
        """`global_keyprefix` of the workers."""
        return str(self.transport_options.get("global_keyprefix", ""))

    def pattern(self, kind: str = "") -> bytes:
        """What to PSUBSCRIBE to for events whose routing key begins with `kind` ("worker."); "": all."""
        option = self.transport_options.get("fanout_prefix", True)
        fanout = (option if isinstance(option, str) else FANOUT_PREFIX) if option else ""
        topic = self.prefix + fanout.format(db=self.db) + self.event_exchange
        if not self.transport_options.get("fanout_patterns", True):
            return _literal(topic)
        return _literal(f"{topic}/{kind}") + b"*"

    def celery(self) -> dict[str, Any]:
        """The settings, under Celery's names, that a client of this broker needs."""
        return {
            "broker_transport_options": dict(self.transport_options),
            "event_exchange": self.event_exchange,
            "control_exchange": self.control_exchange,
        }


def _check_kind(url: str) -> None:
    scheme, colon, _ = url.partition("://")
    if not colon or scheme not in _KINDS:
        # Without a scheme all of it may be user and password.
        kind = f"of the kind {scheme!r}" if colon else "whose URL does not begin with its kind"
        raise DeskError(
            f"This desk cannot attach to a broker {kind}.",
            "Redis and Valkey are read: redis://, rediss:// or redis+socket://.",
        )


def _without_ours(url: str) -> tuple[str, dict[str, str]]:
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise DeskError(
            "The broker URL cannot be read.", "It looks like redis://:password@host:6379/0."
        ) from None
    ours = {name: value for name, value in query if name in OURS}
    if not ours:
        return url, {}
    rest = [(name, value) for name, value in query if name not in OURS]
    return _joined(parts._replace(query=urlencode(rest))), ours


def _joined(parts: SplitResult) -> str:
    """As `urlunsplit`, which takes the two strokes away from schemes that it does not know."""
    rest = urlunsplit(("", "", parts.path, parts.query, parts.fragment))
    return f"{parts.scheme}://{parts.netloc}{rest}"


def _database(url: str) -> int:
    """The number of the database, as kombu finds it. Raises DeskError where it is none."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    named = query.get("virtual_host") or query.get("db")
    if named is None and not ("unix" in parts.scheme or "socket" in parts.scheme):
        named = parts.path.strip("/")
    try:
        return int(named.strip("/")) if named else 0
    except ValueError:
        raise DeskError(
            f"'{named}' is no database of a Redis broker.",
            "End the URL with its number: redis://host:6379/0.",
        ) from None


def _literal(topic: str) -> bytes:
    """The topic with everything that a glob pattern would read as its own escaped."""
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in topic).encode()
