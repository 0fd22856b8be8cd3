"""How a report says times, counts and other people's texts."""

from __future__ import annotations

import re
import time

from desktop.engine.api import Count
from desktop.engine.supervise.outcome import duration, plural

__all__ = ["amount", "clock", "count", "day", "duration", "offset", "plural", "printable", "seconds"]

# What no XML may hold, and what turns the direction of a text or hides in it: an id or a line of a log must
# look like what it is.
_UNSHOWN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def printable(text: str) -> str:
    """A text in which every character can be seen and may stand in XML; line feed and tabulator stay."""
    return _UNSHOWN.sub(_shown, text.replace("\r\n", "\n"))


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else "\ufffd"


def day(t: float) -> str:
    """`2026-11-22 21:20:07 +0000`, local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(t))


def clock(t: float) -> str:
    """`21:20:07.123`, local time."""
    millis = round(t * 1000)
    return f"{time.strftime('%H:%M:%S', time.localtime(millis // 1000))}.{millis % 1000:03d}"


def offset(t: float, zero: float) -> str:
    """`+12.3 s`, `−0.4 s`, `+3 min 4 s`: from a moment that counts as the beginning."""
    passed = t - zero
    return f"{'−' if passed < 0 else '+'}{seconds(abs(passed))}"


def seconds(value: float | None) -> str:
    """A duration to its third figure, `–` for one that is not known: `43 ms`, `1.25 s`, `58 min 20 s`."""
    if value is None:
        return "–"
    if value == 0:
        return "0 s"
    if value < 0.9995:
        return f"{value * 1000:.0f} ms" if value >= 0.01 else f"{value * 1000:.1f} ms"
    return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s" if value < 59.95 else duration(value)


def count(said: Count) -> str:
    """`2`, or `0 to 3`."""
    return f"{said.least:,}" if said.exact else f"{said.least:,} to {said.most:,}"


def amount(value: float) -> str:
    """A value of a graph: `0.4`, `12`, `1,240`, `3.4 M`."""
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:.3g} M"
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}"
