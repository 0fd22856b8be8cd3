"""Durations as people write them: "10 s", "200 ms", "2 min", or a number of seconds."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from desktop.engine.stack.problems import kind_of, shown, wrong

LONGEST = 7 * 86_400.0  # seconds: what lasts longer than a week is no drill
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_WRITTEN = re.compile(r"(?P<number>\d{1,9}(?:\.\d{1,9})?)\s*(?P<unit>ms|s|min|h)")
_BETWEEN = re.compile(r"(?P<low>.+?)\s+to\s+(?P<high>.+)")
STEP = 'Allowed: a time such as "10 s", "200 ms" or "2 min", or a number of seconds.'


def seconds(low: float = 0.0, high: float = LONGEST, *, above: bool = False) -> Callable[[Any], float]:
    """A duration from `low` (`above` it, where that is said) to `high`."""
    bound = f"more than {low:g} s" if above else f"{low:g} s or more"
    step = f"{STEP[:-1]}; {bound}{'' if high == LONGEST else f', at most {high:g} s'}."

    def read(value: Any) -> float:
        found = _seconds(value)
        if not low <= found <= high or (above and found == low):
            raise wrong(f"cannot be {shown(value)}.", step)
        return found

    return read


def moment(value: Any) -> tuple[float, float | None]:
    """A moment, as "5 s", or as "1 s to 4 s": it is drawn between both then."""
    between = _BETWEEN.fullmatch(value.strip()) if isinstance(value, str) and len(value) < 60 else None
    read = seconds()
    if between is None:
        return read(value), None
    first, last = read(between["low"]), read(between["high"])
    if first > last:
        raise wrong(
            f"ends before it begins: {shown(value)}.", f'Write "{between["high"]} to {between["low"]}".'
        )
    return first, last


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise wrong(f"must be a time, not {kind_of(value)}.", STEP)
    if not isinstance(value, str):
        if not 0 <= value <= LONGEST:  # nan is not
            raise wrong(f"cannot be {shown(value)}.", STEP)
        return float(value)
    found = _WRITTEN.fullmatch(value.strip())
    if found is None:
        raise wrong(f"is no time: {shown(value)}.", STEP)
    return float(found["number"]) * _UNITS[found["unit"]]
