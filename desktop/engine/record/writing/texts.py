"""Texts of tasks (arguments, results, errors, tracebacks): the same text is stored once.

256 texts are one row: a JSON array, which SQLite's own functions take apart. The id of a text is
`block << 8 | place in the array`; block 0 is not used, so that 0 means "no text".
"""

from __future__ import annotations

import json
import sqlite3

from desktop.engine.record.ids import clean

PER_BLOCK = 256
BLOCK_CHARS = 32_768  # a block that has so many is full: it is written anew with each batch until then
_YOUNG_TEXTS = 8_192
_YOUNG_CHARS = 2_000_000


class Texts:
    """Gives each text its number. Remembers at most 16,384 distinct ones, or 4 million characters."""

    def __init__(self, block: int = 1) -> None:
        self._block = block
        self._bodies: list[str] = []
        self._chars = 0
        self._young: dict[str, int] = {}
        self._young_chars = 0
        self._old: dict[str, int] = {}
        self._full: list[tuple[int, list[str]]] = []
        self._grown = False

    def id_of(self, text: str | None) -> int:
        """The text's number; 0 for none."""
        if text is None:
            return 0
        found = self._young.get(text)
        if found is None:
            found = self._old.get(text) or self._add(text)
            self._remember(text, found)
        return found

    def _add(self, text: str) -> int:
        if len(self._bodies) == PER_BLOCK or self._chars > BLOCK_CHARS:
            self._full.append((self._block, self._bodies))
            self._block, self._bodies, self._chars = self._block + 1, [], 0
        self._bodies.append(text)
        self._chars += len(text)
        self._grown = True
        return self._block << 8 | len(self._bodies) - 1

    def _remember(self, text: str, number: int) -> None:
        if len(self._young) >= _YOUNG_TEXTS or self._young_chars > _YOUNG_CHARS:
            self._old, self._young, self._young_chars = self._young, {}, 0
        self._young[text] = number
        self._young_chars += len(text)

    def drain(self) -> list[tuple[int, str]]:
        """The rows of `text` that are new or have grown since the last call."""
        if not self._grown:
            return []
        rows = [(block, _array(bodies)) for block, bodies in (*self._full, (self._block, self._bodies))]
        self._full.clear()
        self._grown = False
        return rows


def _array(bodies: list[str]) -> str:
    """One text a line: no line end is in a JSON string, so that a search can take the array apart by them."""
    array = json.dumps(bodies, ensure_ascii=False, separators=(",\n", ":"))
    try:
        array.encode()
    except UnicodeEncodeError:  # lone surrogates
        return _array([clean(body) for body in bodies])
    return array


class TextReader:
    """Reads texts by their numbers. Keeps the last block; not for several threads at once."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._block = 0
        self._bodies: list[str] = []

    def text(self, number: int | None) -> str | None:
        """The text; None for 0 and for one that is not there."""
        if not number:
            return None
        place = number & (PER_BLOCK - 1)
        if number >> 8 != self._block or place >= len(self._bodies):
            found = self._connection.execute(
                "SELECT bodies FROM text WHERE block = ?", (number >> 8,)
            ).fetchone()
            self._block, self._bodies = number >> 8, json.loads(found[0]) if found else []
        return self._bodies[place] if place < len(self._bodies) else None
