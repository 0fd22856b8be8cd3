"""Reading the messages that wait in a queue, where they lie."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from desktop.engine.api import Message, MessagePage
from desktop.engine.messages import envelope
from desktop.engine.messages.keys import Keys

if TYPE_CHECKING:
    from redis import Redis

MOST = 500  # messages of one page
PAGE_BYTES = 32_000_000  # of one page, as far as the server's own estimate of a message's size is right
TEXT = 2_000  # characters shown of args, and of kwargs


def read_page(client: Redis, keys: Keys, queue: str, first: int, count: int) -> MessagePage:
    """Messages of a queue from the `first` on, in the order in which workers take them.

    Only reads, in one moment. At most 500, and fewer where they are large. Where the queue moves meanwhile,
    each message still has the position at which it stood.
    """
    lists = keys.lists(queue)
    first, count = max(first, 0), min(max(count, 0), MOST)
    count = min(count, _most_of(client, lists))
    slices = _slices(_lengths(client, lists), first, count)
    with client.pipeline(transaction=True) as pipe:
        for key in lists:
            pipe.llen(key)
        for number, start, stop in slices:
            # The consuming end is the right one: the next message has the index -1.
            pipe.lrange(lists[number], -1 - stop, -1 - start)
        replies: list[Any] = pipe.execute(raise_on_error=False)
    lengths = [reply if isinstance(reply, int) else 0 for reply in replies[: len(lists)]]
    found: list[Message] = []
    for (number, start, _), raws in zip(slices, replies[len(lists) :], strict=True):
        if isinstance(raws, list):
            at = sum(lengths[:number]) + start
            step = keys.steps[number]
            found.extend(described(raw, at + i, step) for i, raw in enumerate(reversed(raws)))
    return MessagePage(queue, first, tuple(found), sum(lengths))


def lengths_by_step(client: Redis, keys: Keys, queue: str) -> Mapping[int, int]:
    """How many wait at each priority step."""
    return dict(zip(keys.steps, _lengths(client, keys.lists(queue)), strict=True))


def _lengths(client: Redis, lists: Sequence[str]) -> list[int]:
    with client.pipeline(transaction=True) as pipe:
        for key in lists:
            pipe.llen(key)
        # An error is a key that somebody uses for something else.
        replies = pipe.execute(raise_on_error=False)
    return [reply if isinstance(reply, int) else 0 for reply in replies]


def _most_of(client: Redis, lists: Sequence[str]) -> int:
    """How many of such a queue's messages make a page of bearable size."""
    with client.pipeline(transaction=False) as pipe:
        for key in lists:
            pipe.llen(key)
            pipe.memory_usage(key)
        replies = pipe.execute(raise_on_error=False)
    sizes = [
        size / length
        for length, size in zip(replies[::2], replies[1::2], strict=True)
        if isinstance(length, int) and isinstance(size, int) and length
    ]
    return max(1, int(PAGE_BYTES / max(sizes))) if sizes else MOST


def _slices(lengths: Sequence[int], first: int, count: int) -> list[tuple[int, int, int]]:
    """Which list, from where to where (both included), to see `count` messages from the `first` on."""
    found = []
    for number, length in enumerate(lengths):
        here = min(count, length - first)
        if here > 0:
            found.append((number, first, first + here - 1))
            count -= here
        first = max(0, first - length)
    return found


def described(raw: bytes, position: int, step: int) -> Message:
    """One message as far as it can be read without a risk: pickles and the like stay closed."""
    message = envelope.envelope(raw)
    if message is None:
        return _foreign(raw, position, step, "This is no message of kombu's: a worker cannot read it.")
    headers = message.get("headers")
    headers = headers if isinstance(headers, dict) else {}
    priority = _number(message["properties"].get("priority"), step)
    if headers.get("task"):
        return _protocol_2(raw, message, headers, position, priority)
    body = envelope.body(message)
    if isinstance(body, dict) and isinstance(body.get("task"), str):
        return _protocol_1(raw, body, position, priority)
    kind = str(message.get("content-type") or "of no kind that it names")
    if body is None and kind != "application/json":
        why = f"It names no task, and its body ({kind}) is not opened: that could run code."
    else:
        why = "It is no task's message: a worker logs it as unknown and drops it."
    shown = (envelope.raw_body(message) or b"") if body is not None else b""
    return _foreign(shown, position, priority, why, envelope.task_id(message) or "", len(raw))


def _protocol_2(
    raw: bytes, message: Mapping[str, Any], headers: Mapping[str, Any], position: int, priority: int
) -> Message:
    body = envelope.body(message)
    problem = ""
    if isinstance(body, list) and len(body) >= 2:
        args, kwargs = _text(body[0]), _text(body[1])
    else:
        args, kwargs = (
            capped(str(headers.get("argsrepr") or "")),
            capped(str(headers.get("kwargsrepr") or "")),
        )
        problem = _unopened(message, headers)
    return Message(
        position=position,
        id=envelope.task_id(message) or "",
        task=str(headers["task"]),
        args=args,
        kwargs=kwargs,
        priority=priority,
        eta=moment(headers.get("eta")),
        expires=moment(headers.get("expires")),
        retries=_number(headers.get("retries"), 0),
        size=len(raw),
        origin=str(headers.get("origin") or ""),
        problem=problem,
    )


def _unopened(message: Mapping[str, Any], headers: Mapping[str, Any]) -> str:
    kind = str(message.get("content-type") or "unknown")
    if headers.get("compression"):
        return f"Its body is compressed ({headers['compression']}): shown is what the sender wrote of it."
    if kind in envelope.JSON:
        return "Its body cannot be read: a worker will refuse it."
    return f"Its body ({kind}) is not opened: shown is what the sender wrote of its arguments."


def _protocol_1(raw: bytes, body: Mapping[str, Any], position: int, priority: int) -> Message:
    return Message(
        position=position,
        id=str(body.get("id") or ""),
        task=str(body["task"]),
        args=_text(body.get("args") or []),
        kwargs=_text(body.get("kwargs") or {}),
        priority=priority,
        eta=moment(body.get("eta")),
        expires=moment(body.get("expires")),
        retries=_number(body.get("retries"), 0),
        size=len(raw),
    )


def _foreign(
    shown: bytes, position: int, priority: int, why: str, known_id: str = "", size: int | None = None
) -> Message:
    return Message(
        position=position,
        id=known_id,
        task="",
        args=capped(shown[: 4 * TEXT].decode("utf-8", "replace")),
        kwargs="",
        priority=priority,
        size=len(shown) if size is None else size,
        problem=why,
    )


def moment(told: Any) -> float | None:
    """Seconds since the epoch, of a time as Celery writes it; None where there is none."""
    if not isinstance(told, str):
        return None
    try:
        when = datetime.fromisoformat(told)
    except ValueError:
        return None
    # Protocol 1 writes UTC without saying so (its `utc` is true wherever Celery still sends it).
    return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()


def capped(text: str) -> str:
    """At most `TEXT` characters, with a sign that there is more."""
    return text if len(text) <= TEXT else text[: TEXT - 1] + "…"


def _text(value: Any) -> str:
    return capped(json.dumps(value, ensure_ascii=False))


def _number(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) else otherwise
