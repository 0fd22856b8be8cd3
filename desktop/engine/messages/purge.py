"""Deleting every waiting message of a queue, with the id of each in the ledger.

What is there at one moment is first renamed away, so that no worker takes from it and nothing that is sent
meanwhile is deleted unseen. Then it is read in pieces: the ids of a piece are written into the ledger before
the piece is deleted. A panel that dies in between leaves the rest under a key of its own. Such a purge is
finished, not undone: some of its messages are gone already, and a person had asked for all of it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from desktop.engine.api import DeskError
from desktop.engine.messages import desk_ledger, envelope
from desktop.engine.messages.find import escaped
from desktop.engine.messages.keys import PURGING, Keys

if TYPE_CHECKING:
    from redis import Redis

STALE = 60.0  # seconds after which a purge that is not finished has broken off
_PIECE = desk_ledger.LINE_IDS


class Purged(NamedTuple):
    """What was deleted."""

    messages: int
    nameless: int  # of these: no task's messages, so that the ledger has no id of them


class _Aside(NamedTuple):
    """The key of messages that are being purged: `celery-desk.purging:<ms>-<pid>-<hex>:<queue>`."""

    began: float
    queue: str


def purge(client: Redis, keys: Keys, queue: str, ledger: Path) -> Purged:
    """Delete what waits in the queue now. Raises DeskError; what was taken aside then is finished later.

    A connection that breaks raises redis' own error, and what was taken aside is finished later too.
    """
    return _delete(client, _take_aside(client, keys, queue), queue, ledger)


def left(client: Redis, keys: Keys) -> tuple[str, ...]:
    """Keys of purges that did not end, those that are under way among them."""
    found = client.scan_iter(match=escaped(keys.prefix + PURGING) + ":*", count=1000)
    return tuple(sorted({key.decode("utf-8", "surrogateescape") for key in found}))


def finish(client: Redis, keys: Keys, aside: Sequence[str], ledger: Path) -> dict[str, Purged]:
    """Finish the purges that broke off more than a minute ago; what was deleted, by queue.

    Another panel may be at one of the younger ones.
    """
    done: dict[str, Purged] = {}
    for key in aside:
        told = _parsed(keys, key)
        if told is not None and time.time() - told.began > STALE:
            more, before = _delete(client, [key], told.queue, ledger), done.get(told.queue, Purged(0, 0))
            done[told.queue] = Purged(more.messages + before.messages, more.nameless + before.nameless)
    return done


def broken_off(queue: str) -> str:
    """A sentence about a purge that may have stopped in the middle."""
    return (
        f"What was taken out of {queue} and is not deleted yet is kept aside; "
        "Celery Desk deletes it a minute after it can."
    )


def _parsed(keys: Keys, key: str) -> _Aside | None:
    name, _, rest = key.removeprefix(keys.prefix + PURGING + ":").partition(":")
    began = name.partition("-")[0]
    queue = rest.partition(":")[2]
    return _Aside(int(began) / 1000, queue) if began.isdigit() and queue else None


def _take_aside(client: Redis, keys: Keys, queue: str) -> list[str]:
    own = f"{int(time.time() * 1000)}-{os.getpid()}-{secrets.token_hex(4)}"
    lists = keys.lists(queue)
    with client.pipeline(transaction=False) as pipe:
        for key in lists:
            pipe.type(key)
        kinds = pipe.execute(raise_on_error=False)
    if any(kind not in (b"list", b"none") for kind in kinds):
        raise DeskError(
            f"'{queue}' is no queue in this broker: its key holds something else.", "Nothing was deleted."
        )
    aside = [f"{keys.prefix}{PURGING}:{own}:{step}:{queue}" for step in keys.steps]
    with client.pipeline(transaction=True) as pipe:
        for key, new in zip(lists, aside, strict=True):
            pipe.rename(key, new)
        moved = pipe.execute(raise_on_error=False)
    return [new for new, reply in zip(aside, moved, strict=True) if not _no_such_key(reply)]


def _no_such_key(reply: Any) -> bool:
    """An empty queue has no key."""
    if isinstance(reply, Exception):
        if "no such key" in str(reply):
            return True
        raise reply
    return False


def _delete(client: Redis, aside: Sequence[str], queue: str, ledger: Path) -> Purged:
    messages = nameless = 0
    for key in aside:
        while piece := client.lrange(key, 0, _PIECE - 1):
            ids = [task_id for raw in piece if (task_id := _id_of(raw))]
            try:
                desk_ledger.write_ids(ledger, desk_ledger.DESK, "purged", ids, queue=queue)
            except DeskError as error:
                raise DeskError(f"{error.what} {broken_off(queue)}", error.next_step) from None
            client.ltrim(key, len(piece), -1)
            messages += len(piece)
            nameless += len(piece) - len(ids)
    return Purged(messages, nameless)


def _id_of(raw: bytes | str) -> str | None:
    message = envelope.envelope(raw)
    return envelope.task_id(message) if message is not None else None
