"""Whether a broker can be reached, and where its workers talk if not where we listen."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

from desktop.engine.api import DeskError
from desktop.engine.attach.options import AttachOptions
from desktop.engine.messages.link import Link

if TYPE_CHECKING:
    from redis import Redis

LISTEN = 2.3  # seconds: a heartbeat comes every two
_CHANNEL = re.compile(r"(?P<prefix>.*)/(?P<db>\d+)\.(?P<exchange>[^/]*)/worker\.heartbeat")


def check(options: AttachOptions, timeout: float = 2.0) -> None:
    """Raises DeskError, with the next step, where the broker does not answer to this URL."""
    link = Link(options.url, timeout)
    try:
        if link.ask(lambda client: client.ping()) is None:
            raise DeskError(link.problem, _next_step(link.problem))
    finally:
        link.close()


def _next_step(problem: str) -> str:
    if "password" in problem:
        return "Give the password that the workers are given."
    if "option or value" in problem:
        return "Leave the query of the URL away, or mend it."
    if "does not answer" in problem:
        return "It may be frozen, or a firewall swallows what is sent: try it with redis-cli."
    return "Is it running, and are host and port those that the workers are given?"


def heard_elsewhere(options: AttachOptions) -> str:
    """A sentence on other databases, prefixes or exchanges of this server where workers talk; else ""."""
    link = Link(options.url, LISTEN + 2.0)
    try:
        channels = link.ask(_listen) or set()
    finally:
        link.close()
    said = []
    for channel in sorted(channels):
        match = _CHANNEL.fullmatch(channel)
        if match is None:
            continue
        parts = [f"database {match['db']}"] if int(match["db"]) != options.db else []
        if match["prefix"] != options.prefix:
            parts.append(f"the key prefix '{match['prefix']}'" if match["prefix"] else "no key prefix")
        if match["exchange"] != options.event_exchange:
            parts.append(f"the event exchange '{match['exchange']}'")
        said.append(" and ".join(parts))
    return f"Workers are heard on this server under {'; '.join(filter(None, said))}." if any(said) else ""


def _listen(client: Redis) -> set[str]:
    channels: set[str] = set()
    until = time.monotonic() + LISTEN
    made: Any = client.pubsub()  # type: ignore[no-untyped-call]
    with made as pubsub:
        pubsub.psubscribe("*worker.heartbeat")
        while (left := until - time.monotonic()) > 0:
            message = pubsub.get_message(ignore_subscribe_messages=True, timeout=left)
            if message is not None:
                channels.add(bytes(message["channel"]).decode("utf-8", "replace"))
    return channels
