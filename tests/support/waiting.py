"""Waiting for what happens elsewhere: until it is so, or a deadline with words."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psutil

T = TypeVar("T")


def eventually(condition: Callable[[], T], what: str, within: float = 30.0, every: float = 0.01) -> T:
    """The first true value of `condition`; fails with `what` after `within` seconds."""
    until = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > until:
            raise AssertionError(f"not within {within:g} s: {what} (last: {value!r})")
        time.sleep(every)


def runs(pid: int) -> bool:
    """False for a zombie too: that of an orphan is for init to reap, in its own time."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
