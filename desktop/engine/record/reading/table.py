"""The packed facts of all tasks as arrays, kept up to date by fetching the chunks that changed."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from desktop.engine.record.layout import CHUNK, FACT_BYTES, FACT_OFFSETS, Code

Array = NDArray[Any]  # of any kind of number
Mask = NDArray[np.bool_]
Rows = NDArray[np.int32]  # places of tasks: their number - 1

_TYPES: dict[Code, str] = {"d": "<f8", "f": "<f4", "H": "<u2", "B": "u1", "I": "<u4"}
_BATCH = 64  # chunks that are fetched at once


class Table:
    """Columns of all tasks. Whoever uses them holds `lock`, in one piece with the `refresh` before it.

    56 bytes a task. A column is a view of (chunks, 256); `flat` makes one dimension of it.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.rows = 0
        self.version = 0  # grows when a task changed
        self.seen = 0  # the last batch that was read
        self._raw: NDArray[np.uint8] = np.empty((0, FACT_BYTES), np.uint8)
        self._chunks = 0

    def refresh(self, connection: sqlite3.Connection, check: Callable[[], None]) -> None:
        """Bring it to the state of the connection's transaction, which is not older than the last one."""
        rows, newest = connection.execute(
            "SELECT (SELECT max(row) FROM task), (SELECT max(version) FROM facts)"
        ).fetchone()
        if newest is None or newest <= self.seen:
            return
        self._make_room((rows - 1) // CHUNK + 1)
        found = connection.execute(
            "SELECT chunk, data FROM facts WHERE version > ? ORDER BY chunk", (self.seen,)
        )
        while batch := found.fetchmany(_BATCH):
            check()
            first, last = batch[0][0], batch[-1][0]
            if last - first + 1 == len(batch):  # a whole stretch: one copy
                joined = np.frombuffer(b"".join([data for _, data in batch]), np.uint8)
                self._raw[first : last + 1] = joined.reshape(len(batch), FACT_BYTES)
            else:
                for chunk, data in batch:
                    self._raw[chunk] = np.frombuffer(data, np.uint8)
        self.rows, self.seen = rows, newest
        self.version += 1

    def _make_room(self, chunks: int) -> None:
        self._chunks = chunks
        if chunks <= len(self._raw):
            return
        # Pages that were never touched cost nothing, so room to grow is free.
        larger = np.empty((chunks if not len(self._raw) else chunks * 5 // 4 + 16, FACT_BYTES), np.uint8)
        larger[: len(self._raw)] = self._raw
        self._raw = larger

    def column(self, name: str) -> Array:
        """The column, as (chunks, 256); the last row is filled up with places of no task."""
        at, code, size = FACT_OFFSETS[name]
        return self._raw[: self._chunks, at : at + CHUNK * size].view(_TYPES[code])

    def flat(self, name: str) -> Array:
        """A copy of the column with one value a task."""
        return self.column(name).reshape(-1)[: self.rows]

    def flattened(self, mask: Mask) -> Mask:
        """One value a task, of a mask that was worked out over (chunks, 256)."""
        return mask.reshape(-1)[: self.rows]

    def take(self, name: str, places: Rows | None) -> Array:
        """The column's values at some places, or all."""
        return self.flat(name) if places is None else self.flat(name)[places]
