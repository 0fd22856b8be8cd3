"""Arguments as Celery's events tell them, read back: only where nothing of them is missing."""

from __future__ import annotations

import ast
from typing import Any

_CUT = "..."  # celery.utils.saferepr writes it wherever it leaves something out, within texts too


def arguments(args: str, kwargs: str) -> tuple[list[Any], dict[str, Any]] | None:
    """The arguments of a task; None unless they are plain data that JSON can hold, and whole."""
    if _CUT in args or _CUT in kwargs:
        return None
    try:
        positional, named = ast.literal_eval(args), ast.literal_eval(kwargs)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None
    if not isinstance(positional, tuple | list) or not isinstance(named, dict):
        return None
    if not _plain(positional) or not _plain(named):
        return None
    return list(positional), named


def _plain(value: Any) -> bool:
    if isinstance(value, tuple | list):
        return all(map(_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _plain(item) for key, item in value.items())
    return value is None or isinstance(value, str | int | float | bool)
