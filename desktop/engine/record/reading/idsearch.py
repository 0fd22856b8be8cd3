"""Tasks by a part of their id."""

from __future__ import annotations

import json
import sqlite3
from binascii import hexlify
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from desktop.engine.record.layout import CHUNK
from desktop.engine.record.schema import OWN_ID

_BATCH = 128  # chunks
_SHAPE = "x" * 8 + "-" + "x" * 4 + "-" + "x" * 4 + "-" + "x" * 4 + "-" + "x" * 12
_FEW_DIGITS = 3  # so short a part stands in so many ids that each place is compared for all of them at once


class IdSearch:
    """One text in all ids; goes on where it was when it is asked again."""

    def __init__(self, needle: str) -> None:
        self._needle = needle
        self._digits = needle.replace("-", "").encode()
        self._places = _places(needle)
        self._chunk = 0  # the first one that was not full yet
        self._mask = np.zeros(0, np.bool_)

    def mask(self, connection: sqlite3.Connection, rows: int, check: Callable[[], None]) -> NDArray[np.bool_]:
        """Which of the first `rows` tasks have it in their ids; the result is at least that long."""
        size = ((rows - 1) // CHUNK + 1) * CHUNK
        if len(self._mask) < size:
            longer = np.zeros(size * 5 // 4 // CHUNK * CHUNK + CHUNK, np.bool_)
            longer[: len(self._mask)] = self._mask
            self._mask = longer
        if self._places:
            self._find(connection, check)
        counts = connection.execute("SELECT value FROM meta WHERE key = 'counts'").fetchone()
        if counts is not None and json.loads(counts[0]).get("own_ids"):
            self._find_own(connection, check)
        self._chunk = rows // CHUNK
        return self._mask

    def _find(self, connection: sqlite3.Connection, check: Callable[[], None]) -> None:
        found = connection.execute(
            "SELECT chunk, data FROM ids WHERE chunk >= ? ORDER BY chunk", (self._chunk,)
        )
        while batch := found.fetchmany(_BATCH):
            check()
            raw = b"".join([data for _, data in batch])
            hits = self._hits(hexlify(raw))
            # The empty places of the last chunk are zeros: no task is there, and nobody asks for them.
            self._mask.reshape(-1, CHUNK)[[chunk for chunk, _ in batch]] = hits.reshape(len(batch), CHUNK)

    def _find_own(self, connection: sqlite3.Connection, check: Callable[[], None]) -> None:
        """Ids that are no UUIDs; what stands for them among the packed ones is a digest."""
        own = connection.execute(
            f"SELECT row, id FROM task WHERE row > ? AND flags & {OWN_ID}", (self._chunk * CHUNK,)
        )
        while batch := own.fetchmany(1000):
            check()
            for row, task_id in batch:
                self._mask[row - 1] = self._needle in task_id.lower()

    def _hits(self, text: bytes) -> NDArray[np.bool_]:
        """Which of the ids in a row of hexadecimal digits, 32 each, have it."""
        count = len(text) // 32
        if not self._digits:  # a dash: every UUID has one
            return np.ones(count, np.bool_)
        hits = np.zeros(count, np.bool_)
        if len(self._digits) <= _FEW_DIGITS:
            table = np.frombuffer(text, np.uint8).reshape(count, 32)
            digits = np.frombuffer(self._digits, np.uint8)
            for place in self._places:
                hits |= (table[:, place : place + len(digits)] == digits).all(axis=1)
            return hits
        at = text.find(self._digits)
        while at >= 0:
            if at % 32 in self._places:
                hits[at // 32] = True
            at = text.find(self._digits, at + 1)
        return hits


def _places(needle: str) -> frozenset[int]:
    """At which of an id's 32 digits the text may begin, with its dashes where a UUID has them."""
    if not needle or not set(needle) <= set("0123456789abcdef-"):
        return frozenset()
    wanted = ["-" if sign == "-" else "x" for sign in needle]
    return frozenset(
        _SHAPE[:start].count("x")
        for start in range(len(_SHAPE) - len(needle) + 1)
        if list(_SHAPE[start : start + len(needle)]) == wanted
    )
