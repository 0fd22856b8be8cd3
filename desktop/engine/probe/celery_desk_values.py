"""What a task returned, as short text. Part of the probe."""

from __future__ import annotations

import dataclasses
from collections import deque
from typing import Any, Optional

RESULT_CAP = 1024  # characters, as Celery's own `resultrepr_maxsize`
LEVELS = 4  # of containers in containers
_LONG_INT = 4000  # bits: to write a longer one takes time that grows with its square
_TEXTS = (str, bytes, bytearray)
_ENDS: dict[Any, str] = {tuple: "()", list: "[]", set: "{}", frozenset: "{}", deque: "[]"}
_PLAIN = (int, float, range)  # shown, though some of them have items
_ATOMS = {int, float, bool, str, type(None)}


def shown(value: Any) -> Optional[str]:
    """A value much as `repr` shows it, within the cap; None when it cannot be shown.

    Takes no longer for a large value than for a small one: containers are read until the cap is reached,
    and an object whose class has items of its own (an array, a query) is named, not shown: its `__repr__`
    may take long or even ask a database.
    """
    try:
        kind = type(value)
        if kind is str:
            text = repr(value[:RESULT_CAP])
        elif kind is bool or kind is float or kind is int:
            text = _scalar(value)
        else:
            parts: list[str] = []
            _into(parts, value, RESULT_CAP, LEVELS)
            text = "".join(parts)
    except Exception:  # a value of the project's may do anything, also change while it is read
        return None
    return text if len(text) <= RESULT_CAP else text[: RESULT_CAP - 3] + "..."


def _into(parts: list[str], value: Any, left: int, levels: int) -> int:
    """Append the pieces of a value; returns how much of the cap is left after it."""
    if type(value) in _ATOMS:
        return _put(parts, _scalar(value), left)
    if isinstance(value, dict):
        pairs = dict.items(value)
        return _pairs(parts, ((_named(key), item) for key, item in pairs), "{}: ", left, levels)
    for base, ends in _ENDS.items():
        if isinstance(value, base):
            if base is set and not value:
                return _put(parts, "set()", left)
            if base is tuple and len(value) == 1:
                ends = "(,)"
            return _items(parts, base.__iter__(value), ends, left, levels)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        parts.append(type(value).__qualname__)
        return _pairs(parts, fields, "()=", left, levels)
    return _put(parts, _scalar(value), left)


def _put(parts: list[str], text: str, left: int) -> int:
    parts.append(text)
    return left - len(text)


def _items(parts: list[str], items: Any, ends: str, left: int, levels: int) -> int:
    """`ends`: how it begins, and how it ends."""
    parts.append(ends[0])
    first = True
    for item in items:
        if not first:
            parts.append(", ")
            left -= 2
        first = False
        if left <= 0 or not levels:
            parts.append("...")
            break
        left = _into(parts, item, left, levels - 1)
    parts.append(ends[1:])
    return left - 2


def _pairs(parts: list[str], pairs: Any, marks: str, left: int, levels: int) -> int:
    """`marks`: how it begins, how it ends, and what stands between name and value."""
    parts.append(marks[0])
    first = True
    for name, item in pairs:
        if not first:
            parts.append(", ")
            left -= 2
        first = False
        if left <= 0 or not levels:
            parts.append("...")
            break
        parts.append(name + marks[2:])
        left = _into(parts, item, left - len(name) - 2, levels - 1)
    parts.append(marks[1])
    return left - 2


def _named(key: Any) -> str:
    parts: list[str] = []
    _into(parts, key, RESULT_CAP, 1)
    return "".join(parts)


def _scalar(value: Any) -> str:
    if isinstance(value, _TEXTS):
        return repr(value[:RESULT_CAP])
    if isinstance(value, int) and value.bit_length() > _LONG_INT:
        return "<an integer of %d bits>" % value.bit_length()
    kind = type(value)
    if not isinstance(value, _PLAIN) and (hasattr(kind, "__len__") or hasattr(kind, "__iter__")):
        return "<%s.%s>" % (kind.__module__, kind.__qualname__)
    return repr(value)
