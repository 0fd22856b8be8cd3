"""Reading a ledger folder while it is written."""

from __future__ import annotations

import heapq
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orjson import JSONDecodeError, loads

from desktop.engine.ledger.lines import Line, Source, parsed, source_of

CHUNK = 4 * 1024 * 1024  # bytes read of one file in one poll
PIECE = 4096  # bytes at the least, where many files are read in the order of time
FIRST_LINE = 64  # bytes within which a file says when it begins
OPEN_FILES = 64
IDLE_SECONDS = 10.0  # after which the file of a dead process is left alone
FRESH_SECONDS = 1.0  # a folder changed so lately may change again without a new time stamp
LONG_SCAN = 0.005  # seconds; listing a folder of thousands of pool processes is not done at every poll,
SCAN_SHARE = 20  # but takes one part in so many of the time


@dataclass(slots=True)
class _File:
    source: Source
    path: str
    fd: int = -1
    offset: int = 0
    partial: bytes = b""
    grew_at: float = 0.0


@dataclass(slots=True)
class _Folder:
    path: str
    changed_ns: int = -1
    scan_at: float = 0.0
    known: set[str] = field(default_factory=set)


class Tail:
    """Gives every line of the files of a folder once, in the order of each file.

    Not for several threads at once. A poll of idle files costs one system call a file; files of processes
    that have died are closed and forgotten when they have been read to their end. At most 64 are open.
    """

    def __init__(self, folder: Path, positions: Mapping[str, int] | None = None, chunk: int = CHUNK) -> None:
        """`positions`: how far files were read before, as `positions` told; `chunk`: bytes of one read."""
        self._folder = _Folder(str(folder))
        self._files: list[_File] = []
        self._from = dict(positions or {})
        self._chunk = chunk
        self._grown: dict[str, _File] = {}
        self.bad = 0  # lines that were no object of ours
        self.behind = False  # the last poll left something unread: poll again at once

    def poll(self) -> list[Line]:
        """What was appended since the last call. A line is given when its end has been written."""
        now = time.monotonic()
        self._look_for_files(now)
        self.behind = False
        lines: list[Line] = []
        over: list[_File] = []
        for file in self._files:
            data = self._read(file, self._chunk)
            if data:
                self.behind = self.behind or len(data) == self._chunk
                file.grew_at = now
                self._grown[file.path] = file
                self._split(file, data, lines)
            elif now - file.grew_at > IDLE_SECONDS:
                file.grew_at = now  # asks again in as long
                if not lives(file.source.pid):
                    over.append(file)
        for file in over:
            self._close(file)
            self._files.remove(file)
        self._bound_descriptors()
        return lines

    def in_time(self) -> Iterator[list[Line]]:
        """Everything that is written now, in pieces, and by and large in the order in which it was written.

        For a long record that nobody adds to: `poll` reads each file at its own pace, so that the end of a
        task may come up long before the line that says who sent it.
        """
        self._look_for_files(time.monotonic())
        chunk = max(PIECE, min(self._chunk, CHUNK // max(len(self._files), 1)))
        begun = [(_begin(file), number) for number, file in enumerate(self._files)]
        heapq.heapify(begun)
        while begun:
            reached, number = heapq.heappop(begun)
            file, lines = self._files[number], list[Line]()
            data = self._read(file, chunk)
            if not data:
                self._close(file)
                continue
            self._grown[file.path] = file
            self._split(file, data, lines)
            if lines:
                yield lines
                reached = max(reached, lines[-1].data.get("t") or 0.0)
            heapq.heappush(begun, (reached, number))
            self._bound_descriptors()

    def positions(self) -> dict[str, int]:
        """How far each file was read, by its name, in whole lines: those that grew since the last call."""
        grown, self._grown = self._grown, {}
        return {os.path.basename(path): file.offset - len(file.partial) for path, file in grown.items()}

    def close(self) -> None:
        """Close the files. What was read stays read: a later poll goes on from there."""
        for file in self._files:
            self._close(file)

    def _look_for_files(self, now: float) -> None:
        folder = self._folder
        if now < folder.scan_at:
            return
        try:
            changed_ns = os.stat(folder.path).st_mtime_ns
            if changed_ns == folder.changed_ns:
                return
            with os.scandir(folder.path) as entries:
                names = [entry.name for entry in entries if entry.name not in folder.known]
        except OSError:
            return  # not there yet, or no longer
        folder.known.update(names)
        for name in sorted(names):
            source = source_of(name)
            if source is not None:
                path = os.path.join(folder.path, name)
                self._files.append(_File(source, path, offset=self._from.get(name, 0), grew_at=now))
        # Time stamps are as coarse as the kernel's tick: a fresh one proves nothing about this moment.
        settled = time.time() - changed_ns / 1e9 > FRESH_SECONDS
        folder.changed_ns = changed_ns if settled else -1
        took = time.monotonic() - now
        folder.scan_at = now + (SCAN_SHARE * took if took > LONG_SCAN else 0.0)

    def _read(self, file: _File, size: int) -> bytes:
        try:
            if file.fd < 0:
                if os.stat(file.path).st_size <= file.offset:
                    return b""
                file.fd = os.open(file.path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
                os.lseek(file.fd, file.offset, os.SEEK_SET)
            data = os.read(file.fd, size)
        except OSError:
            self._close(file)
            return b""
        file.offset += len(data)
        return data

    def _split(self, file: _File, data: bytes, lines: list[Line]) -> None:
        if file.partial:
            data = file.partial + data
        parts = data.split(b"\n")
        file.partial = parts.pop()
        source = file.source
        new, add = tuple.__new__, lines.append  # Line(…) takes four times as long
        for part in parts:
            try:
                found = loads(part)
                found["k"]
            except (JSONDecodeError, TypeError, KeyError):
                found = parsed(part) if part else None
                if found is None:
                    self.bad += bool(part)
                    continue
            add(new(Line, (source, found, part)))

    def _bound_descriptors(self) -> None:
        opened = [file for file in self._files if file.fd >= 0]
        if len(opened) > OPEN_FILES:
            opened.sort(key=lambda file: file.grew_at)
            for file in opened[:-OPEN_FILES]:
                self._close(file)

    @staticmethod
    def _close(file: _File) -> None:
        if file.fd >= 0:
            os.close(file.fd)
            file.fd = -1


def _begin(file: _File) -> float:
    """When the first line was written of a file of which nothing was read; else nobody knows: 0.0."""
    if file.offset:
        return 0.0
    try:
        with open(file.path, "rb") as opened:
            found = re.search(rb'"t":([0-9.]+)', opened.read(FIRST_LINE))
        return float(found[1]) if found is not None else 0.0
    except (OSError, ValueError):
        return 0.0


def lives(pid: int) -> bool:
    """Whether there is a process of this number, also one of somebody else's, or a zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it lives, and is not ours to signal
    return True
