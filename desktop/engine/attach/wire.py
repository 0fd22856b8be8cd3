"""What a subscribed connection to Redis brings, taken apart: RESP2 and kombu's envelope.

Written out by hand, because it is done for each of tens of thousands of events a second: a Python client's
own reader costs two to three times as much.
"""

from __future__ import annotations

import binascii
import json
from typing import Any

import orjson

# How kombu's envelope of an event begins and goes on, written by Python's own JSON: no need to read it all.
_BODY = b'{"body": "'
_START = len(_BODY)
_AS_USUAL = b'", "content-encoding": "utf-8", "content-type": "application/json"'


class Frames:
    """Cuts the bytes of a subscribed connection into the payloads of its messages.

    Other replies (the confirmation of a subscription, a pong) are passed over and counted in `confirmed`.
    Raises ValueError where the bytes are no RESP2; the connection is of no use then.
    """

    def __init__(self, pattern: bytes) -> None:
        # Everything of a message up to the length of its channel is always the same.
        self._head = b"*4\r\n$8\r\npmessage\r\n$%d\r\n%s\r\n$" % (len(pattern), pattern)
        self._rest = b""
        self.confirmed = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete now, in their order."""
        if self._rest:
            data = self._rest + data
        head, skip, size = self._head, len(self._head), len(data)
        found: list[bytes] = []
        at = 0
        find = data.find
        while at < size:
            if not data.startswith(head, at):
                after = self._other(data, at)
                if after < 0:
                    break
                at = after
                continue
            end = find(b"\r\n", at + skip)
            if end < 0:
                break
            start = end + int(data[at + skip : end]) + 5  # \r\n, the channel, \r\n$
            end = find(b"\r\n", start)
            if end < 0:
                break
            start, end = end + 2, end + 2 + int(data[start:end])
            if end + 2 > size:
                break
            found.append(data[start:end])
            at = end + 2
        self._rest = data[at:]
        return found

    def _other(self, data: bytes, at: int) -> int:
        """Where the reply that begins here ends; -1 while it is not complete."""
        if self._head.startswith(data[at : at + len(self._head)]):
            return -1  # the beginning of a message
        after = skip(data, at)
        if after >= 0:
            self.confirmed += 1
        return after


def skip(data: bytes, at: int) -> int:
    """Where the RESP2 reply at `at` ends; -1 while it is not complete. Raises ValueError for an error."""
    end = data.find(b"\r\n", at)
    if end < 0:
        if len(data) - at > 64 * 1024:
            raise ValueError("no end of a line")
        return -1
    kind, text, at = data[at : at + 1], data[at + 1 : end], end + 2
    if kind in b"+:":
        return at
    if kind == b"-":
        raise ValueError(text.decode("utf-8", "replace"))
    if kind == b"$":
        at += int(text) + 2 if text != b"-1" else 0
        return at if at <= len(data) else -1
    if kind == b"*":
        for _ in range(int(text)):
            at = skip(data, at)
            if at < 0:
                return -1
        return at
    raise ValueError(f"a reply of an unknown kind {kind!r}")


def events_of(payload: bytes) -> list[dict[str, Any]] | None:
    """The events of a message, one or a batch of them; None where it is none that we can read.

    Only JSON is read: Celery's events may be pickled, and to unpickle what others send is to run it.
    """
    try:
        end = payload.find(b'"', _START) if payload.startswith(_BODY) else -1
        if payload.startswith(_AS_USUAL, end):
            found = _parsed(binascii.a2b_base64(payload[_START:end]))
        else:
            found = _by_envelope(orjson.loads(payload))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    if type(found) is dict:
        return [found]
    return found if type(found) is list else None


def _by_envelope(envelope: Any) -> Any:
    """An envelope that is not as kombu writes it today."""
    if "json" not in str(envelope.get("content-type", "application/json")):
        return None
    body = envelope["body"]
    if envelope.get("properties", {}).get("body_encoding") == "base64":
        body = binascii.a2b_base64(body)
    return _parsed(body)


def _parsed(body: bytes | str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:  # lone surrogates, NaN: Python's own parser takes them
        return json.loads(body)
