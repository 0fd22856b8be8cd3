"""The small questions about a run, which are answered at once, from any thread."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
import zlib
from array import array
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from desktop.engine.api import Mark, MarkKind, RunInfo, TaskState
from desktop.engine.record import schema
from desktop.engine.record.facts import copied_of
from desktop.engine.record.moment import MOMENT
from desktop.engine.record.writing.samples import TIMES

_OWN = frozenset(
    {"account", "counts", "clean", MOMENT, "copied"}
)  # keys of `meta` that are nobody else's business
_SIZE_SECONDS = 10.0
_LATE = 1_000  # tasks, from the newest, whose times are looked at for the last moment


class Front:
    """A connection of its own, and what it read last: each question reads again only after a commit."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = schema.open_to_read(path)
        self._lock = threading.Lock()
        self._version = 1
        self._data_version = self._asked_version()
        self._known: dict[str, Any] = {}
        self._asks: dict[str, Callable[[], Any]] = {
            "meta": self._read_meta,
            "marks": self._read_marks,
            "series": self._read_series,
            "span": self._read_span,
        }
        self._size = (0.0, 0)  # (until when it is good, bytes)
        self._closed = False
        try:
            self._meta()
        except (sqlite3.Error, ValueError) as error:
            self._connection.close()
            raise schema.unreadable(path, error) from error

    def close(self) -> None:
        """Let go of the database; answers stay what they are now."""
        with self._lock:
            if self._closed:
                return
            with contextlib.suppress(sqlite3.Error):
                self._look()
            for key in self._asks:
                with contextlib.suppress(sqlite3.Error, ValueError, TypeError, zlib.error):
                    self._answer(key)
            self._closed = True
            self._connection.close()

    def version(self) -> int:
        """Grows with each commit."""
        with self._lock:
            self._look()
            return self._version

    def ended(self) -> bool:
        """Its recorder has closed it."""
        with self._lock:
            self._look()
            return "ended" in self._meta()

    def info(self, folder: Path, live: bool) -> RunInfo:
        """What run it is."""
        with self._lock:
            self._look()
            meta = self._meta()
        counts = meta.get("counts", {})
        states = counts.get("states", {})
        return RunInfo(
            folder=folder,
            stack=str(meta.get("stack", "")),
            began=float(meta.get("began", 0.0)),
            ended=None if live else meta.get("ended", self.span()[1]),
            tasks=int(counts.get("tasks", 0)),
            failed=int(states.get(TaskState.FAILURE, 0)),
            lost=int(states.get(TaskState.LOST, 0)),
            ran_twice=int(counts.get("ran_twice", 0)),
            size=self._size_of(folder),
            live=live,
            clean=live or meta.get("clean") is True or "copied" in meta,
            copied=copied_of(meta),
            versions={key: str(value) for key, value in dict(meta.get("versions", {})).items()},
        )

    def _size_of(self, folder: Path) -> int:
        """Of all files, as they were at most ten seconds ago."""
        now = time.monotonic()
        if now > self._size[0]:
            files = (os.path.join(root, name) for root, _, names in os.walk(folder) for name in names)
            self._size = (
                now + _SIZE_SECONDS,
                sum(os.path.getsize(one) for one in files if os.path.isfile(one)),
            )
        return self._size[1]

    def settings(self) -> Mapping[str, Any]:
        """What the recorder put down."""
        with self._lock:
            self._look()
            return {key: value for key, value in self._meta().items() if key not in _OWN}

    def series_names(self) -> tuple[str, ...]:
        """In the order in which they were first recorded."""
        with self._lock:
            self._look()
            return tuple(self._answer("series"))

    def marks(self) -> tuple[Mark, ...]:
        """Oldest first."""
        with self._lock:
            self._look()
            return tuple(self._answer("marks"))

    def span(self) -> tuple[float, float]:
        """From the beginning, or the first beat, to the last thing of which a time is known."""
        with self._lock:
            self._look()
            first, last = self._answer("span")
            return first, last

    def _read_span(self) -> tuple[float, float]:
        ask = self._connection.execute
        meta = self._meta()
        moments = [meta.get("began"), meta.get("ended")]
        moments += ask("SELECT min(t), max(t) FROM mark").fetchone()
        moments += ask("SELECT min(t), max(t) FROM beat").fetchone()
        pieces = "SELECT data FROM piece WHERE series = ? AND level = 2 ORDER BY number"
        for order in ("", " DESC"):
            for (data,) in ask(f"{pieces}{order} LIMIT 1", (TIMES,)):
                times = array("d", zlib.decompress(data))
                moments += [times[0], times[-1]]
        moments += ask(
            "SELECT min(coalesce(sent, received, ended)) FROM task WHERE row <= ?", (_LATE,)
        ).fetchone()
        moments += ask(
            "SELECT max(sent), max(received), max(ended) FROM task"
            " WHERE row > (SELECT max(row) FROM task) - ?",
            (_LATE,),
        ).fetchone()
        known = [float(moment) for moment in moments if moment is not None]
        return (min(known), max(known)) if known else (0.0, 0.0)

    def _answer(self, key: str) -> Any:
        if key not in self._known:
            self._known[key] = self._asks[key]()
        return self._known[key]

    def _meta(self) -> dict[str, Any]:
        known: dict[str, Any] = self._answer("meta")
        return known

    def _read_meta(self) -> dict[str, Any]:
        rows = self._connection.execute("SELECT key, value FROM meta")
        return {key: json.loads(value) for key, value in rows}

    def _read_marks(self) -> tuple[Mark, ...]:
        rows = self._connection.execute("SELECT t, kind, service, text FROM mark ORDER BY t, row")
        known = set(MarkKind)
        return tuple(
            Mark(t, MarkKind(kind), service, text) for t, kind, service, text in rows if kind in known
        )

    def _read_series(self) -> tuple[str, ...]:
        return tuple(name for (name,) in self._connection.execute("SELECT name FROM series ORDER BY id"))

    def _look(self) -> None:
        """Forget what was read when something was written since."""
        if self._closed:
            return
        now = self._asked_version()
        if now != self._data_version:
            self._data_version = now
            self._version += 1
            self._known.clear()

    def _asked_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])
