"""Tasks by a text in their arguments, results, errors or ids: each distinct text is looked at once."""

from __future__ import annotations

import json
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from desktop.engine.api import TextIn
from desktop.engine.record.layout import CHUNK, TEXT_BYTES, TEXTS
from desktop.engine.record.reading.idsearch import IdSearch
from desktop.engine.record.reading.table import Mask
from desktop.engine.record.writing.texts import PER_BLOCK

_BATCH = 64  # chunks or blocks between two looks at whether anybody still waits
_FEW_TEXTS = 3_000  # that are looked up one by one
_REMEMBERED = 4  # searches whose results are kept and brought up to date
_NAMES = [name for name, _ in TEXTS]
_COLUMNS = {
    TextIn.ANYWHERE: _NAMES,
    TextIn.ARGS: ["args", "kwargs"],
    TextIn.RESULT: ["result"],
    TextIn.ERROR: ["error", "traceback"],
}
_EARLIER_KINDS = {"result": 0, "error": 1, "traceback": 2}
Check = Callable[[], None]


@dataclass(slots=True)
class _Found:
    """What a search found so far, and what it has looked at."""

    needle: str
    where: TextIn
    block: int = 0  # the last block of texts, which may have grown since
    texts: NDArray[np.bool_] = field(
        default_factory=lambda: np.zeros(PER_BLOCK, np.bool_)
    )  # by their numbers
    version: int = 0  # of the chunks of texts
    mask: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    ids: IdSearch | None = None


class Search:
    """Finds texts whatever their case. Not for several threads at once."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, TextIn], _Found] = OrderedDict()

    def mask(
        self, connection: sqlite3.Connection, needle: str, where: TextIn, rows: int, check: Check
    ) -> Mask:
        """Which of the first `rows` tasks have the text. What was found earlier is not looked for again."""
        needle = needle.lower()
        found = self._known.pop((needle, where), None) or _Found(needle, where)
        if where is not TextIn.ID:
            self._find_texts(connection, found, check)
            self._find_tasks(connection, found, rows, check)
            self._find_earlier(connection, found)
        if where in (TextIn.ID, TextIn.ANYWHERE):
            found.ids = found.ids or IdSearch(needle)
            ids = found.ids.mask(connection, rows, check)
            mask = ids if where is TextIn.ID else ids[:rows] | found.mask[:rows]
        else:
            mask = found.mask
        self._known[needle, where] = found
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return mask[:rows]

    def _find_texts(self, connection: sqlite3.Connection, found: _Found, check: Check) -> None:
        """Mark the texts that match, in the blocks that were written since the last time."""
        escaped = json.dumps(found.needle, ensure_ascii=False)[1:-1]
        last = connection.execute("SELECT coalesce(max(block), 0) FROM text").fetchone()[0]
        if len(found.texts) < (last + 1) * PER_BLOCK:
            found.texts = _long(found.texts, (last + 1) * PER_BLOCK * 5 // 4)
        rows = connection.execute("SELECT block, bodies FROM text WHERE block >= ?", (found.block,))
        while batch := rows.fetchmany(_BATCH):
            check()
            for block, bodies in batch:
                lower = bodies.lower()
                if escaped in lower:
                    for place in _matching(lower, bodies, found.needle, escaped):
                        found.texts[block << 8 | place] = True
        found.block = last

    def _find_tasks(self, connection: sqlite3.Connection, found: _Found, rows: int, check: Check) -> None:
        """Mark the tasks with such a text, in the chunks that changed since the last time."""
        found.mask = _long(found.mask, ((rows - 1) // CHUNK + 1) * CHUNK)
        by_chunk = found.mask.reshape(-1, CHUNK)
        columns = [_NAMES.index(name) for name in _COLUMNS[found.where]]
        newest = connection.execute("SELECT max(version) FROM task_texts").fetchone()[0] or 0
        if not found.texts.any():  # a text that comes later is told of by a chunk that changes later
            found.version = newest
            return
        changed = connection.execute(
            "SELECT chunk, data FROM task_texts WHERE version > ? ORDER BY chunk", (found.version,)
        )
        while batch := changed.fetchmany(_BATCH):
            check()
            joined = np.frombuffer(b"".join([data for _, data in batch]), "<u4")
            numbers = joined.reshape(len(batch), TEXT_BYTES // CHUNK // 4, CHUNK)[:, columns]
            by_chunk[[chunk for chunk, _ in batch]] = found.texts[numbers].any(axis=1)
        found.version = newest

    def _find_earlier(self, connection: sqlite3.Connection, found: _Found) -> None:
        """Mark the tasks with such a text in an attempt before the last."""
        kinds = {_EARLIER_KINDS[name] for name in _COLUMNS[found.where] if name in _EARLIER_KINDS}
        texts = np.flatnonzero(found.texts)
        if not kinds or not len(texts):
            return
        if len(texts) <= _FEW_TEXTS:
            rows = [
                row
                for text in texts.tolist()
                for row in connection.execute(
                    "SELECT text, task, kind FROM earlier_text WHERE text = ?", (text,)
                )
            ]
        else:
            rows = connection.execute("SELECT text, task, kind FROM earlier_text").fetchall()
        for text, task, kind in rows:
            if kind in kinds and found.texts[text]:
                found.mask[task - 1] = True


def _matching(lower: str, bodies: str, needle: str, escaped: str) -> Iterator[int]:
    """Places of the texts of a block that have the needle. An escape may look like it, so those are read."""
    lines = bodies.split("\n")
    for place, line in enumerate(lower.split("\n")):
        if escaped in line:
            if "\\" in line or escaped in ('"', "[", "]", ","):
                text = lines[place].removesuffix(",")
                text = text.removeprefix("[") if place == 0 else text
                text = text.removesuffix("]") if place == len(lines) - 1 else text
                if needle not in json.loads(text).lower():
                    continue
            yield place


def _long(mask: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    if len(mask) >= length:
        return mask
    longer = np.zeros(length, np.bool_)
    longer[: len(mask)] = mask
    return longer
