"""The kinds of value that a key of a stack file takes: each returns the value, or raises `WrongError`."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, TypeVar

from desktop.engine.stack.model import Autoscale
from desktop.engine.stack.problems import Fault, WrongError, did_you_mean, kind_of, shown, wrong

E = TypeVar("E", bound=StrEnum)

NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
RESERVED_NAMES = frozenset({"broker", "relay", "beat", "web"})
# What kombu's Redis transport keeps under these names is no list, so a queue of that name breaks it
# (kombu/transport/redis.py: unacked_key, unacked_index_key, unacked_mutex_key, keyprefix_queue).
_KOMBU_KEYS = frozenset({"unacked", "unacked_index", "unacked_mutex"})
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def text(value: Any) -> str:
    """Text on one line that a program can be given as an argument."""
    if not isinstance(value, str):
        raise wrong(f"must be text, not {kind_of(value)}.", 'Put it in quotes: "…".')
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise wrong("holds a control character (a tab, a line break or the like).", "Take it out.")
    return value


def filled(value: Any) -> str:
    """Text that is not empty."""
    found = text(value).strip()
    if not found:
        raise wrong("is empty.", "Give it a value, or leave the key out.")
    return found


def flag(value: Any) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise wrong(f"must be true or false, not {kind_of(value)}.", "Write true or false, without quotes.")
    return value


def whole(low: int, high: int | None = None, unit: str = "") -> Callable[[Any], int]:
    """A whole number within bounds."""
    allowed = f"{low} or more" if high is None else f"{low} to {high}"
    step = f"Allowed: a whole number, {allowed}{f' ({unit})' if unit else ''}, without quotes."

    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise wrong(f"must be a whole number, not {_other(value)}.", step)
        if value < low or (high is not None and value > high):
            raise wrong(f"cannot be {shown(value)}.", step)
        return value

    return read


def seconds(value: Any) -> float:
    """A duration: more than 0."""
    step = "Allowed: a number of seconds, more than 0, without quotes."
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(f"must be a number, not {kind_of(value)}.", step)
    if not 0 < value < 1e9 or math.isnan(value):
        raise wrong(f"cannot be {shown(value)}.", step)
    return float(value)


def port(value: Any) -> int:
    """0 for a free one, or a port that needs no root."""
    if isinstance(value, int) and not isinstance(value, bool) and (value == 0 or 1024 <= value <= 65535):
        return value
    step = "Allowed: 0 (a free one is taken), or 1024 to 65535."
    raise wrong(f"cannot be {shown(value)}.", step)


def word(choices: Iterable[str]) -> Callable[[Any], str]:
    """One of a few words; the nearest one is named for a misspelt one."""
    allowed = tuple(choices)
    listed = ", ".join(f'"{choice}"' for choice in allowed)

    def read(value: Any) -> str:
        if isinstance(value, str) and value in allowed:
            return value
        if isinstance(value, str):
            raise wrong(f"cannot be {shown(value)}.", f"{did_you_mean(value, allowed)}Allowed: {listed}.")
        raise wrong(f"must be text, not {kind_of(value)}.", f"Allowed: {listed}.")

    return read


def member(enum: type[E]) -> Callable[[Any], E]:
    """A word of an enum."""
    read = word(item.value for item in enum)
    return lambda value: enum(read(value))


def log_level(value: Any) -> str:
    """A level of Python's logging, in capitals."""
    return word(LOG_LEVELS)(value.upper() if isinstance(value, str) else value)


def name(value: Any) -> str:
    """The name of a stack or a worker; it becomes part of node names, file names and commands."""
    found = filled(value)
    if not NAME.fullmatch(found) or len(found) > 60:
        raise wrong(
            f"cannot be {shown(found)}.",
            'Allowed: up to 60 of a-z, 0-9, ".", "_" and "-", starting with a letter or a digit.',
        )
    return found


def worker_name(value: Any) -> str:
    """A name that no other service of a stack has."""
    found = name(value)
    if found in RESERVED_NAMES:
        raise wrong(
            f"cannot be {shown(found)}: that is another service of the stack.", "Choose another name."
        )
    return found


def queues(value: Any) -> tuple[str, ...]:
    """Names of queues, at least one."""
    found = strings(value)
    if not found:
        raise wrong("is empty.", 'Name at least one queue, or leave the key out for ["celery"].')
    faults = [Fault(*why, at=(index,)) for index, queue in enumerate(found) if (why := _queue_fault(queue))]
    faults += [
        Fault(f"names the queue {shown(queue)} twice.", "Keep it once.", (index,))
        for index, queue in enumerate(found)
        if queue in found[:index]
    ]
    if faults:
        raise WrongError(*faults)
    return found


def _queue_fault(queue: str) -> tuple[str, str] | None:
    if not queue.strip() or queue != queue.strip():
        return "has a queue name that is empty or starts or ends with a space.", "Correct the name."
    if "," in queue:
        return f"has a comma in the queue name {shown(queue)}.", 'Write two names: ["a", "b"], not ["a,b"].'
    if queue in _KOMBU_KEYS or queue.startswith("_kombu."):
        return f"names {shown(queue)}, which Celery itself uses in Redis.", "Choose another name."
    return None


def strings(value: Any) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, list):
        raise wrong(f"must be a list of texts, not {kind_of(value)}.", 'Write it in brackets: ["…"].')
    found: list[str] = []
    faults: list[Fault] = []
    for index, item in enumerate(value):
        try:
            found.append(text(item))
        except WrongError as error:
            faults += [fault.under(index) for fault in error.faults]
    if faults:
        raise WrongError(*faults)
    return tuple(found)


def autoscale(value: Any) -> Autoscale:
    """Bounds of the autoscaler.

    `min` may be 0: Celery 5.7 then starts no process until a task comes (tried on prefork, gevent, eventlet).
    """
    example = "Write autoscale = { min = 1, max = 4 }."
    if not isinstance(value, dict):
        raise wrong(f"must be a table with min and max, not {kind_of(value)}.", example)
    faults = [
        Fault("is not known.", f"{did_you_mean(key, ('min', 'max'))}{example}", (key,))
        for key in value
        if key not in ("min", "max")
    ]
    bounds: dict[str, int] = {}
    for key, low in (("min", 0), ("max", 1)):
        if key not in value:
            faults.append(Fault(f"has no `{key}`.", example))
            continue
        try:
            bounds[key] = whole(low, 1000)(value[key])
        except WrongError as error:
            faults += [fault.under(key) for fault in error.faults]
    if faults:
        raise WrongError(*faults)
    if bounds["min"] > bounds["max"]:
        low, high = bounds["min"], bounds["max"]
        raise wrong(
            f"has a min ({low}) above its max ({high}).",
            f"Write {{ min = {high}, max = {low} }}, or correct one.",
        )
    return Autoscale(bounds["min"], bounds["max"])


def _other(value: Any) -> str:
    return shown(value) if isinstance(value, float) else kind_of(value)
