"""What stands in one message, as kombu writes it into Redis. Nothing is ever unpickled."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

JSON = ("application/json", "text/json", "application/x-json")


class Unacked(NamedTuple):
    """A message that was delivered and is not acknowledged: the message, and how it had been sent."""

    message: Mapping[str, Any]
    exchange: str
    routing_key: str


def loaded(raw: bytes | str) -> Any:
    """The JSON value; None when it is none."""
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError:
        try:  # lone surrogates and NaN: Python's own parser takes them
            return json.loads(raw)
        except (ValueError, RecursionError):
            return None


def envelope(raw: bytes | str | None) -> Mapping[str, Any] | None:
    """A waiting message; None for what kombu did not write."""
    value = loaded(raw) if raw is not None else None
    return value if is_envelope(value) else None


def is_envelope(value: Any) -> bool:
    """Whether this is a message as kombu writes it."""
    return isinstance(value, dict) and isinstance(value.get("properties"), dict) and "body" in value


def unacked(raw: bytes | None) -> Unacked | None:
    """An entry of the hash of unacknowledged messages; None for what kombu did not write."""
    value = loaded(raw) if raw is not None else None
    if not isinstance(value, list) or len(value) != 3 or not is_envelope(value[0]):
        return None
    return Unacked(value[0], str(value[1] or ""), str(value[2] or ""))


def task_id(message: Mapping[str, Any]) -> str | None:
    """The id of the task; None where the message is not a task's."""
    headers = message.get("headers")
    found = headers.get("id") if isinstance(headers, dict) else None
    if not found and not (isinstance(headers, dict) and headers.get("task")):
        # Protocol 1 has it in the body; Celery also writes it into this property.
        found = message["properties"].get("correlation_id") or _body_member(message, "id")
    return found if isinstance(found, str) and found else None


def _body_member(message: Mapping[str, Any], name: str) -> Any:
    value = body(message)
    return value.get(name) if isinstance(value, dict) else None


def body(message: Mapping[str, Any]) -> Any:
    """What the body holds, where that is JSON; None otherwise, pickle among it."""
    raw = raw_body(message)
    if raw is None or str(message.get("content-type", "")) not in JSON:
        return None
    headers = message.get("headers")
    if isinstance(headers, dict) and headers.get("compression"):
        return None
    return loaded(raw)


def raw_body(message: Mapping[str, Any]) -> bytes | None:
    """The body's bytes, out of the envelope's own encoding."""
    text = message.get("body")
    if not isinstance(text, str):
        return None
    if message["properties"].get("body_encoding") != "base64":
        return text.encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return None
