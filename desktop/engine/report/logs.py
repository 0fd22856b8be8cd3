"""What the services wrote round each fault, out of log files of any size."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path

from desktop.engine.api import FaultRecord, LogLine, Mark, MarkKind
from desktop.engine.observe.loglines import clean, parse
from desktop.engine.report.model import Around

AROUND = 10.0  # seconds before and after
LINES = 40  # of one service, round one moment
FAULTS = 50  # whose lines are told
_BYTES = 1 << 20  # read on either side of a moment
_STEP = 1 << 14  # bytes within which a line with a time is looked for
_LONGEST = 600  # characters of a line
_NAME = re.compile(r"(?P<service>.+)\.\d+\.log(?:\.\d+)?")
_LOUD = frozenset({"WARNING", "ERROR", "CRITICAL"})
_ENDS = frozenset({MarkKind.KILLED, MarkKind.EXITED, MarkKind.RECOVERED, MarkKind.READY, MarkKind.STARTED})
_QUARTER = 900.0  # seconds: zones differ from ours by multiples of them
_MAX_ZONE = 14 * 3600.0


def around_faults(folder: Path, faults: Sequence[FaultRecord], marks: Sequence[Mark]) -> tuple[Around, ...]:
    """Round each fault that landed, the first `FAULTS` of them; loud lines before others, each in its order.

    A fault that lasts is told of at both ends.
    """
    files = [_LogFile(path, service) for path, service in _files(folder)]
    landed = [fault for fault in faults if fault.landed_at is not None][:FAULTS]
    return tuple(_around(fault, files, marks) for fault in landed)


def _files(folder: Path) -> Iterator[tuple[Path, str]]:
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError:
        return
    for path in paths:
        if match := _NAME.fullmatch(path.name):
            yield path, match["service"]


def _around(fault: FaultRecord, files: Sequence[_LogFile], marks: Sequence[Mark]) -> Around:
    moments = [fault.landed_at or 0.0]
    if fault.ended_at is not None and fault.ended_at - moments[0] > AROUND:
        moments.append(fault.ended_at)
    services: dict[str, tuple[LogLine, ...]] = {}
    left: dict[str, int] = {}
    more = False
    for file in files:
        for moment in moments:
            if not file.reaches(moment - AROUND, moment + AROUND):
                continue
            lines, cut = file.between(moment)
            more |= cut
            chosen = _chosen(lines, moment)
            if chosen:
                known = (*services.get(file.service, ()), *chosen)
                services[file.service] = tuple(sorted(known, key=attrgetter("t")))
                left[file.service] = left.get(file.service, 0) + len(lines) - len(chosen)
    first, last = moments[0] - 1.0, moments[-1] + AROUND
    exits = tuple(mark for mark in marks if mark.kind in _ENDS and first <= mark.t <= last)[:LINES]
    return Around(fault.id, exits, services, {name: n for name, n in left.items() if n}, more)


def _chosen(lines: Sequence[LogLine], moment: float) -> list[LogLine]:
    """The loud ones first, then those nearest to the moment; in the order in which they were written."""
    if len(lines) <= LINES:
        return list(lines)
    order = sorted(lines, key=lambda line: (line.level not in _LOUD, abs(line.t - moment)))
    return sorted(order[:LINES], key=lambda line: line.seq)


@dataclass(slots=True)
class _LogFile:
    """A log file, in which a moment is found by halving."""

    path: Path
    service: str
    _facts: tuple[int, float, float, float] | None = None  # size, zone, first and last time

    def reaches(self, since: float, until: float) -> bool:
        """Whether any of its lines may be of that span."""
        _, _, first, last = self._known()
        return first <= until and last >= since

    def between(self, moment: float) -> tuple[list[LogLine], bool]:
        """Its lines `AROUND` a moment; whether the span had more than is read of it."""
        size, zone, _, _ = self._known()
        with self.path.open("rb") as file:
            at = _find(file.fileno(), size, moment - zone)
            first = _find(file.fileno(), size, moment - AROUND - zone)
            start = max(first, at - _BYTES)
            file.seek(start)
            data = file.read(at + _BYTES - start)
        cut = start > first
        found: list[LogLine] = []
        t: float | None = None
        for number, raw in enumerate(data.split(b"\n")):
            line = parse(clean(raw))
            t = line.t + zone if line.t is not None else t
            if t is None or t < moment - AROUND or not raw:
                continue
            if t > moment + AROUND:
                return found, cut
            found.append(LogLine(number, self.service, t, line.level, line.text[:_LONGEST]))
        return found, cut or len(data) == at + _BYTES - start

    def _known(self) -> tuple[int, float, float, float]:
        if self._facts is None:
            self._facts = _look(self.path)
        return self._facts


def _look(path: Path) -> tuple[int, float, float, float]:
    """Size, what must be added to its times, and the first and last of them; none are later than any time.

    A worker may log in another zone than ours: its last line was written when the file was, as in
    `observe.logs`.
    """
    nothing = (0, 0.0, float("inf"), float("-inf"))
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            first = next(_times(file.read(_STEP)), None)
            file.seek(max(0, found.st_size - _STEP))
            last = max(_times(file.read()), default=None)
    except OSError:
        return nothing
    if first is None or last is None:
        return nothing
    differs = found.st_mtime - last
    zone = round(differs / _QUARTER) * _QUARTER
    if abs(differs - zone) >= 5.0 or abs(zone) > _MAX_ZONE:
        zone = 0.0
    return found.st_size, zone, first + zone, last + zone


def _times(data: bytes) -> Iterator[float]:
    for raw in data.split(b"\n"):
        t = parse(clean(raw)).t
        if t is not None:
            yield t


def _find(file: int, size: int, t: float) -> int:
    """Where the first line begins that is not before `t`, about: its block is."""
    low, high = 0, size // _STEP + 1  # blocks; what begins in `low` is before t
    while high - low > 1:
        middle = (low + high) // 2
        found = _time_after(file, middle * _STEP, size)
        if found is None or found >= t:
            high = middle
        else:
            low = middle
    return low * _STEP


def _time_after(file: int, at: int, size: int) -> float | None:
    """The first time of a line that begins after that byte; None where there is none up to the end."""
    while at < size:
        data = os.pread(file, _STEP, at)
        whole = data.partition(b"\n")[2]
        found = next(_times(whole), None)
        if found is not None:
            return found
        at += _STEP
    return None
