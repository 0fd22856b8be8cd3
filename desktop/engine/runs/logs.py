"""The log lines of a run that is over, from its files: the last of them, in the order of their times."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path

from desktop.engine.api import LogLine
from desktop.engine.observe.logs import WINDOW, LogBook

_NAME = re.compile(r"(?P<service>.+)\.\d+\.log(?:\.\d+)?")
_MOST_BYTES = 64 << 20  # of the newest files; older ones tell of hours before the last lines


class RecordedLogs:
    """Read in a thread of their own; until that is done there are none."""

    def __init__(self, folder: Path) -> None:
        self._lines: Sequence[LogLine] = ()
        self._folder = folder
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, name="run-logs", daemon=True)
        self._thread.start()

    def lines(self, after: int = -1, limit: int = 5000) -> Sequence[LogLine]:
        """Lines with a larger `seq` than `after`, oldest first: the last `limit` of them."""
        found = self._lines
        return found[max(after + 1, len(found) - limit, 0) :] if limit > 0 else ()

    def close(self) -> None:
        """Read no further, and wait until that is so."""
        self._stopped.set()
        self._thread.join()

    def _read(self) -> None:
        found: list[LogLine] = []
        for path, service in _newest(self._folder):
            if self._stopped.is_set():
                return
            book = LogBook(WINDOW)
            book.follow(service, path)
            book.close()
            written = path.stat().st_mtime
            # A file without any time in it is as old as its last line, not as this look at it.
            found += (replace(one, t=min(one.t, written)) for one in book.lines(limit=WINDOW))
        found.sort(key=attrgetter("t"))
        self._lines = [replace(line, seq=seq) for seq, line in enumerate(found[-WINDOW:])]


def _newest(folder: Path) -> list[tuple[Path, str]]:
    """(file, service), the one that was written last first, up to a size that is read in a moment."""
    try:
        files = [(path, path.stat()) for path in folder.iterdir() if path.is_file()]
    except OSError:
        return []
    chosen: list[tuple[Path, str]] = []
    size = 0
    for path, found in sorted(files, key=lambda pair: -pair[1].st_mtime):
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        size += found.st_size
        if chosen and size > _MOST_BYTES:
            break
        chosen.append((path, match["service"]))
    return chosen
