"""What all services of a stack write, as one stream of lines."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from operator import itemgetter
from pathlib import Path

from desktop.engine.api import LogLine
from desktop.engine.observe.follow import Follower
from desktop.engine.observe.logfiles import last_lines, prune, rotate
from desktop.engine.observe.loglines import Parsed, clean, parse

__all__ = ["LogBook", "last_lines", "prune", "rotate"]

WINDOW = 20_000
# Zones differ from ours by quarters of an hour, up to fourteen hours.
_QUARTER = 900.0
_MAX_ZONE = 14 * 3600.0


class LogBook:
    """The last `window` lines of all followed log files, numbered in the order they were read.

    Safe to use from any thread. Somebody must `poll` it, some times a second.
    """

    def __init__(self, window: int = WINDOW) -> None:
        self._window = window
        self._followed: dict[str, _Followed] = {}
        self._lines: list[LogLine] = []
        self._next = 0
        self._lock = threading.Lock()

    def follow(self, service: str, path: Path) -> None:
        """Read a service's lines from `path`, which need not exist yet, from its beginning.

        A service has one file at a time: what is left of its last one is read first.
        """
        with self._lock:
            followed = self._followed.get(service)
            if followed is None or followed.file.path != path:
                self._end(service)
                self._followed[service] = _Followed(Follower(path))

    def unfollow(self, service: str) -> None:
        """Read what is left of a service's file, and close it. Its lines stay in the window."""
        with self._lock:
            self._end(service)

    def close(self) -> None:
        """Unfollow every service."""
        with self._lock:
            for service in list(self._followed):
                self._end(service)

    def poll(self) -> int:
        """Read what was written since the last poll; how many lines that were."""
        now = time.time()
        found: list[_Entry] = []
        with self._lock:
            for service, followed in self._followed.items():
                found += followed.entries(service, followed.file.read(), now)
            self._append(found)
        return len(found)

    def lines(self, after: int = -1, limit: int = 5000) -> Sequence[LogLine]:
        """Lines with a larger `seq` than `after`, oldest first: the last `limit` of them."""
        with self._lock:
            if not self._lines or limit <= 0:
                return ()
            start = max(after + 1 - self._lines[0].seq, len(self._lines) - min(limit, self._window), 0)
            return tuple(self._lines[start:])

    def _end(self, service: str) -> None:
        followed = self._followed.pop(service, None)
        if followed is not None:
            self._append(followed.entries(service, followed.file.finish(), time.time()))

    def _append(self, found: list[_Entry]) -> None:
        # Services are read one after the other; by time their lines make one story.
        found.sort(key=itemgetter(0))
        for _order, service, t, level, text in found:
            self._lines.append(LogLine(self._next, service, t, level, text))
            self._next += 1
        # In blocks: to cut the front of a list costs as much as the whole list.
        if len(self._lines) > self._window + self._window // 8:
            del self._lines[: -self._window]


# (what it is sorted by: time, but never against the order in the file; service, t, level, text)
_Entry = tuple[float, str, float, str, str]


class _Followed:
    """A service's file, and what must be known to tell the time of its lines."""

    def __init__(self, file: Follower) -> None:
        self.file = file
        self._zone = 0.0  # seconds to add to the times in the file
        self._order = 0.0

    def entries(self, service: str, raw: list[bytes], now: float) -> list[_Entry]:
        if not raw:
            return []
        parsed = [parse(clean(line)) for line in raw]
        self._tell_zone(parsed[-1])
        first = next((line.t for line in parsed if line.t is not None), None)
        # Lines without a time stand beside one that has it; only where there is none, what we
        # know is when they were read.
        t = now if first is None else first + self._zone
        found = []
        for line in parsed:
            if line.t is not None:
                t = line.t + self._zone
            self._order = max(self._order, t)
            found.append((self._order, service, t, line.level, line.text))
        return found

    def _tell_zone(self, last: Parsed) -> None:
        """Django sets TZ in the processes that load it: such a worker logs in another zone than ours.

        The last line of a file was written when the file was: whole quarters of an hour between
        the two are the zone.
        """
        if last.t is None or not self.file.at_end:
            return
        differs = self.file.modified - last.t
        zone = round(differs / _QUARTER) * _QUARTER
        if abs(differs - zone) < 5.0 and abs(zone) <= _MAX_ZONE:
            self._zone = zone
