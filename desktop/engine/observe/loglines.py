"""What one line of a service's log says: Celery's format, Valkey's, and whatever else is printed."""

from __future__ import annotations

import re
import time
from typing import NamedTuple

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
# worker_log_format and worker_task_log_format begin alike: [%(asctime)s: %(levelname)s/%(processName)s]
_CELERY = re.compile(
    r"\[(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),(\d{3}): (DEBUG|INFO|WARNING|ERROR|CRITICAL)/([^\]]+)\] ?(.*)",
    re.DOTALL,
)
# 4242:M 22 Nov 2026 10:00:00.123 * Ready to accept connections
_VALKEY = re.compile(r"\d+:[A-Z] (\d\d \w{3} \d{4} \d\d:\d\d:\d\d)\.(\d{3}) ([.\-*#]) (.*)", re.DOTALL)
_VALKEY_LEVELS = {".": "DEBUG", "-": "DEBUG", "*": "INFO", "#": "WARNING"}
# Not strptime's %b, which is of the user's language.
_MONTHS = {
    "Jan": "01", "Feb": "02", "Mar": "03", "Apr": "04", "May": "05", "Jun": "06",
    "Jul": "07", "Aug": "08", "Sep": "09", "Oct": "10", "Nov": "11", "Dec": "12",
}  # fmt: skip


class Parsed(NamedTuple):
    """A line, taken apart."""

    t: float | None  # None: the line has no time of its own
    level: str  # "" for a line without one: a banner, or the continuation of the line above
    text: str


def clean(raw: bytes) -> str:
    """The text of a line: UTF-8 with replacements, without colours and control characters."""
    text = raw.decode("utf-8", "replace")
    if "\x1b" in text:
        text = _ESCAPES.sub("", text)
    if not text.isprintable():
        text = _CONTROLS.sub("", text)
    return text


def parse(text: str) -> Parsed:
    """Take a line apart.

    What a pool process wrote keeps its name in front of the text, as "ForkPoolWorker-1: …"; the
    main process is not named.
    """
    if text.startswith("["):
        if match := _CELERY.match(text):
            when, millis, level, process, rest = match.groups()
            t = _epoch(when, millis)
            if t is not None:
                return Parsed(t, level, rest if process == "MainProcess" else f"{process}: {rest}")
    elif text[:1].isdigit() and (match := _VALKEY.match(text)):
        when, millis, sign, rest = match.groups()
        day, month, year, clock = when.split(" ")
        t = _epoch(f"{year}-{_MONTHS.get(month, '')}-{day} {clock}", millis)
        if t is not None:
            return Parsed(t, _VALKEY_LEVELS[sign], rest)
    return Parsed(None, "", text)


_last_second: tuple[str, float] = ("", 0.0)


def _epoch(when: str, millis: str) -> float | None:
    """Local time as seconds since the epoch. A burst of lines falls into one second: it is kept."""
    global _last_second
    known, seconds = _last_second
    if when != known:
        try:
            seconds = time.mktime(time.strptime(when, "%Y-%m-%d %H:%M:%S"))
        except (ValueError, OverflowError):
            return None
        _last_second = (when, seconds)
    return seconds + int(millis) / 1000
