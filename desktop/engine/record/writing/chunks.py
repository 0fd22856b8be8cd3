"""The writer's side of the packed facts: chunks in memory, and which of them must be written."""

from __future__ import annotations

import sqlite3
import struct
from collections import OrderedDict
from typing import Final

from desktop.engine.record.layout import (
    CHUNK,
    FACT_OFFSETS,
    ID_BYTES,
    TEXT_BYTES,
    TEXT_OFFSETS,
)

KEPT = 256  # chunks in memory that need not be written: 65,536 tasks, some 7 MB
_NANS: Final = struct.pack("<d", float("nan")) * CHUNK
_SHORT_NANS: Final = struct.pack("<f", float("nan")) * CHUNK


class Chunk:
    """256 tasks: their columns, to be written at (row - 1) % 256."""

    __slots__ = (
        *("number", "batch", "facts", "ids", "texts", "facts_changed", "ids_changed", "texts_changed"),
        *FACT_OFFSETS,
        *TEXT_OFFSETS,
    )

    sent: memoryview[float]
    received: memoryview[float]
    started: memoryview[float]
    ended: memoryview[float]
    wait: memoryview[float]
    run: memoryview[float]
    cpu: memoryview[float]
    name: memoryview
    queue: memoryview
    worker: memoryview
    load: memoryview
    attempts: memoryview
    state: memoryview
    flags: memoryview
    args: memoryview
    kwargs: memoryview
    result: memoryview
    error: memoryview
    traceback: memoryview

    def __init__(self, number: int, stored: tuple[bytes, bytes, bytes] | None = None) -> None:
        self.number = number
        self.batch = 0  # the last one that it was handed over with
        facts, ids, texts = stored or (_empty_facts(), bytes(ID_BYTES), bytes(TEXT_BYTES))
        self.facts, self.ids, self.texts = bytearray(facts), bytearray(ids), bytearray(texts)
        self.facts_changed = self.ids_changed = self.texts_changed = False
        for raw, places in ((self.facts, FACT_OFFSETS), (self.texts, TEXT_OFFSETS)):
            whole = memoryview(raw)
            for name, (at, code, size) in places.items():
                setattr(self, name, whole[at : at + CHUNK * size].cast(code))


def _empty_facts() -> bytes:
    return b"".join(
        {"d": _NANS, "f": _SHORT_NANS}.get(code, bytes(CHUNK * size))
        for _, code, size in FACT_OFFSETS.values()
    )


class Chunks:
    """The chunks that are written to; the ones least lately used are let go of once they are committed."""

    def __init__(self, reader: sqlite3.Connection) -> None:
        self._reader = reader
        self._chunks: OrderedDict[int, Chunk] = OrderedDict()
        self._changed: dict[int, Chunk] = {}

    def of(self, row: int) -> Chunk:
        """The chunk of a task, which will be changed now: it is part of the next batch."""
        number = (row - 1) // CHUNK
        chunk = self._changed.get(number)
        if chunk is None:
            chunk = self._chunks.pop(number, None) or self._load(number)
            self._chunks[number] = self._changed[number] = chunk
        return chunk

    def _load(self, number: int) -> Chunk:
        found = self._reader.execute(
            # A chunk of tasks of which only their sender told has no texts yet.
            "SELECT facts.data, ids.data, task_texts.data FROM facts JOIN ids USING (chunk)"
            " LEFT JOIN task_texts USING (chunk) WHERE chunk = ?",
            (number,),
        ).fetchone()
        if found is not None:
            facts, packed, texts = found
            found = (facts, packed, texts if texts is not None else bytes(TEXT_BYTES))
        return Chunk(number, found)

    def drain(self, batch: int, committed: int) -> tuple[list[tuple[int, int, bytes]], ...]:
        """Rows for `facts`, `task_texts` and (with a 0 in the middle) `ids`; lets go of old chunks."""
        facts: list[tuple[int, int, bytes]] = []
        texts: list[tuple[int, int, bytes]] = []
        ids: list[tuple[int, int, bytes]] = []
        for number, chunk in self._changed.items():
            chunk.batch = batch
            facts.append((number, batch, bytes(chunk.facts)))
            if chunk.texts_changed:
                texts.append((number, batch, bytes(chunk.texts)))
            if chunk.ids_changed:
                ids.append((number, 0, bytes(chunk.ids)))
            chunk.texts_changed = chunk.ids_changed = False
        self._changed.clear()
        self._forget(committed)
        return facts, texts, ids

    def _forget(self, committed: int) -> None:
        for number in list(self._chunks)[: max(0, len(self._chunks) - KEPT)]:
            if self._chunks[number].batch <= committed:
                del self._chunks[number]
